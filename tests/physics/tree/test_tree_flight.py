"""Without contact for a second: trajectories, energy and momentum beside MuJoCo's own, with every integrator."""

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from helpers import shifted
from tree_models import compile_text, model
from tree_runs import at_rest, energy, momentum, mujoco_run, tree_run

from wildrobot_eqx.physics.tree.physics import EFFORT
from wildrobot_eqx.robots import Model

N, CHUNKS = 16, 10
CHAIN = """
<mujoco>
  <option timestep="0.002" integrator="{integrator}"><flag eulerdamp="{implicit}"/></option>
  <default>
    <geom contype="0" conaffinity="0"/>
    <joint damping="{damping}" armature="0.002"/>
  </default>
  <worldbody>
    <body pos="0 0 1">{root}<geom type="box" size="0.1 0.06 0.04" density="400"/>
      <body pos="0.1 0 0"><joint axis="0 1 0" springref="0.5" stiffness="0.2"/>
        <geom type="capsule" size="0.02" fromto="0 0 0 0.2 0 0"/>
        <body pos="0.2 0 0"><joint type="ball"/><geom type="capsule" size="0.02" fromto="0 0 0 0 0.02 -0.15"/>
          <body pos="0 0 -0.15"><joint type="slide" axis="0 0 1" stiffness="50"/><geom size="0.03"/></body>
        </body>
      </body>
    </body>
  </worldbody>
</mujoco>
"""
INTEGRATORS = {
    "damping taken implicitly": ("Euler", "enable", 0.01),
    "damping taken explicitly": ("Euler", "disable", 0.01),
    "implicitfast": ("implicitfast", "enable", 0.01),
    "no damping": ("Euler", "enable", 0.0),
}


def chain(integrator: str, implicit: str, damping: float, root: str) -> Model:
    return compile_text(CHAIN.format(integrator=integrator, implicit=implicit, damping=damping, root=root))


def airborne(name: str) -> Model:
    """A robot or a foreign model that touches nothing and strains no joint limit, its dampers off."""
    mj = mujoco.MjModel.__copy__(model(name).mj)
    mj.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONSTRAINT)
    mj.opt.timestep, mj.dof_damping[:], mj.jnt_stiffness[:] = 0.002, 0.0, 0.0
    mj.actuator_gainprm[:], mj.actuator_biasprm[:] = 0.0, 0.0
    return Model(mj)


def thrown(chosen: Model, seed: int = 0):
    """States in motion, and parameters: one half falls, the other is weightless."""
    mj, rng = chosen.mj, np.random.default_rng(shifted(seed))
    qpos = np.tile(mj.qpos0, (N, 1))
    for q in qpos:
        mujoco.mj_integratePos(mj, q, rng.normal(0.0, 0.3, mj.nv), 1.0)
    qvel = rng.normal(0.0, 1.0, (N, mj.nv))
    gravity = np.tile(mj.opt.gravity, (N, 1))
    gravity[N // 2 :] = 0.0
    return at_rest(chosen, qpos, qvel), {"gravity": gravity}


def drift(chosen: Model, states, run, of) -> np.ndarray:
    """How far the weightless robots' energy or momentum has gone from its start, the worst of each."""
    start, now = of(chosen, *(a[N // 2 :] for a in states[:2])), of(chosen, run["qpos"], run["qvel"])[:, N // 2 :]
    return np.abs(now - start).max(axis=(0, 1))


def check(chosen: Model, dtype, bound: float, free: bool, slack: float) -> None:
    states, changes = thrown(chosen)
    ours = tree_run(chosen, EFFORT, states, CHUNKS, 50, dtype, changes)
    theirs = mujoco_run(chosen, states, CHUNKS, 50, changes)
    worst = np.abs(ours["qpos"] - theirs["qpos"]).max()
    told = f"qpos after 1 s within {worst:.1e}"
    for name, of in {"energy": energy, **({"momentum": momentum} if free else {})}.items():
        size = np.abs(of(chosen, *(a[N // 2 :] for a in states[:2]))).max()
        a, b = drift(chosen, states, ours, of), drift(chosen, states, theirs, of)
        told += f"; {name} drift {np.max(a):.2e}, MuJoCo's {np.max(b):.2e}, of {size:.2g}"
        assert np.all(a < b + slack * size), name
    print(told)
    assert worst < bound


@pytest.mark.parametrize("root", ["<freejoint/>", pytest.param("", marks=pytest.mark.slow)], ids=["flying", "swinging"])
@pytest.mark.parametrize("double", [pytest.param(False, marks=pytest.mark.slow), True], ids=["float32", "float64"])
@pytest.mark.parametrize(
    "integrator",
    [n if n == "implicitfast" else pytest.param(n, marks=pytest.mark.slow) for n in INTEGRATORS],
)
def test_a_chain_moves_as_mujocos(integrator, root, double):
    """Hinge, ball and slide joints with springs, one of them free in space: 1 s."""
    chosen = chain(*INTEGRATORS[integrator], root)
    dtype, bound, slack = (jnp.float64, 1e-9, 1e-9) if double else (jnp.float32, 5e-3, 1e-5)
    check(chosen, dtype, bound, bool(root), slack)


@pytest.mark.slow
@pytest.mark.parametrize("double", [False, True], ids=["float32", "float64"])
@pytest.mark.parametrize("name", ["wildrobot", "ant", "double_pendulum", "walker2d", "mujoco_humanoid"])
def test_robots_without_brakes_move_as_mujocos(name, double):
    """Passive and weightless, or falling, for 1 s: energy and momentum drift as far as the integrator lets them."""
    chosen = airborne(name)
    dtype, bound, slack = (jnp.float64, 1e-7, 1e-9) if double else (jnp.float32, 1e-2, 1e-4)
    check(chosen, dtype, bound, chosen.mj.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE, slack)
