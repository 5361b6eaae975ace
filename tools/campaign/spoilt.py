"""Spoiled files of every kind, in a process of their own: what reads them says what is wrong.

`python tools/campaign/spoilt.py KIND SEED EXAMPLES FOLDER CORPUS` tries so many, drawn by Hypothesis, which keeps what
failed in the corpus and tries it first. It prints a JSON object: `tried`, and `failed` with a line for each.
"""

import contextlib
import dataclasses
import io
import json
import random
import shutil
import sys
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from fuzz import NUMBERS, as_text, edited, spoilt

WORDS = ["nan", "inf", "", '"', "[]", "{}", "x", "true", "'", "<", "-1 -1 -1", "/etc/hostname", "../x"]
Commands = Callable[[Path, random.Random], list[str]]


@dataclasses.dataclass(frozen=True)
class Target:
    """A kind of file.

    Args:
        source: which of the campaign's sources it lies in: a run, a bundle, a robot, a sweep or a log.
        files: which files of it are spoiled, by pattern.
        commands: a command that loads them.
    """

    source: str
    files: str
    commands: Commands


def _of_run(path: Path, rng: random.Random) -> list[str]:
    return rng.choice(
        [["run", f"--resume={path}", "--no-eval"], ["eval", str(path)], ["run", f"--resume={path}", "--num-envs=7"]]
    )


def _of_bundle(path: Path, rng: random.Random) -> list[str]:
    return rng.choice([["bundle", "show", str(path)], ["play", str(path), "--seconds=0.1", "--no-ramp"]])


def _of_robot(path: Path, rng: random.Random) -> list[str]:
    return rng.choice([["robots", "show", str(path)], ["robots", "doctor", str(path)]])


def _of_sweep(path: Path, rng: random.Random) -> list[str]:
    return ["sweep", f"--resume={path}", "--vmap-seeds=1", "--no-film"]


def _of_log(path: Path, rng: random.Random) -> list[str]:
    log = str(path / "log.mcap")
    return rng.choice([["log", "show", log], ["log", "show", log, "--json"], ["log", "compare", log, log]])


TARGETS = {
    "manifest": Target("run", "manifest.json", _of_run),
    "metrics": Target("run", "metrics.jsonl", _of_run),
    "checkpoint": Target("run", "checkpoints/*/*", _of_run),
    "recipe": Target("run", "recipe.py", _of_run),
    "bundle": Target("bundle", "**/*", _of_bundle),
    "archive": Target("archive", "*.zip", lambda path, rng: _of_bundle(path / "bundle.zip", rng)),
    "robot": Target("robot", "robot.toml", _of_robot),
    "model": Target("robot", "*.xml", _of_robot),
    "sweep": Target("sweep", "sweep.json", _of_sweep),
    "trial": Target("sweep", "trials/*.json", _of_sweep),
    "log": Target("log", "log.mcap", _of_log),
}
"""What is spoiled, by the word that asks for it."""


def spoiled(path: Path, rng: random.Random) -> str:
    """Change a file in one place: an entry of a JSON document, a word or a line of a text, or some bytes."""
    data = path.read_bytes()
    kind = rng.random()
    if path.suffix == ".json" and kind < 0.7:
        document, what = edited(json.loads(data), rng)
        path.write_bytes(as_text(document))
    elif path.suffix in (".toml", ".xml", ".jsonl", ".py") and kind < 0.7:
        text, what = edited_text(data.decode(), rng)
        path.write_text(text)
    else:
        data, what = spoilt(data, rng)
        path.write_bytes(data)
    return f"{path.name}: {what}"


