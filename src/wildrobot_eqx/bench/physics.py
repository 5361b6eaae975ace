"""The physics benchmark: what an engine costs on top of MuJoCo's own batch of simulations."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float
from mujoco.batch import Batch

from ..errors import WildRobotError
from ..physics.base import AbstractPhysics, PhysicsState, cpu_shards, nominal_ctrl
from ..physics.mjx import MjxPhysics
from ..physics.native import NativePhysics
from ..physics.select import make_physics
from ..robots import load_robot

_CONTROL_STEPS = 25  # in one timed call


def bench_physics(
    robot: str = "wildrobot", engines: Sequence[str] = ("native",), num_envs: int = 1024, seconds: float = 30.0
) -> dict[str, dict[str, Any]]:
    """Physics steps per second of bare `Batch.step` loops and of engines under `jit(scan(vmap))`.

    All cases start from the same poses, follow the same targets and use the same model and
    number of threads. They take turns for about `seconds` s (at least 5 turns each); a
    case's figures are its median rate, that as a fraction of the bare loop's and as a multiple of
    `native`'s, the seconds that tracing and compiling take, and the memory of the
    compiled rollout in MB (that of JAX: what MuJoCo holds beside it is not in it).

    - `bare`: writes the targets and steps; derived quantities lag one substep behind.
    - `bare_fresh`: also refreshes poses and velocities after each control step, as engines must.
    - `tree` steps one shard of the envs per core, from a thread each (`num_shards`).
    - `mjx-warp` is `mjx` with `impl="warp"`.

    A case that this machine cannot run, such as for want of memory, has one entry, `skipped`: the reason.

    Raises:
        WildRobotError: no such robot or engine.
    """
    native = NativePhysics(load_robot(robot))
    qpos, targets = script(native, num_envs)
    cases: dict[str, Callable[[], None]] = {
        "bare": _bare_loop(native, qpos, targets, mujoco.mjtStage.mjSTAGE_NONE),
        "bare_fresh": _bare_loop(native, qpos, targets, mujoco.mjtStage.mjSTAGE_VEL),
    }
    for run in cases.values():
        run()
    figures: dict[str, dict[str, Any]] = {"bare": {}, "bare_fresh": {}}
    for engine in engines:
        try:
            case = EngineCase.of(make_engine(engine, native), qpos, targets)
            case.run()  # fault the memory in
        except WildRobotError as error:
            if engine != "mjx-warp":
                raise
            figures[engine] = {"skipped": error.what}
            continue
        except jax.errors.JaxRuntimeError as error:
            figures[engine] = {"skipped": why_not(error)}
            continue
        cases[engine] = case.run
        figures[engine] = {
            "compile_seconds": case.compile_seconds,
            "memory_mb": case.memory_mb,
            "num_shards": case.num_shards,
        }
    times: dict[str, list[float]] = {name: [] for name in cases}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["bare"]) < 5:
        for name, run in cases.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    steps = num_envs * _CONTROL_STEPS * native.n_substeps
    rate = {name: steps / statistics.median(spent) for name, spent in times.items()}
    for name in cases:
        ratio = {"times_native": rate[name] / rate["native"]} if "native" in rate else {}
        bare = {"steps_per_second": rate[name], "fraction_of_bare": rate[name] / rate["bare"]}
        figures[name] = {**ratio, **bare, **figures[name], "turns": len(times[name])}
    return figures


def why_not(error: jax.errors.JaxRuntimeError) -> str:
    """Why the device cannot run a case, such as for want of memory: the first line of what XLA says."""
    return next(iter(str(error).splitlines()), "XLA failed")[:200]


def make_engine(name: str, native: NativePhysics) -> AbstractPhysics:
    """An engine by name, `mjx-warp` included, for the robot and timestep of `native`.

    Raises:
        WildRobotError: there is no such engine, or it does not run here.
    """
    if name == "mjx-warp":
        return MjxPhysics(native.robot, native.timestep, impl="warp")
    return make_physics(name, native.robot, native.timestep)


def script(physics: NativePhysics, num_envs: int) -> tuple[Float[np.ndarray, " nq"], Float[np.ndarray, "t n nu"]]:
    """The first pose of all, standing at home, and targets that keep every joint busy without a fall."""
    robot = physics.robot
    rng = np.random.default_rng(0)
    sway = 0.08 * rng.normal(size=(_CONTROL_STEPS, num_envs, robot.nu))
    low, high = np.asarray(robot.ctrl_range).T
    return np.asarray(robot.home_qpos), np.clip(np.asarray(nominal_ctrl(robot)) + sway, low, high).astype(np.float32)


def _bare_loop(
    physics: NativePhysics,
    qpos: Float[np.ndarray, " nq"],
    targets: Float[np.ndarray, "t n nu"],
    stage: mujoco.mjtStage,
) -> Callable[[], None]:
    batch = Batch(mujoco.MjModel.__copy__(physics.model.mj), targets.shape[1], physics.threads)
    start = {"qpos": qpos, "qvel": 0.0, "qacc_warmstart": 0.0, "time": 0.0}
    bound = {name: batch.bind(name) for name in (*start, "ctrl")}

    def run() -> None:
        for name, value in start.items():
            bound[name][...] = value
        for target in targets:
            bound["ctrl"][...] = target
            if stage == mujoco.mjtStage.mjSTAGE_NONE:
                batch.step(nstep=physics.n_substeps)
            else:
                batch.step(nstep=physics.n_substeps, stage=int(stage))

    return run


@dataclasses.dataclass(frozen=True)
class EngineCase:
    """One engine's rollout, compiled."""

    run: Callable[[], None]
    compile_seconds: float
    memory_mb: float
    num_shards: int  # shards that run at once, from a thread each

    @staticmethod
    def of(
        physics: AbstractPhysics, qpos: Float[np.ndarray, " nq"], targets: Float[np.ndarray, "t n nu"]
    ) -> "EngineCase":
        """The rollout of `targets`, by as many robots as they have columns, from the pose `qpos` on."""
        params = physics.params()
        num_shards = cpu_shards(physics, targets.shape[1])
        n = targets.shape[1] // num_shards
        init = jax.jit(lambda q, v: physics.init(params, q, v))
        first = init(jnp.asarray(qpos, jnp.float32), jnp.zeros((physics.robot.nv,), jnp.float32))
        starts = [jax.tree.map(lambda leaf: jnp.tile(leaf, (n,) + (1,) * leaf.ndim), first) for _ in range(num_shards)]
        scripts = [jnp.asarray(part) for part in np.split(targets, num_shards, axis=1)]

        def rollout(state: PhysicsState, script: Float[Array, "t n nu"]) -> PhysicsState:
            def body(state: PhysicsState, target: Float[Array, "n nu"]) -> tuple[PhysicsState, None]:
                return jax.vmap(lambda s, c: physics.step(params, s, c))(state, target), None

            return jax.lax.scan(body, state, script)[0]

        began = time.perf_counter()
        options = physics.compiler_options()
        compiled = jax.jit(rollout, compiler_options=options or None).lower(starts[0], scripts[0]).compile()
        seconds = time.perf_counter() - began
        used = compiled.memory_analysis()
        sizes = (used.temp_size_in_bytes, used.argument_size_in_bytes, used.output_size_in_bytes) if used else (0,)
        threads = ThreadPoolExecutor(num_shards)

        def run() -> None:
            for end in threads.map(compiled, starts, scripts):
                jax.block_until_ready(end)

        return EngineCase(run, seconds, num_shards * sum(sizes) / 1e6, num_shards)
