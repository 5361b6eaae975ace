"""Trainings that are killed, or asked to stop, at random moments, and go on."""

import signal
import time
from pathlib import Path

from trainings import HOP, OFTEN, TRAININGS, lines, same_end, to_the_end
from trial import Command, FailedError, Trial, need, sound, wait_until


def killed(trial: Trial) -> int:
    """A training that is killed once to three times, then goes on to its end: to the bits of an undisturbed one.

    Returns:
        How often it was killed.
    """
    rng = trial.rng
    training = TRAININGS[trial.number % len(TRAININGS)]
    undisturbed, run, kills = trial.shared.trained(training), trial.folder / "run", 0
    for _ in range(rng.randint(1, 3)):
        begun = (run / "manifest.json").is_file()
        if begun:
            command = trial.start("run", f"--resume={run}", "--no-eval", faults=OFTEN)
        else:
            left = run.iterdir() if run.is_dir() else ()
            for path in left:  # as its user would, who is told that the folder holds files
                path.unlink()
            command = trial.start("run", *training.options(), f"--out={run}", faults=OFTEN)
        if _at_a_moment(trial, command, run, trial.shared.seconds[training.name]):
            command.send(signal.SIGKILL)
            kills += 1
        done = command.finish()
        if done.status == 0:  # it was quicker
            break
        if done.status != -signal.SIGKILL:
            sound(done, (0,))
    to_the_end(trial, training, run)
    same_end(run, undisturbed)
    return kills


def stopped(trial: Trial) -> int:
    """A training that Ctrl-C or SIGTERM stops at a random moment, once or twice; it saves, and goes on to the same end.

    Returns:
        How many signals it was sent.
    """
    rng = trial.rng
    number = rng.choice([signal.SIGINT, signal.SIGTERM])
    training = rng.choice(TRAININGS[:3])
    undisturbed, run = trial.shared.trained(training), trial.folder / "run"
    command = trial.start("run", *training.options(), f"--out={run}", faults=OFTEN)
    _at_a_moment(trial, command, run, trial.shared.seconds[training.name])
    sent = 0
    for _ in range(rng.choice([1, 1, 1, 2])):
        command.send(number)
        sent += 1
        time.sleep(rng.uniform(0.0, 0.3))
    done = command.finish()
    at_once = {-signal.SIGTERM} if number == signal.SIGTERM else {-signal.SIGINT}  # before there is any Python of ours
    sound(done, (0, 130, *(at_once if not (run / "manifest.json").is_file() else ())))
    if done.status == 130 and sent == 1 and lines(run):
        from wildrobot_eqx.runs.files import read_object

        status = read_object(run / "manifest.json").get("status")
        need(status in ("interrupted", "trained"), f"stopped, and the manifest says {status!r}")
    to_the_end(trial, training, run)
    same_end(run, undisturbed)
    return sent


def _at_a_moment(trial: Trial, running: Command, run: Path, seconds: float) -> bool:
    """Wait for a moment drawn at random: of the clock, after some line, or while a checkpoint is written.

    The training takes so many `seconds` where nobody disturbs it. Returns whether it still runs.
    """
    rng = trial.rng
    how = rng.choice(["clock", "line", "saving", "saving"])
    if how == "clock":
        deadline = time.monotonic() + rng.uniform(0.0, 1.1 * seconds)
        wait_until(lambda: time.monotonic() > deadline, running)
    elif how == "line":
        count, metrics = rng.randint(1, HOP.iterations), run / "metrics.jsonl"
        before = _count(metrics)
        wait_until(lambda: _count(metrics) >= min(before + count, HOP.iterations - 1), running)
    else:
        folder, skip = run / "checkpoints", rng.randint(0, 4)
        seen: set[str] = set()

        def writing() -> bool:
            seen.update(path.name for path in folder.glob("*.orbax-checkpoint-tmp*"))
            return len(seen) > skip

        wait_until(writing, running, pause=0.0005)
        time.sleep(rng.choice([0.0, rng.uniform(0.0, 0.05)]))
    return running.running


def _count(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0


def raced(trial: Trial) -> int:
    """Two processes begin one run, or go on with one, at the same time: one does it, the other is told.

    Returns:
        1.
    """
    undisturbed, run = trial.shared.trained(HOP), trial.folder / "run"
    arguments = ["run", *HOP.options(), f"--out={run}"]
    if trial.rng.random() < 0.5:  # both go on
        first = trial.start(*arguments, faults=OFTEN)
        wait_until(lambda: _count(run / "metrics.jsonl") > 3, first)
        first.send(signal.SIGKILL)
        first.finish()
        arguments = ["run", f"--resume={run}", "--no-eval"]
    one = trial.start(*arguments)
    time.sleep(trial.rng.choice([0.0, trial.rng.uniform(0.0, 3.0)]))
    two = trial.start(*arguments)
    statuses = [sound(command.finish()).status for command in (one, two)]
    if 0 not in statuses:
        raise FailedError(f"neither of two trained: they ended with {statuses}")
    if statuses == [0, 0] and "--resume" not in arguments[1]:
        raise FailedError("two processes trained into one folder")
    same_end(run, undisturbed)
    return 1
