"""Odd terminals, pipes that close, a home that is not there, a clock that jumps, and output that a program reads."""

import json
import os
import pty
import signal
import sys

from trainings import SHORT, TRAININGS, own_copy, same_end
from trial import ROOT, Trial, need, sound


def quick(trial: Trial) -> list[list[str]]:
    """Commands that print much and take little, right and wrong ones."""
    run, demo = own_copy(trial, SHORT), ROOT / "demos" / "walk.zip"
    return [
        ["--help"],
        ["run", "--help"],
        ["run", "walk", "--help"],
        ["sweep", "--help"],
        ["robots", "list"],
        ["robots", "show", "hopper"],
        ["robots", "doctor", "wildrobot"],
        ["recipes", "list"],
        ["check", "hop"],
        ["check", "hop", "--set=learner.clip=x"],
        ["bundle", "show", str(demo)],
        ["eval", str(run)],
        ["run", f"--resume={run}", "--num-envs=7"],
        ["run", "no_such_recipe"],
        ["log", "show", str(demo)],
        ["no-such-command"],
    ]


def closed_pipe(trial: Trial) -> int:
    """A reader that goes away (`| head -1`), a full device, and streams that are closed.

    Returns:
        1.
    """
    rng = trial.rng
    arguments = rng.choice(quick(trial))
    program = [sys.executable, "-m", "wildrobot_eqx", *arguments]
    how = rng.choice(["head", "head", "full", "no out", "no err", "no in", "none"])
    closed = {"no out": (1,), "no err": (2,), "no in": (0,), "none": (0, 1, 2)}
    if how == "head":
        read, write = os.pipe()
        command = trial.start_program(program, stdout=write)
        os.close(write)
        os.read(read, rng.choice([1, 80]))
        os.close(read)
    elif how == "full":
        with open("/dev/full", "wb") as device:
            command = trial.start_program(program, stdout=device)
    else:
        shell = " ".join([f"exec {number}>&-;" for number in closed[how]]) + ' exec "$@"'
        command = trial.start_program(["sh", "-c", shell, "sh", *program])
    # A reader that is gone is no error of the command: SIGPIPE's status says so to a shell, 1 to any other.
    sound(command.finish(), (0, 1, 2, 120, 141, -signal.SIGPIPE))
    return 1


