"""How a training scales: over two processes of one core each, beside one process of two; and a model that says why.

Each case is a process of its own, or two (`scaling_case`), pinned to its cores where the system allows it.
"""

import dataclasses
import json
import logging
import os
import socket
import subprocess
import sys
from typing import Any

from ..errors import WildRobotError
from . import scaling_case
from .scaling_case import Case

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Costs:
    """What an iteration is made of, in seconds, and the sizes that its exchanges have.

    Args:
        env: physics, policy and resets of one env for one iteration, on one device.
        collect: what collecting takes for any number of envs.
        env_update: gradient steps for one env's data, all epochs.
        update: what the update takes for any number of envs.
        exchange: what one exchange between devices takes for any number of bytes.
        byte: of an exchange, per byte that a device receives.
        gradients: bytes of one all-reduce.
        env_data: bytes of what one env has seen in an iteration.
        env_pool: bytes of first states, per env.
        steps: gradient steps of an iteration.
        other: exchanges of an iteration beside those of its gradient steps.
    """

    env: float
    collect: float
    env_update: float
    update: float
    exchange: float
    byte: float
    gradients: int
    env_data: int
    env_pool: int
    steps: int
    other: int = 8


def predict(costs: Costs, num_envs: int, devices: int, grouped: bool = False) -> dict[str, float]:
    """Seconds of an iteration of `num_envs` envs over so many devices: collect, update, all_reduce, exchange and all.

    An all-reduce moves twice the bytes that do not stay on a device, as a ring does; rollouts are sent to every device,
    unless minibatches are `grouped` so that each device has what it needs.
    """
    share = (devices - 1) / devices
    sent = num_envs * share * (costs.env_pool + (0 if grouped else costs.env_data))
    parts = {
        "collect": costs.collect + costs.env * num_envs / devices,
        "update": costs.update + costs.env_update * num_envs / devices,
        "all_reduce": 0.0
        if devices == 1
        else costs.steps * (costs.exchange + 2.0 * share * costs.gradients * costs.byte),
        "exchange": 0.0 if devices == 1 else costs.other * costs.exchange + sent * costs.byte,
    }
    return {**parts, "all": sum(parts.values())}


