"""Contacts between bodies that both move, and with still ones other than planes, beside MuJoCo."""

import mujoco
import numpy as np
import pytest
from tree_models import compile_text, model
from tree_runs import agree, at_rest

from wildrobot_eqx.physics.tree.check import check_class
from wildrobot_eqx.physics.tree.model import read
from wildrobot_eqx.physics.tree.pairs import contact_pairs
from wildrobot_eqx.robots import Model

GEOMS = {
    "sphere": 'type="sphere" size="0.06"',
    "capsule": 'type="capsule" size="0.04 0.08"',
    "box": 'type="box" size="0.05 0.06 0.07"',
}
ARMS = """
<mujoco>
  <option timestep="0.004" cone="{cone}" impratio="2"/>
  <worldbody>
    <body pos="0 0.04 0">
      <joint axis="1 0 0" damping="0.02" frictionloss="0.01"/><joint axis="0 1 0" damping="0.02"/>
      <geom name="a" {a} pos="0.01 0.005 -0.1" euler="20 50 10"/>
    </body>
    <body pos="0 -0.04 0">
      <joint axis="1 0 0" damping="0.02" limited="true" range="-40 40"/><joint axis="0 0 1" damping="0.02"/>
      <geom name="b" {b} pos="0.02 0 -0.1" euler="30 -20 70"/>
    </body>
  </worldbody>
  <sensor><contact geom1="a" geom2="b" data="force" reduce="netforce"/></sensor>
</mujoco>
"""
# Two legs that hit each other, a loose ball between them, a still post; some of it by <pair>, the rest by default.
WALKER = """
<mujoco>
  <option timestep="0.004" cone="{cone}" impratio="2"/>
  <default><default class="bare"><geom contype="0" conaffinity="0"/></default></default>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1" contype="2" conaffinity="0"/>
    <geom name="post" type="sphere" size="0.05" pos="0.1 0.05 0.1" contype="0" conaffinity="4"/>
    <body name="base" pos="0 0 0.35">
      <freejoint/>
      <geom type="box" size="0.05 0.1 0.03" class="bare"/>
      <body pos="0 0.05 0">
        <joint axis="1 0 0" damping="0.05"/><joint axis="0 1 0" damping="0.05" frictionloss="0.01"/>
        <geom type="capsule" size="0.02" fromto="0 0 0 0 0 -0.15" class="bare"/>
        <body name="left" pos="0 0 -0.15">
          <joint axis="0 1 0" damping="0.02" limited="true" range="-90 90"/><joint axis="0 0 1" damping="0.02"/>
          <geom name="a" {a} pos="0.01 0.005 -0.05" euler="20 50 10" contype="4" conaffinity="2"/>
        </body>
      </body>
      <body pos="0 -0.05 0">
        <joint axis="1 0 0" damping="0.05"/><joint axis="0 1 0" damping="0.05"/>
        <geom type="capsule" size="0.02" fromto="0 0 0 0 0 -0.15" class="bare"/>
        <body name="right" pos="0 0 -0.15">
          <joint axis="0 1 0" damping="0.02"/>
          <geom name="b" {b} pos="0.02 0 -0.05" euler="30 -20 70" contype="4" conaffinity="2"/>
        </body>
      </body>
    </body>
    <body name="ball" pos="0.1 0 0.1"><freejoint/><geom name="ball" size="0.05" conaffinity="6"/></body>
  </worldbody>
  <contact>
    <pair geom1="a" geom2="b" condim="{condim}" friction="0.7 0.7 0.02 0.01 0.03" margin="0.005"/>
  </contact>
  <sensor>
    <contact geom1="a" geom2="b" data="force" reduce="netforce"/>
    <contact body1="left" data="force" reduce="netforce"/>
    <contact subtree2="base" data="force" reduce="netforce"/>
    <contact subtree1="base" geom2="post" data="force" reduce="netforce"/>
    <contact subtree1="base" subtree2="base" data="force" reduce="netforce"/>
    <contact data="force" reduce="netforce"/>
  </sensor>
</mujoco>
"""
SHAPES = [("sphere", "sphere"), ("sphere", "capsule"), ("capsule", "capsule"), ("sphere", "box")]