SETTINGS = (
    {"TERM": "dumb"},
    {"TERM": None},
    {"TERM": "no-such-terminal"},
    {"COLUMNS": "1"},
    {"COLUMNS": "x", "LINES": "-3"},
    {"COLUMNS": "100000"},
    {"NO_COLOR": "1"},
    {"FORCE_COLOR": "1"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "no_SUCH.locale"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1:strict"},
    {"PYTHONWARNINGS": "error"},
    {"PYTHONOPTIMIZE": "2"},
    {"PYTHONDONTWRITEBYTECODE": "1"},
    {"TZ": "No/Such_Zone"},
    {"TMPDIR": "/no/such/folder"},
    {"MUJOCO_GL": "no-such-renderer"},
    {"JAX_PLATFORMS": "no-such-platform"},
    {"WILDROBOT_EQX_CACHE": "/proc/no/such/folder", "JAX_COMPILATION_CACHE_DIR": None},
    {"XDG_CACHE_HOME": "/dev/null", "JAX_COMPILATION_CACHE_DIR": None},
)
"""Environments that programs meet."""


def terminal(trial: Trial) -> int:
    """Terminals and settings that a program meets: dumb, narrow, without Unicode, without colour, of no size.

    Returns:
        1.
    """
    rng, settings = trial.rng, SETTINGS[trial.number % len(SETTINGS)]
    arguments = rng.choice(quick(trial))
    if rng.random() < 0.2:
        arguments = ["run", *SHORT.options(), f"--out={trial.folder / 'run'}"]
    streams, ours = {}, -1
    if rng.random() < 0.4:
        ours, theirs = pty.openpty()
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    command = trial.start(*arguments, env=settings, **streams)
    if ours < 0:
        sound(command.finish(), (0, 1, 2))
        return 1
    os.close(theirs)
    printed = _drain(ours)
    command.err.write_bytes(printed)
    sound(command.finish(), (0, 1, 2))
    return 1


def _drain(handle: int) -> bytes:
    """All that a terminal is sent until it is closed."""
    parts = []
    while True:
        try:
            part = os.read(handle, 65536)
        except OSError:  # closed at the other end
            part = b""
        if not part:
            os.close(handle)
            return b"".join(parts)
        parts.append(part)


def homeless(trial: Trial) -> int:
    """No HOME, one that is not there, one that cannot be written to, and a user that the system does not know.

    Returns:
        1.
    """
    rng = trial.rng
    cache = {} if rng.random() < 0.7 else {"JAX_COMPILATION_CACHE_DIR": None, "WILDROBOT_EQX_CACHE": None}
    env = {"HOME": rng.choice([None, "/no/such/home", "/proc", "", "/dev/null"]), "XDG_CACHE_HOME": None, **cache}
    faults = {"no_user": True} if rng.random() < 0.4 else None
    arguments = rng.choice(quick(trial))
    if rng.random() < 0.5:
        arguments = ["run", *SHORT.options(), f"--out={trial.folder / 'run'}"]
    done = trial.run(*arguments, env=env, faults=faults, expect=(0, 1, 2))
    if arguments[0] == "run" and arguments[1:] == [*SHORT.options(), f"--out={trial.folder / 'run'}"]:
        need(done.status == 0, f"a training without a home ended with {done.status}: {done.err.strip()[-300:]}")
        same_end(trial.folder / "run", trial.shared.trained(SHORT))
    return 1


def clock(trial: Trial) -> int:
    """A wall clock that jumps to and fro by up to a year: figures, checkpoints and the order of lines stay the same.

    Returns:
        1.
    """
    training = trial.rng.choice(TRAININGS[:2])
    run = trial.folder / "run"
    faults = {"clock": trial.rng.randrange(10**6), "save_every": 0.3}
    if trial.rng.random() < 0.5:
        trial.run("run", *training.options(), f"--out={run}", faults=faults, expect=(0,))
    else:
        steps = training.options(training.iterations // 2)
        trial.run("run", *steps, f"--out={run}", faults=faults, expect=(0,))
        whole = [option for option in training.options() if option.startswith("--steps")]
        trial.run("run", f"--resume={run}", "--no-eval", *whole, faults=faults, expect=(0,))
    same_end(run, trial.shared.trained(training))
    from wildrobot_eqx.train.log import read_metrics

    seconds = [line["wall_clock_s"] for line in read_metrics(run / "metrics.jsonl")]
    need(seconds == sorted(seconds), "wall_clock_s goes backwards")
    return 1


def json_only(trial: Trial) -> int:
    """`--json`: one document on standard output and nothing else; none where the command is refused.

    Returns:
        1.
    """
    rng, run, demo = trial.rng, own_copy(trial, SHORT), str(ROOT / "demos" / "walk.zip")
    wrong = rng.random() < 0.3
    choices = [
        ["robots", "list"],
        ["robots", "show", "no_such" if wrong else "solo12"],
        ["robots", "doctor", "no_such" if wrong else "wildrobot"],
        ["recipes", "list"],
        ["check", "hop", *(["--num-envs=x"] if wrong else [])],
        ["run", f"--resume={run}", "--no-eval", *(["--num-envs=7"] if wrong else [])],
        ["run", *SHORT.options(), f"--out={run if wrong else trial.folder / 'run'}"],
        ["play", demo, "--seconds=0.5", *(["--ask=no=1"] if wrong else [])],
        ["eval", str(run)],
        ["log", "show", demo],
        ["export", str(run), f"--out={trial.folder / 'bundle.zip'}"],
    ]
    done = trial.run(*rng.choice(choices), "--json", expect=(0, 1, 2))
    if not done.out.strip():
        need(done.status != 0, "it succeeded and printed no document")
        return 1
    try:
        json.loads(done.out)
    except ValueError as error:
        need(False, f"standard output is no JSON document: {error}: {done.out[:200]!r}")
    return 1


def poisoned(trial: Trial) -> int:
    """A NaN in the policy in the midst of a training: it ends with a message, and no checkpoint has it.

    Returns:
        1.
    """
    from trainings import checkpoints, lines

    from wildrobot_eqx.runs.files import read_object

    training = trial.rng.choice(TRAININGS[:2])
    iteration = trial.rng.randint(2, training.iterations - 1)
    run = trial.folder / "run"
    faults = {"poison": iteration, "save_every": trial.rng.choice([0.0, 0.3, 20.0])}
    done = trial.run("run", *training.options(), f"--out={run}", faults=faults, expect=(1,))
    need("Not finite" in done.err or "diverged" in done.err, f"it does not say why: {done.err.strip()[-300:]}")
    need(read_object(run / "manifest.json").get("status") == "failed", "the manifest does not say that it failed")
    need(all(abs(value) < float("inf") for line in lines(run) for value in line.values()), "a line is not finite")
    saved = checkpoints(run)
    from wildrobot_eqx.runs.checkpoint import non_finite

    for number in saved.iterations():
        need(number < iteration, f"a checkpoint of iteration {number}, after the NaN of {iteration}")
        need(not non_finite(saved.load(number)), f"the checkpoint of iteration {number} holds a NaN")
    trial.run("run", f"--resume={run}", "--no-eval", expect=(0,))
    same_end(run, trial.shared.trained(training))
    return 1
