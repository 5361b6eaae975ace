"""Constrained accelerations and steps against MuJoCo's C engine with its solver run to the end."""

import jax.numpy as jnp
import numpy as np
import pytest
from tree_models import compile_text, exact, model, mujoco_data, restless_states, tree_outputs
from tree_runs import agree
from walks import walking

from wildrobot_eqx.physics.tree.physics import EFFORT
from wildrobot_eqx.robots import Model, load_robot

SHAPES = """
<mujoco>
  <option timestep="0.004" cone="{cone}" integrator="{integrator}" impratio="{impratio}"/>
  <worldbody>
    <geom type="plane" size="0 0 1" friction="0.6 0.02 0.01" euler="{tilt} 0 0" solmix="2"/>
    <body pos="0 0 0.12"><freejoint/><joint/>{extra}
      <geom type="{shape}" size="0.1 0.08 0.06" condim="{condim}" margin="{margin}" solref="{solref}" priority="0"/>
    </body>
  </worldbody>
  <actuator><motor joint="arm"/></actuator>
</mujoco>
"""
ARM = """<body pos="0 0 0.1">
<joint name="arm" axis="0 1 0" damping="0.05" frictionloss="0.02" limited="true" range="-20 20"/>
<geom type="capsule" size="0.02" fromto="0 0 0 0 0 0.2" contype="0" conaffinity="0"/></body>"""


def scene(shape="box", cone="pyramidal", integrator="Euler", condim=3, **changes) -> Model:
    given = {"impratio": 1, "tilt": 0, "margin": 0, "solref": "0.02 1", "extra": ARM, **changes}
    xml = SHAPES.format(shape=shape, cone=cone, integrator=integrator, condim=condim, **given)
    return compile_text(xml.replace("<joint/>", ""))


def states_of(chosen: Model, n: int):
    return restless_states(chosen, n)


@pytest.mark.parametrize(
    "name",
    ["hopper", *(pytest.param(n, marks=pytest.mark.slow) for n in ("wildrobot", "ant", "brax_hopper"))],
)
def test_forward_dynamics_in_contact_are_mujocos(name):
    chosen = model(name)
    start = load_robot(name).home_qpos if name in ("hopper", "wildrobot") else None
    agree(chosen, restless_states(chosen, 60, start=start), 0, 1e-7)


@pytest.mark.parametrize(
    "given",
    [
        {"shape": "box", "tilt": 10},
        {"shape": "ellipsoid", "cone": "elliptic", "impratio": 5},
        {"shape": "capsule", "cone": "elliptic"},
        {"shape": "sphere", "integrator": "implicitfast", "condim": 1},
        {"shape": "box", "margin": 0.01, "solref": "-2000 -50"},
        {"shape": "capsule", "impratio": 3},
        {"shape": "cylinder", "tilt": 5},
        {"shape": "sphere", "condim": 6},
        {"shape": "capsule", "condim": 4, "cone": "elliptic", "impratio": 3},
        {"shape": "box", "condim": 6, "cone": "elliptic", "tilt": 10},
        {"shape": "cylinder", "cone": "elliptic", "impratio": 2},
    ],
    ids=str,
)
@pytest.mark.slow
def test_shapes_cones_and_integrators(given):
    chosen = scene(**given)
    states = states_of(chosen, 40)
    agree(chosen, states, 0, 1e-6)
    agree(chosen, states, 4, 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["walking", "restless"])
def test_one_step_of_a_biped_stays_within_the_bounds(source):
    """Float32 and the solver's default effort: from states of a policy that walks, and of random targets."""
    chosen, home = model("wildrobot"), load_robot("wildrobot").home_qpos
    if source == "walking":
        physics, ctrl = walking(1000)
        assert float(jnp.mean(physics.foot_force[:, :, 2].sum(axis=1) > 1.0)) > 0.9, "feet on the floor"
        states = [np.asarray(a, float) for a in (physics.qpos, physics.qvel, physics.carry, ctrl)]
    else:
        states = restless_states(chosen, 1000, start=home, amplitude=0.25)
    found = tree_outputs(chosen, EFFORT, states, 0, jnp.float32)["qacc_warmstart"]
    mj = exact(chosen)
    expected = np.array([mujoco_data(mj, s).qacc for s in zip(*states)])
    error = np.linalg.norm(found[:, 6:] - expected[:, 6:], axis=1) / np.linalg.norm(expected[:, 6:], axis=1)
    print(f"joint accelerations: median {np.median(error):.1e}, p99 {np.percentile(error, 99):.1e}, ", end="")
    print(f"max {error.max():.1e}")
    assert len(error) == 1000
    assert np.median(error) < 1e-4, "the bar is 1%"
    assert np.percentile(error, 99) < 1e-2, "the bar is 5%"