def meeting(chosen: Model, n: int):
    """Random states in which bodies that both move touch: (qpos, qvel, warm start, ctrl), a ball put amid them."""
    mj, rng, found = chosen.mj, np.random.default_rng(0), []
    data, loose = mujoco.MjData(mj), mj.nq > 7
    for _ in range(10_000):
        data.qpos[:] = mj.qpos0 + rng.normal(0.0, 0.2, mj.nq)
        if loose:
            data.qpos[2] -= 0.1
            data.qpos[-7:-4] = data.qpos[:3] + rng.normal(0.0, 0.1, 3) - np.array([0.0, 0.0, 0.25])
        mujoco.mj_normalizeQuat(mj, data.qpos)
        data.qvel[:] = rng.normal(0.0, 1.0, mj.nv)
        mujoco.mj_forward(mj, data)
        bodies = mj.geom_bodyid[data.contact.geom]
        if np.any(np.all(mj.body_weldid[bodies] > 0, axis=1)):
            found.append((data.qpos.copy(), data.qvel.copy(), rng.normal(0.0, 5.0, mj.nv), np.zeros(0)))
        if len(found) == n:
            return [np.array(a) for a in zip(*found)]
    raise AssertionError("they do not meet")


@pytest.mark.parametrize(
    ("shapes", "cone"),
    [(("sphere", "sphere"), "elliptic")]
    + [pytest.param(s, cone, marks=pytest.mark.slow) for s in SHAPES[1:] for cone in ("pyramidal", "elliptic")],
)
def test_arms_meet_as_mujocos(shapes, cone):
    """Two pendulums, which no joint couples but the contact: the factors fill in what it does."""
    chosen = compile_text(ARMS.format(cone=cone, **dict(zip("ab", map(GEOMS.get, shapes)))))
    check_class(chosen, ignore_self_contact=False)
    assert read(chosen).below == ((), (0,), (1, 0), (2, 1, 0))
    assert read(chosen, self_contact=False).below == ((), (0,), (), (2,))
    agree(chosen, meeting(chosen, 40), 0, 1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("condim", [1, 3, 4, 6])
@pytest.mark.parametrize("cone", ["pyramidal", "elliptic"])
@pytest.mark.parametrize("shapes", SHAPES, ids="-".join)
def test_legs_a_ball_and_a_post_meet_as_mujocos(shapes, cone, condim):
    """Pairs of one tree, of two trees, and with what never moves; accelerations, four steps, and every net force."""
    chosen = compile_text(WALKER.format(cone=cone, condim=condim, **dict(zip("ab", map(GEOMS.get, shapes)))))
    check_class(chosen, ignore_self_contact=False)
    states = meeting(chosen, 60)
    data = agree(chosen, states, 0, 1e-7)
    met = {tuple(sorted(chosen.mj.geom(g).name for g in pair)) for d in data for pair in d.contact.geom}
    assert {("a", "b"), ("a", "ball"), ("b", "ball"), ("a", "floor"), ("a", "post")} <= met
    agree(chosen, states, 4, 1e-6)


STILL = """
<mujoco>
  <option timestep="0.004"/>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1"/>
    <geom name="wall" type="plane" size="0 0 1" pos="-1 0 0" euler="0 90 0"/>
    <geom name="post" size="0.1" pos="1 0 0" contype="0" conaffinity="0"/>
    <geom name="box" type="box" size="0.1 0.1 0.1" pos="1 0 0" contype="0" conaffinity="0"/>
    <body name="bolted" pos="1 0 0"><geom name="stud" size="0.1" contype="0" conaffinity="0"/></body>
    <body pos="0 0 0.099"><joint name="z" type="slide" axis="0 0 1"/><geom name="ball" size="0.1"/></body>
  </worldbody>
  <contact>{pairs}</contact>
  <sensor><contact geom1="ball" data="force" reduce="netforce"/></sensor>
</mujoco>
"""
NEVER_MOVE = (("post", "stud"), ("floor", "post"), ("floor", "wall"), ("box", "stud"), ("box", "floor"))


def test_a_pair_of_geoms_that_never_move_is_no_contact():
    """MuJoCo finds such contacts and gives them no force; the engine once died of their bodies' having no joint."""
    listed = "".join(f'<pair geom1="{a}" geom2="{b}"/>' for a, b in NEVER_MOVE)
    chosen, bare = (compile_text(STILL.format(pairs=pairs)) for pairs in (listed, ""))
    assert contact_pairs(chosen.mj) == contact_pairs(bare.mj)
    check_class(chosen, ignore_self_contact=False)
    (data,) = agree(chosen, at_rest(chosen, chosen.mj.qpos0), 0, 1e-7)
    met = {frozenset(chosen.mj.geom(g).name for g in pair) for pair in data.contact.geom}
    assert {frozenset(("post", "stud")), frozenset(("floor", "post"))} < met, "MuJoCo lists them"


def test_without_such_contacts_the_solver_keeps_the_trees_sparsity():
    for name in ("hopper", "wildrobot"):
        tree = read(model(name))
        assert tree.below == tuple(dof.parents for dof in tree.dofs)
