"""One case of the scaling benchmark, timed in a process of its own: `python -m ... CASE`, the case as JSON."""

import dataclasses
import json
import logging
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ..learn import ppo
from ..learn.collect import Collector
from ..learn.config import PPO, as_learner
from ..learn.mesh import Devices
from ..physics.base import cpu_shards
from ..recipes.recipe import load_recipe
from ..train.distributed import Processes
from ..train.placement import Placement
from ..train.startup import enable_compilation_cache

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Case:
    """One process of a training to measure.

    Args:
        num_envs: of the whole training.
        cores: that this process may run on.
        devices: of each process; 0: without a mesh.
        processes: of the training.
        process: which of them this is.
        port: where they meet, on loopback.
        groups: `minibatch_groups`.
        recipe, engine: what is trained.
        iterations: that are measured.
    """

    num_envs: int
    cores: tuple[int, ...]
    devices: int = 0
    processes: int = 1
    process: int = 0
    port: int = 0
    groups: int = 1
    recipe: str = "walk"
    engine: str = "tree"
    iterations: int = 10


def measure(case: Case) -> dict[str, Any]:
    """Seconds of an iteration (`iteration`), of its halves (`collect`, `update`), and of exchanges between devices."""
    placement = Placement(case.devices or None)
    if case.processes > 1:
        placement = Placement(
            case.devices, True, f"127.0.0.1:{case.port}", processes=case.processes, process=case.process
        )
    placement.start()
    enable_compilation_cache()
    processes = Processes()
    with processes.watched():
        return _timed(case, placement.choose(), processes)


def _timed(case: Case, devices: Devices, processes: Processes) -> dict[str, Any]:
    recipe = load_recipe(case.recipe)(physics=case.engine, num_envs=case.num_envs)
    config = dataclasses.replace(as_learner(recipe.learner, PPO), minibatch_groups=case.groups)
    num_shards = 1 if devices.mesh is not None else cpu_shards(recipe.env.physics, case.num_envs)
    state = ppo.init(recipe.env, config, jax.random.key(0))
    processes.wait()  # Gloo waits for half a minute at the first exchange
    seconds, began = [], 0.0
    for new, figures in ppo.train(recipe.env, config, state, case.iterations + 2, None, num_shards, None, devices):
        jax.device_get(figures)
        seconds.append(time.perf_counter() - began)
        began, state = time.perf_counter(), new
    env = devices.place(recipe.env)
    key = state.key
    with Collector(num_shards, None, devices) as collector:
        pool = ppo.make_pool(env, config, key, devices)
        _, rollout, _ = collector(env, config, state, pool, key)

        def collect() -> None:
            first = ppo.make_pool(env, config, key, devices)
            jax.block_until_ready(collector(env, config, state, first, key)[1].reward)

        update = eqx.filter_jit(ppo.update)
        parts = {
            "collect": _median_of(collect, case.iterations),
            "update": _median_of(
                lambda: jax.block_until_ready(update(config, state, rollout, key, None, devices)[1]), case.iterations
            ),
        }
    nbytes = {
        "gradients": _bytes(eqx.filter(state.agent, eqx.is_inexact_array)),
        "env_data": _bytes(rollout) // case.num_envs,
        "env_pool": _bytes(pool) // case.num_envs,
    }
    sizes = {**nbytes, "steps": config.num_epochs * config.num_minibatches}
    exchanges = {} if devices.count == 1 else _exchanges(devices, case.iterations)
    iteration = statistics.median(seconds[2:])
    return {"iteration": iteration, "steps": config.steps_per_iteration, **parts, "sizes": sizes, **exchanges}


def _exchanges(devices: Devices, turns: int) -> dict[str, float]:
    """Seconds that a gather takes for nearly no bytes, and for each byte that a device receives."""
    gather = eqx.filter_jit(lambda devices, rows: devices.gather(rows, 0))

    def seconds(columns: int) -> float:
        rows = devices.place_rows(jnp.ones((devices.count, columns), jnp.float32))
        return _median_of(lambda: jax.block_until_ready(gather(devices, rows)), 5 * turns)

    small, large, columns = seconds(4), seconds(1 << 18), 1 << 18
    received = 4 * columns * (devices.count - 1)
    return {"exchange": small, "byte": max(large - small, 0.0) / received}


def _bytes(tree: Any) -> int:
    leaves = [leaf for leaf in jax.tree.leaves(tree) if eqx.is_array(leaf)]
    return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)


def _median_of(call: Callable[[], Any], turns: int) -> float:
    """Median seconds of a call, after one that is not counted."""
    call()
    spent = []
    for _ in range(turns):
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent)


def _main(text: str) -> None:
    """Measure one case on its cores, and print what it gave."""
    case = Case(**json.loads(text))
    try:
        os.sched_setaffinity(0, case.cores)
    except AttributeError:
        _log.warning("this system pins no process to a core: cases share all of them")
    print(json.dumps(measure(case)), flush=True)


if __name__ == "__main__":
    _main(sys.argv[1])
