"""Sweeps whose processes are killed, trainings of two processes of which one is, a long training that is watched."""

import contextlib
import importlib.util
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from spoilt import TARGETS, prepare
from trainings import ENVS, HOP, HOP_TREE, OFTEN, SHORT, UNROLL, Training, lines, same_end, whole
from trial import HANG, ROOT, Command, FailedError, Trial, need, sound, wait_until


def _descendants(process: int) -> dict[int, str]:
    """The processes that a process has started, and theirs, with their command lines; Linux only."""
    found: dict[int, tuple[int, str]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            found[int(folder.name)] = parent, (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
    mine, wanted = dict[int, str](), {process}
    while wanted:
        children = {number for number, (parent, _) in found.items() if parent in wanted} - set(mine)
        mine |= {number: found[number][1] for number in children}
        wanted = children
    return mine


def sweep(trial: Trial) -> int:
    """A sweep of which the driver, a Ray worker or a training is killed: it resumes, and its trials end as by `run`.

    Without Ray it is a sweep of seeds in one program, which is killed or stopped.

    Returns:
        1.
    """
    rng, folder = trial.rng, trial.folder / "swept"
    on_ray = importlib.util.find_spec("ray") is not None and rng.random() < 0.7
    training = HOP if on_ray else HOP_TREE
    how = ["--workers=1", "--cores=1"] if on_ray else ["--vmap-seeds=2"]
    options = [option for option in training.options() if option != "--no-eval"]
    begin = ["sweep", *options, "--seeds=0:2", "--no-film", *how, f"--out={folder}"]
    command = trial.start(*begin)
    victim = rng.choice(["driver", "worker", "training"]) if on_ray else rng.choice(["driver", "driver", "stop"])
    metrics = folder / "trials" / "0000" / "metrics.jsonl"
    goal = rng.randint(0, HOP.iterations // 2)
    wait_until(lambda: metrics.exists() and metrics.read_bytes().count(b"\n") >= goal, command)
    _kill(victim, command)
    if victim == "driver":
        command.finish()
        _wait_for_trainings(folder)
    else:
        sound(command.finish(2.0), (0, 1, 130))
    done = trial.start("sweep", f"--resume={folder}", *[h for h in how if "vmap" in h or "workers" in h])
    sound(done.finish(2.0), (0,))
    statuses = [json.loads((folder / "trials" / f"{i:04}.json").read_text())["status"] for i in range(2)]
    if victim in ("worker", "training"):
        # A trial whose training was killed is failed, and stays so: it is kept with its message and stops no other.
        need(statuses[1] == "finished" or statuses[0] == "finished", f"no trial is finished: {statuses}")
        need(set(statuses) <= {"finished", "failed"}, f"trials are {statuses}")
    else:
        need(statuses == ["finished"] * 2, f"trials are {statuses}")
    for i, status in enumerate(statuses):  # on one core: not the bits of a training on all
        if status == "finished":
            whole(folder / "trials" / f"{i:04}", training.iterations)
    need((folder / "report.html").is_file() and (folder / "table.csv").is_file(), "the sweep has no table or page")
    return 1


def _kill(victim: str, command: Command) -> None:
    if victim == "driver":
        command.send(signal.SIGKILL)
    elif victim == "stop":
        command.send(signal.SIGTERM)
    else:
        word = "RayTrial" if victim == "worker" else "wildrobot_eqx.cli.child"
        for number, text in _descendants(command.process.pid).items():
            if word in text:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)


def _wait_for_trainings(folder: Path) -> None:
    """Until the trainings of a sweep that was killed have saved and ended.

    Raises:
        FailedError: one goes on.
    """
    deadline = time.monotonic() + HANG
    while time.monotonic() < deadline:
        here = _descendants(1)
        if not any(f"{folder}/trials" in text for text in here.values()):
            return
        time.sleep(0.5)
    raise FailedError("a training goes on without its sweep")


PAIR = Training("hop", "native", 60)


def pair(trial: Trial, *arguments: str, faults: dict[str, Any] | None = None) -> list[Command]:
    """Two processes of one training, which find each other over loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = ["--distributed", f"--coordinator=127.0.0.1:{port}", "--processes=2"]
    return [trial.start("run", *arguments, *where, f"--process={i}", faults=faults) for i in range(2)]


def undisturbed_pair(trial: Trial, path: Path) -> None:
    """The training of two processes that nobody disturbs."""
    for command in pair(trial, *PAIR.options(), f"--out={path}"):
        sound(command.finish(2.0), (0,))


def distributed(trial: Trial) -> int:
    """A training of two processes of which one is killed or stopped: the other ends, and both go on to the same end.

    Returns:
        1.
    """
    rng, run = trial.rng, trial.folder / "run"
    whole = trial.shared.made("pair", lambda path: undisturbed_pair(trial, path))
    commands = pair(trial, *PAIR.options(), f"--out={run}", faults=OFTEN)
    goal = rng.randint(0, PAIR.iterations - 10)
    metrics = run / "metrics.jsonl"
    wait_until(lambda: metrics.exists() and metrics.read_bytes().count(b"\n") >= goal, commands[0])
    victim, number = rng.choice([(1, signal.SIGKILL), (1, signal.SIGSTOP), (0, signal.SIGKILL), (1, signal.SIGINT)])
    commands[victim].send(number)
    began = time.monotonic()
    done = commands[1 - victim].finish(2.0)
    took = time.monotonic() - began
    commands[victim].send(signal.SIGKILL)
    commands[victim].finish()
    # Where process 0 is killed JAX's runtime ends the others, with a message of its own and status 134.
    sound(done, (0, 1, 130, -signal.SIGABRT, 134) if victim == 0 else (0, 1, 130))
    need(took < 90.0, f"the other process ended {took:.0f} s later")
    if not (run / "manifest.json").is_file():
        return 1
    for command in pair(trial, f"--resume={run}", "--no-eval"):
        sound(command.finish(2.0), (0,))
    same_end(run, whole)
    return 1


def spoilt_files(trial: Trial) -> int:
    """Files with a changed entry, line, word or byte, in a process of their own that Hypothesis drives.

    Returns:
        How many files were tried.
    """
    kind = list(TARGETS)[trial.number % len(TARGETS)]
    folder = trial.folder / "sources"
    folder.mkdir()
    prepare(
        folder,
        trial.shared.trained(SHORT),
        trial.shared.made("sweep", lambda path: _small_sweep(trial, path)),
        trial.shared.made("log.mcap", lambda path: _log(trial, path)),
        ROOT / "robots" / "hopper",
        ROOT / "demos" / "walk.zip",
    )
    corpus = ROOT / ".cache" / "campaign"
    program = [sys.executable, str(Path(__file__).with_name("spoilt.py")), kind, str(trial.rng.randrange(10**6))]
    done = trial.start_program([*program, str(EXAMPLES[kind]), str(folder), str(corpus)]).finish(3.0)
    sound(done, (0,))
    found = json.loads(done.out.strip().splitlines()[-1])
    if found["failed"]:
        raise FailedError(f"{len(found['failed'])} of {found['tried']} {kind}: " + " | ".join(found["failed"]))
    return int(found["tried"])


EXAMPLES = dict.fromkeys(TARGETS, 60) | {"checkpoint": 25, "metrics": 30, "recipe": 25, "manifest": 40, "sweep": 30}
EXAMPLES |= {"trial": 30, "archive": 100, "log": 100, "bundle": 100}
"""Files of each kind in one trial: those that a training has to be built for take longer."""


def _small_sweep(trial: Trial, path: Path) -> None:
    options = [option for option in Training("hop", "tree", 10).options() if option != "--no-eval"]
    command = trial.start("sweep", *options, "--seeds=0:2", "--no-film", "--vmap-seeds=2", f"--out={path}")
    sound(command.finish(2.0), (0,))


def _log(trial: Trial, path: Path) -> None:
    trial.run("play", ROOT / "demos" / "walk.zip", "--seconds=0.5", f"--log={path}", expect=(0, 1))


LONG = {"minutes": 10.0}
"""How long the watched training lasts; `--long-minutes` changes it."""
_GROWTH = 0.03  # of its memory that a training may grow by, from a quarter of its time to its end


def long(trial: Trial) -> int:
    """A long training: memory, open files, threads and compiled programs do not grow.

    Returns:
        1.
    """
    run, told = trial.folder / "run", trial.folder / "compiles"
    options = [option for option in HOP.options() if not option.startswith("--steps")]
    steps = ENVS * UNROLL * 10_000_000
    begun = ["run", *options, f"--steps={steps}", f"--out={run}"]
    command = trial.start(*begun, faults={"compiles": str(told), "save_every": 5.0})
    wait_until(lambda: (run / "metrics.jsonl").exists(), command)
    seen = []
    deadline = time.monotonic() + 60.0 * LONG["minutes"]
    while time.monotonic() < deadline and command.running:
        seen.append(_measure(command.process.pid))
        time.sleep(min(5.0, 60.0 * LONG["minutes"] / 40.0))
    need(command.running, "the training ended by itself")
    command.send(signal.SIGTERM)
    sound(command.finish(), (130,))
    quarter, end = seen[len(seen) // 4], seen[-1]
    for what in ("threads", "files"):
        most = max(one[what] for one in seen[: len(seen) // 2])
        need(end[what] <= most, f"{what}: {most} in the first half, {end[what]} at the end")
    grown = end["memory"] / quarter["memory"] - 1.0
    need(grown < _GROWTH, f"memory grew by {100.0 * grown:.1f}%, from {quarter['memory'] >> 20} MiB")
    half = deadline - 30.0 * LONG["minutes"]
    late = [line for line in told.read_text().split() if float(line) > half]
    need(not late, f"{len(late)} programs were compiled in the second half")
    numbers = [line["iteration"] for line in lines(run)]
    need(numbers == list(range(1, len(numbers) + 1)), "a line of metrics.jsonl is missing")
    print(f"  long: {numbers[-1]} iterations, {quarter} then {end}", file=sys.stderr)
    return 1


def _measure(process: int) -> dict[str, int]:
    """Bytes of memory, threads and open files of a process; Linux only."""
    status = Path(f"/proc/{process}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return {
        "memory": int(fields["VmRSS"].split()[0]) << 10,
        "threads": int(fields["Threads"]),
        "files": len(list(Path(f"/proc/{process}/fd").iterdir())),
    }
