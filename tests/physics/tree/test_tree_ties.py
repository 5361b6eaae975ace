"""Equality constraints of joints, as of mimic joints and linkages, beside MuJoCo."""

import mujoco
import numpy as np
import pytest
from tree_models import compile_text, random_states
from tree_runs import agree

from wildrobot_eqx.physics.tree.check import check_class
from wildrobot_eqx.physics.tree.model import read

HAND = """
<mujoco>
  <option timestep="0.002" integrator="{integrator}"/>
  <worldbody>
    <geom type="plane" size="0 0 1" pos="0 0 -0.2" contype="2" conaffinity="0"/>
    <body>
      <joint name="wrist" axis="0 0 1" damping="0.02"/><geom type="box" size="0.03 0.03 0.02" contype="0"/>
      <body pos="0 0.03 0"><joint name="left" axis="1 0 0" damping="0.01" ref="10"/>
        <geom type="capsule" size="0.01" fromto="0 0 0 0 0 -0.1" contype="0"/>
        <body pos="0 0 -0.1"><joint name="tip" axis="1 0 0" damping="0.01" limited="true" range="-50 50"/>
          <geom size="0.02" conaffinity="2" contype="0" pos="0 0 -0.15"/></body>
      </body>
      <body pos="0 -0.03 0"><joint name="right" axis="1 0 0" damping="0.01" frictionloss="0.005"/>
        <geom type="capsule" size="0.01" fromto="0 0 0 0 0 -0.1" contype="0"/>
        <body pos="0 0 -0.1"><joint name="rod" type="slide" axis="0 0 1" ref="0.02"/>
          <geom size="0.02" contype="0"/></body>
      </body>
    </body>
  </worldbody>
  <equality>
    <joint joint1="right" joint2="left" polycoef="0.1 -1 0 0 0" solref="0.01 0.7"/>
    <joint joint1="tip" joint2="left" polycoef="0 1.2 0.3 -0.1 0.05" solimp="0.9 0.99 0.2 0.4 3"/>
    <joint joint1="rod" polycoef="0.01 0 0 0 0"/>
    <joint joint1="wrist" joint2="rod" polycoef="0 3 0 0 0" active="{active}"/>
  </equality>
  <actuator><motor joint="left"/></actuator>
</mujoco>
"""


def hand(integrator="Euler", active="true"):
    return compile_text(HAND.format(integrator=integrator, active=active))


def states_of(chosen, n):
    mj, rng = chosen.mj, np.random.default_rng(3)
    qpos, qvel = random_states(chosen, n)
    return [qpos, qvel, rng.normal(0.0, 5.0, (n, mj.nv)), rng.normal(0.0, 0.5, (n, mj.nu))]


@pytest.mark.parametrize("integrator", ["Euler", pytest.param("implicitfast", marks=pytest.mark.slow)])
def test_tied_joints_accelerate_as_mujocos(integrator):
    """Linear, of fourth degree, held to a constant; across branches, and along one."""
    chosen = hand(integrator)
    check_class(chosen, ignore_self_contact=False)
    assert read(chosen).below == ((), (0,), (1, 0), (1, 0), (3, 0))
    data = agree(chosen, states_of(chosen, 40), 0, 1e-7)
    assert {d.ne for d in data} == {4}
    assert any(np.any(d.contact.dist < 0) for d in data), "a tip on the floor"
    agree(chosen, states_of(chosen, 40), 4, 1e-6)


def test_what_is_switched_off_does_not_tie():
    def switch(mj):
        mj.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_EQUALITY)

    off = hand(active="false")
    assert len(read(off).ties) == 3
    none = off.edit(switch)
    assert read(none).ties == ()
    assert read(none).below == ((), (0,), (1, 0), (0,), (3, 0))