def bench_scaling(
    recipe: str = "walk", engine: str = "tree", num_envs: int = 128, iterations: int = 10
) -> dict[str, Any]:
    """Weak and strong scaling over two processes of one core each, beside one process, and the model's prediction.

    Returns:
        `seconds per iteration`: by case the median; `steps per second`; `costs`: those measured on one core and between
        two processes; `predicted`: for the cases with two processes; `speed-up`: of two cores over one with the same
        envs (strong) and with twice as many (weak, of 2).

    Raises:
        WildRobotError: fewer than two cores, or a case failed.
    """
    cores = _two_cores()
    base = Case(num_envs, cores[:1], recipe=recipe, engine=engine, iterations=iterations)
    cases = {
        "1 process of 1 core": base,
        "1 process of 1 core, half the envs": dataclasses.replace(base, num_envs=num_envs // 2),
        "1 process of 2 cores": dataclasses.replace(base, cores=cores),
        "1 process of 2 cores, twice the envs": dataclasses.replace(base, cores=cores, num_envs=2 * num_envs),
        "1 process of 2 devices": dataclasses.replace(base, cores=cores, devices=2),
        "2 processes of 1 core": dataclasses.replace(base, devices=1, processes=2),
        "2 processes of 1 core, twice the envs": dataclasses.replace(
            base, devices=1, processes=2, num_envs=2 * num_envs
        ),
        "2 processes of 1 core, grouped": dataclasses.replace(base, devices=1, processes=2, groups=2),
    }
    found: dict[str, dict[str, Any]] = {}
    for name, case in cases.items():
        _log.info(f"{recipe} on {engine}: {name} ...")
        found[name] = _measured(case, cores)
        _log.info(f"  {1e3 * found[name]['iteration']:.1f} ms per iteration")
    return _told(cases, found)


def _told(cases: dict[str, Case], found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    one, half = found["1 process of 1 core"], found["1 process of 1 core, half the envs"]
    two = found["2 processes of 1 core"]
    n = cases["1 process of 1 core"].num_envs
    per_env = {part: max(2.0 * (one[part] - half[part]) / n, 0.0) for part in ("collect", "update")}
    costs = Costs(
        env=per_env["collect"],
        collect=max(one["collect"] - n * per_env["collect"], 0.0),
        env_update=per_env["update"],
        update=max(one["update"] - n * per_env["update"], 0.0),
        exchange=two["exchange"],
        byte=two["byte"],
        **one["sizes"],
    )
    predicted = {
        name: predict(costs, case.num_envs, case.processes, grouped=case.groups > 1)
        for name, case in cases.items()
        if case.processes > 1
    }
    seconds = {name: case["iteration"] for name, case in found.items()}
    strong, weak = seconds["2 processes of 1 core"], seconds["2 processes of 1 core, twice the envs"]
    return {
        "seconds per iteration": seconds,
        "steps per second": {name: case["steps"] / case["iteration"] for name, case in found.items()},
        "seconds of parts": {
            name: {part: case[part] for part in ("collect", "update")} for name, case in found.items()
        },
        "costs": dataclasses.asdict(costs),
        "predicted": predicted,
        "speed-up": {
            "strong": seconds["1 process of 1 core"] / strong,
            "strong, one process": seconds["1 process of 1 core"] / seconds["1 process of 2 cores"],
            "weak": 2.0 * seconds["1 process of 1 core"] / weak,
            "weak, one process": 2.0 * seconds["1 process of 1 core"] / seconds["1 process of 2 cores, twice the envs"],
        },
    }


def table(found: dict[str, Any]) -> list[str]:
    """What `bench_scaling` found, as Markdown: a table of the cases, the speed-up and the model's costs."""
    lines = ["| case | ms per iteration | the model's | control steps/s |", "|---|---|---|---|"]
    for name, seconds in found["seconds per iteration"].items():
        said = found["predicted"].get(name)
        model = "" if said is None else f"{1e3 * said['all']:.1f}"
        lines.append(f"| {name} | {1e3 * seconds:.1f} | {model} | {found['steps per second'][name]:,.0f} |")
    gains = ", ".join(f"{name} {value:.2f}" for name, value in found["speed-up"].items())
    cost = found["costs"]
    micro = {name: 1e6 * cost[name] for name in ("env", "env_update", "exchange")}
    return [
        *lines,
        "",
        f"Speed-up of two cores over one: {gains}.",
        f"Costs: c = {1e3 * cost['collect']:.2f} ms, e = {micro['env']:.1f} us, u = {1e3 * cost['update']:.2f} ms, "
        f"g = {micro['env_update']:.1f} us, a = {micro['exchange']:.0f} us, b = {1e9 * cost['byte']:.3f} ns; "
        f"S = {cost['steps']}, G = {cost['gradients']:,} bytes, R = {cost['env_data']:,}, P = {cost['env_pool']:,}.",
    ]


def _two_cores() -> tuple[int, ...]:
    try:
        cores = tuple(sorted(os.sched_getaffinity(0)))
    except AttributeError:
        cores = tuple(range(os.cpu_count() or 1))
    if len(cores) < 2:
        raise WildRobotError("Scaling takes two cores, here is one.", where="bench scaling", exit_code=1)
    return cores[:2]


def _measured(case: Case, cores: tuple[int, ...]) -> dict[str, Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = [
        dataclasses.replace(case, process=i, port=port, cores=(cores[i],) if case.processes > 1 else case.cores)
        for i in range(case.processes)
    ]
    command = [sys.executable, "-m", scaling_case.__name__]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen([*command, json.dumps(dataclasses.asdict(one))], **pipes) for one in own]
    told = [process.communicate() for process in started]
    if any(process.returncode for process in started):
        bad = next(i for i, process in enumerate(started) if process.returncode)
        raise WildRobotError(
            f"A case of the benchmark failed with status {started[bad].returncode}.",
            where=" ".join(command),
            hint=told[bad][1].strip()[-800:],
            exit_code=1,
        )
    return dict(json.loads(told[0][0].strip().splitlines()[-1]))
