"""Tiny trainings of small robots, what they come to when nobody disturbs them, and how two of them are compared."""

import dataclasses
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from trial import FailedError, Trial, need

ITERATIONS = 120
ENVS, UNROLL = 16, 8
CLOCKS = ("wall_clock_s", "steps_per_second")  # figures that no two trainings share
OFTEN = {"save_every": 0.2}
"""The fault with which a short training saves some dozen checkpoints; when they are saved changes no result."""

_ORBAX = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Training:
    """A recipe, tiny, on an engine."""

    recipe: str
    engine: str
    iterations: int = ITERATIONS

    @property
    def name(self) -> str:
        """Its name in messages and folders."""
        return f"{self.recipe}-{self.engine}-{self.iterations}"

    def options(self, iterations: int | None = None) -> list[str]:
        """The arguments of `run`, but for the folder."""
        return [
            self.recipe,
            f"--physics={self.engine}",
            f"--num-envs={ENVS}",
            f"--steps={ENVS * UNROLL * (iterations or self.iterations)}",
            f"--set=learner.unroll_length={UNROLL}",
            "--set=learner.hidden=[16]",
            "--set=learner.reset_pool=8",
            "--no-eval",
        ]


HOP, HOP_TREE = Training("hop", "native"), Training("hop", "tree")
TRAININGS = (HOP, Training("walk", "native"), HOP_TREE, Training("walk", "tree"))
SHORT = Training("hop", "native", 10)


class Shared:
    """What trials share; each training is made once, by whoever asks for it first.

    Args:
        folder: where they lie.
        seed: of the campaign.
    """

    def __init__(self, folder: Path, seed: int):
        self.folder, self.seed = folder, seed
        self.live: list[Trial] = []
        self.seconds: dict[str, float] = {}  # that trainings took which nobody disturbed, by name
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def _once(self, name: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(name, threading.Lock())

    def trained(self, training: Training) -> Path:
        """The run folder of a training that nobody disturbed; only read it.

        Raises:
            FailedError: it failed.
        """
        path = self.folder / training.name
        with self._once(training.name):
            if not path.exists():
                one = Trial(f"undisturbed {training.name}", 0, self.seed, self.folder / f"{training.name} output", None)
                self.live.append(one)
                began = time.monotonic()
                one.run("run", *training.options(), f"--out={path}.new", expect=(0,))
                self.seconds[training.name] = time.monotonic() - began
                Path(f"{path}.new").rename(path)
        return path

    def made(self, name: str, make: Any) -> Path:
        """A file or folder that `make(path)` makes once; only read it."""
        path = self.folder / name
        with self._once(name):
            if not path.exists():
                make(path)
                need(path.exists(), f"{name} could not be made")
        return path


def own_copy(trial: Trial, training: Training) -> Path:
    """A copy of an undisturbed training's run folder, in the trial's own folder."""
    return Path(shutil.copytree(trial.shared.trained(training), trial.folder / "copied"))


def checkpoints(run: Path) -> Any:
    """The checkpoints of a run."""
    from wildrobot_eqx.runs.folder import RunFolder

    return RunFolder(run).checkpoints


def lines(run: Path) -> list[dict[str, Any]]:
    """The figures of a run, but for clocks."""
    from wildrobot_eqx.train.log import read_metrics

    return [{k: v for k, v in line.items() if k not in CLOCKS} for line in read_metrics(run / "metrics.jsonl")]


def state_of(run: Path) -> tuple[int, dict[str, Any]]:
    """The newest checkpoint's iteration and arrays."""
    with _ORBAX:  # its loops do not like to be shared
        found: tuple[int, dict[str, Any]] = checkpoints(run).load_latest()
    return found


def whole(run: Path, iterations: int) -> None:
    """A run is trained to its end, with each line of figures once.

    Raises:
        FailedError: it is not.
    """
    from wildrobot_eqx.runs.files import read_object

    numbers = [line["iteration"] for line in lines(run)]
    need(numbers == list(range(1, iterations + 1)), f"the lines of metrics.jsonl are those of {numbers}")
    last = state_of(run)[0]
    need(last == iterations, f"the last checkpoint is of iteration {last}, not {iterations}")
    status = read_object(run / "manifest.json").get("status")
    need(status == "trained", f"the manifest says {status!r}")


def same_end(run: Path, undisturbed: Path) -> None:
    """Compare a run with one that nobody disturbed: every bit of the last checkpoint, every line of the figures.

    Raises:
        FailedError: they differ.
    """
    (last, one), (expected, other) = state_of(run), state_of(undisturbed)
    need(last == expected, f"the last checkpoint is of iteration {last}, not {expected}")
    need(one.keys() == other.keys(), "the checkpoint has other arrays")
    for name, array in other.items():
        need(array.tobytes() == one[name].tobytes(), f"{name} differs from the undisturbed training's")
    whole(run, expected)
    need(lines(run) == lines(undisturbed), "a figure differs from the undisturbed training's")


def to_the_end(trial: Trial, training: Training, run: Path, **how: Any) -> None:
    """Go on with a run as its user would, until it is trained: by --resume, or anew where nothing had begun.

    Raises:
        FailedError: a command failed, or what it wrote is not whole.
    """
    if (run / "manifest.json").is_file():
        trial.run("run", f"--resume={run}", "--no-eval", expect=(0,), **how)
        return
    left = [path.name for path in run.iterdir()] if run.is_dir() else []
    if any(name != "recipe.py" and not name.startswith(".") for name in left):
        raise FailedError(f"a run without a manifest holds {left}")
    shutil.rmtree(run, ignore_errors=True)
    trial.run("run", *training.options(), f"--out={run}", expect=(0,), **how)