def edited_text(text: str, rng: random.Random) -> tuple[str, str]:
    """A text with a word replaced, or a line lost, doubled or moved."""
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    kind = rng.choice(["word", "word", "word", "lost", "doubled", "moved"])
    if kind == "lost":
        del lines[at]
    elif kind == "doubled":
        lines.insert(at, lines[at])
    elif kind == "moved":
        lines.insert(rng.randrange(len(lines)), lines.pop(at))
    else:
        words = lines[at].split(" ")
        new = rng.choice(
            [str(rng.choice(NUMBERS)), "nan", "inf", "", '"', "[]", "{}", "x", "true", "'", "<", "-1 -1 -1"]
        )
        words[rng.randrange(len(words))] = new
        lines[at] = " ".join(words)
    return "\n".join(lines), f"{kind} in line {at + 1}"


def sources(folder: Path, name: str) -> Path:
    """A fresh copy of a source, to spoil."""
    copy = folder / "spoiled"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder / name, copy)
    return copy


def attempt(target: Target, folder: Path, rng: random.Random) -> str:
    """Spoil a file and load it; what went wrong with that, empty where nothing did."""
    from wildrobot_eqx.cli import main
    from wildrobot_eqx.errors import first_line

    copy = sources(folder, target.source)
    files = sorted(p for p in copy.glob(target.files) if p.is_file() and p.stat().st_size and p.name != ".lock")
    what = spoiled(rng.choice(files), rng)
    arguments = target.commands(copy, rng)
    out, err = io.StringIO(), io.StringIO()
    told = f"{what}; wildrobot-eqx {' '.join(arguments)}"
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(arguments)
    except BaseException as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "wildrobot_eqx" in f.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere of ours"
        return f"{told}: {place}: {type(error).__name__} {first_line(error)}"
    if "Traceback" in err.getvalue():
        return f"{told}: a traceback: {err.getvalue()[-300:]}"
    if status not in (0, 1, 2):
        return f"{told}: status {status}"
    if status == 2 and "error" not in err.getvalue().lower():
        return f"{told}: status 2 without a message"
    return ""


def search(kind: str, seed: int, examples: int, folder: Path, corpus: Path) -> tuple[int, list[str]]:
    """Try so many files of a kind; how many were tried, and what went wrong."""
    import hypothesis
    from hypothesis import strategies
    from hypothesis.database import DirectoryBasedExampleDatabase

    tried, wrong = 0, dict[str, str]()

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=DirectoryBasedExampleDatabase(corpus / kind),
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.reuse, hypothesis.Phase.generate),
        report_multiple_bugs=True,
        print_blob=False,
    )
    @hypothesis.given(strategies.randoms(use_true_random=True))
    def loads(rng: random.Random) -> None:
        nonlocal tried
        tried += 1
        found = attempt(TARGETS[kind], folder, rng)
        if found:
            wrong.setdefault(found.partition("; ")[2].partition(": ")[2], found)  # of one error, one example
            raise AssertionError(found)

    told = (AssertionError, BaseExceptionGroup, hypothesis.errors.HypothesisException)  # `wrong` has them
    for turn in range(examples):  # Hypothesis stops soon after a failure
        if tried >= examples:
            break
        with contextlib.suppress(*told), contextlib.redirect_stdout(sys.stderr):
            hypothesis.seed(seed + turn)(loads)()
    return tried, list(wrong.values())


def prepare(folder: Path, run: Path, sweep: Path, log: Path, robot: Path, bundle: Path) -> None:
    """Put copies of all sources into a folder."""
    if (folder / "log").exists():
        return
    shutil.copytree(run, folder / "run")
    shutil.copytree(robot, folder / "robot")
    shutil.copytree(sweep, folder / "sweep")
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder / "bundle")
    (folder / "archive").mkdir()
    shutil.copyfile(bundle, folder / "archive" / "bundle.zip")
    (folder / "log").mkdir()
    shutil.copyfile(log, folder / "log" / "log.mcap")


def main(argv: list[str]) -> int:
    """Search, and print what was found."""
    kind, seed, examples, folder, corpus = argv
    tried, failed = search(kind, int(seed), int(examples), Path(folder), Path(corpus))
    print(json.dumps({"tried": tried, "failed": failed}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
