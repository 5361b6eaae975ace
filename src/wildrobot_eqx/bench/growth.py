"""How the cost of a physics step grows with a robot's joints and contacts: the C engine beside the tree engine."""

import statistics
import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from mujoco.batch import Batch

from ..physics.params import MODEL_FIELDS, PhysicsParams
from ..physics.tree.kernels import compiler_options
from ..physics.tree.packing import pack_params
from ..physics.tree.physics import EFFORT, control_step
from ..robots import Model

_SUBSTEPS = 4
_TURNS = 5
_LEG = """<body pos="{x:.3f} {y:.3f} 0"><joint axis="0 1 0"/><geom type="capsule" size="0.02" fromto="0 0 0 0 0 -0.1"/>
<body pos="0 0 -0.1"><joint axis="0 1 0"/><geom type="capsule" size="0.02" fromto="0 0 0 0 0 -0.1"/>
<body pos="0 0 -0.1"><joint axis="1 0 0"/><geom type="box" size="0.04 0.02 0.01" contype="1"/></body></body></body>"""


def bench_growth(legs: Sequence[int] = (2, 4, 8), num_envs: int = 256) -> dict[str, dict[str, float]]:
    """Physics steps per second of robots of `legs` legs, each of three joints and a box for a foot, standing.

    Returns:
        Per number of legs: joints, contact points, steps per second of a bare `Batch.step` loop and of
        the tree engine, the quotient, and the seconds that the tree engine takes to compile.
    """
    return {f"{n} legs": _case(n, num_envs) for n in legs}


def legged(legs: int) -> mujoco.MjModel:
    """A plate on `legs` legs in a circle, which stands on boxes on the floor."""
    angles = 2 * np.pi * np.arange(legs) / legs
    parts = "".join(_LEG.format(x=0.2 * np.cos(a), y=0.2 * np.sin(a)) for a in angles)
    return mujoco.MjModel.from_xml_string(
        f"""<mujoco><option timestep="0.005"/>
        <default><geom contype="0" conaffinity="0"/><joint damping="0.2" armature="0.01" stiffness="20"/></default>
        <worldbody><geom type="plane" size="0 0 1" conaffinity="1"/><body pos="0 0 0.2095"><freejoint/>
        <geom type="cylinder" size="0.22 0.02" mass="2"/>{parts}</body></worldbody></mujoco>"""
    )


def _case(legs: int, num_envs: int) -> dict[str, float]:
    mj = legged(legs)
    model = Model(mj)
    batch = Batch(mujoco.MjModel.__copy__(mj), num_envs)
    bare = num_envs * _SUBSTEPS / _seconds(lambda: batch.step(nstep=_SUBSTEPS))
    data = mujoco.MjData(mj)
    mujoco.mj_forward(mj, data)
    row = np.concatenate([mj.qpos0, np.zeros(2 * mj.nv + 1)])
    state = jnp.asarray(np.tile(row, (num_envs, 1)), jnp.float32)
    fields = {n: mj.opt.gravity if n == "gravity" else getattr(mj, n) for n in MODEL_FIELDS}
    params = PhysicsParams(**{n: jnp.asarray(a, jnp.float32) for n, a in fields.items()})
    packed = pack_params(params, jnp.float32)
    began = time.perf_counter()
    step = jax.vmap(control_step(model, EFFORT, _SUBSTEPS), (None, 0))
    options = compiler_options(quick_compile=False) or None
    step = jax.jit(step, compiler_options=options).lower(packed, state).compile()
    compiled = time.perf_counter() - began
    tree = num_envs * _SUBSTEPS / _seconds(lambda: jax.block_until_ready(step(packed, state)))
    return {
        "joints": float(3 * legs),
        "contact_points": float(data.ncon),
        "bare_steps_per_second": bare,
        "tree_steps_per_second": tree,
        "tree_times_bare": tree / bare,
        "tree_compile_seconds": compiled,
    }


def _seconds(call: Callable[[], object]) -> float:
    call()
    spent = []
    for _ in range(_TURNS):
        start = time.perf_counter()
        call()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)
