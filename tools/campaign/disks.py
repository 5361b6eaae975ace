"""Disks that are full, folders that cannot be written to, files that cannot be read, folders that move."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from trainings import HOP, OFTEN, SHORT, lines, own_copy, same_end, state_of, to_the_end
from trial import Trial, need, sound, wait_until


def mounted(*arguments: str | Path) -> bool:
    """Whether `mount` does it: it takes the rights of root."""
    try:
        done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, timeout=30, check=False)
    except OSError:
        return False
    return done.returncode == 0


@contextlib.contextmanager
def small_disk(path: Path, size: int) -> Iterator[bool]:
    """A file system of so many bytes at `path`; False where this process may not make one."""
    path.mkdir(parents=True)
    made = mounted("-t", "tmpfs", "-o", f"size={size}", "none", path)
    try:
        yield made
    finally:
        if made:
            subprocess.run(["umount", "-l", str(path)], check=False)


def full(trial: Trial) -> int:
    """A training on a disk that fills up, or whose files may not grow; it says so, and goes on when there is room.

    Returns:
        1.
    """
    rng, undisturbed = trial.rng, trial.shared.trained(HOP)
    size = int(2 ** rng.uniform(12.0, 21.5))  # 4 KiB to 3 MiB
    faults: dict[str, float] = {"save_every": 0.5}
    with small_disk(trial.folder / "disk", size) as small:
        if not small or rng.random() < 0.4:
            faults["file_bytes"] = size // 8
            if small:
                mounted("-o", "remount,size=64m", trial.folder / "disk")
        run = trial.folder / "disk" / "run"
        done = trial.run("run", *HOP.options(), f"--out={run}", faults=faults, expect=(0, 1, 2))
        known = _known(run)
        if done.status == 0:
            same_end(run, undisturbed)
            return 1
        if small:
            need(mounted("-o", "remount,size=64m", trial.folder / "disk"), "the disk does not grow")
        again = _known(run)
        need(again == known, f"what was saved was {known} while the disk was full and is {again} now")
        to_the_end(trial, HOP, run)
        same_end(run, undisturbed)
    return 1


def _known(run: Path) -> tuple[int, int]:
    """How far a run is: the newest intact checkpoint and the number of whole lines."""
    from wildrobot_eqx import WildRobotError

    try:
        return state_of(run)[0], len(lines(run))
    except WildRobotError:
        return 0, 0


def _command(rng: random.Random, run: Path) -> list[str]:
    """A command that reads a run folder."""
    return rng.choice(
        [
            ["run", f"--resume={run}", "--no-eval"],
            ["run", f"--resume={run}", "--no-eval", f"--steps={16 * 8 * (SHORT.iterations + 3)}"],
            ["eval", str(run)],
            ["export", str(run)],
            ["bundle", "verify", str(run)],
            ["check", str(run / "recipe.py")],
        ]
    )


def unreadable(trial: Trial) -> int:
    """A file or folder of a run that may not be read: the command says which, and whatever was there stays.

    Returns:
        1.
    """
    rng, run = trial.rng, own_copy(trial, SHORT)
    known = _known(run)
    choices = sorted(path for path in run.rglob("*") if path.name != ".lock")
    top = [path for path in choices if path.parent == run]
    victim = rng.choice(top if rng.random() < 0.7 else choices)
    trial.run(*_command(rng, run), faults={"unreadable": str(victim)}, expect=(0, 1, 2))
    _still_there(run, known, victim.name)
    return 1


def read_only(trial: Trial) -> int:
    """A run folder on a file system that is mounted for reading only: every byte stays, and the command says so.

    Returns:
        1, or 0 where this process may mount nothing.
    """
    rng, run = trial.rng, trial.folder / "disk" / "run"
    with small_disk(trial.folder / "disk", 64 << 20) as small:
        if not small:
            return 0
        shutil.copytree(trial.shared.trained(SHORT), run)
        before = _bytes(run)
        need(mounted("-o", "remount,ro", trial.folder / "disk"), "the disk cannot be made read-only")
        arguments = _command(rng, run)
        if rng.random() < 0.2:
            arguments = ["run", *SHORT.options(), f"--out={run.parent / 'new'}"]
        trial.run(*arguments, expect=(0, 1, 2))
        need(_bytes(run) == before, "a file on a read-only disk has changed")
    return 1


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def _still_there(run: Path, known: tuple[int, int], what: str) -> None:
    iteration, count = _known(run)
    need(iteration >= known[0] and count >= known[1], f"lost by an unreadable {what}: {known} was {(iteration, count)}")


def moved(trial: Trial) -> int:
    """A run folder that is renamed or moved to another disk, at rest or while its training runs; it goes on from there.

    Returns:
        1.
    """
    rng, undisturbed, run = trial.rng, trial.shared.trained(HOP), trial.folder / "run"
    command = trial.start("run", *HOP.options(), f"--out={run}", faults=OFTEN)
    goal = rng.randint(2, HOP.iterations // 2)
    wait_until(lambda: _lines(run) >= goal, command)
    there = trial.folder / rng.choice(["moved", "deeper/and deeper/moved", "Läufe/run"])
    there.parent.mkdir(parents=True, exist_ok=True)
    if rng.random() < 0.5:  # while it trains
        os.rename(run, there)
        sound(command.finish(), (0, 1))
        if run.exists():  # what was written after the move went to the old place
            need(not (run / "manifest.json").exists(), "the old place holds a manifest without its run")
    else:
        command.send(rng.choice([signal.SIGKILL, signal.SIGTERM]))
        command.finish()
        if rng.random() < 0.5:
            shutil.move(str(run), str(there))
        else:  # by a copy, as to another machine; its dates are new
            shutil.copytree(run, there, copy_function=shutil.copyfile)
            shutil.rmtree(run)
    trial.run("run", f"--resume={there}", "--no-eval", expect=(0,))
    same_end(there, undisturbed)
    return 1


def _lines(run: Path) -> int:
    with contextlib.suppress(OSError):
        return (run / "metrics.jsonl").read_bytes().count(b"\n")
    return 0


ODD = (
    "with a space",
    " leading and trailing ",
    "Läufe-für-Ünicode",
    "机器人",
    "🤖 run",
    "per%cent%20",
    "hash#tag?query=1&x",
    "[red]markup[/red]",
    "{braces}",
    "quote'\"s",
    "new\nline",
    "tab\tand\x1b[31mescape",
    "-dash",
    "--out",
    "~",
    "$HOME",
    "semi;colon|pipe",
    "back\\slash",
    "a:b",
    "x=1,y=2",
    "*.json",
    ".hidden",
    "00000010",
    "trailing.dot.",
    "long" * 62,
    "too-long" * 40,
    "deep/" * 60 + "end",
    "deeper" + "/a" * 2500,
    "not-utf8-\udcff",
    "surrogate-\ud800",
    "nul\x00byte",
    "",
)
"""Names of folders, some of which no file system takes."""


def odd_path(trial: Trial) -> int:
    """A run folder, a recipe or a robot under an odd name: it works as elsewhere, or is refused with a message.

    Returns:
        1.
    """
    rng, name = trial.rng, ODD[trial.number % len(ODD)]
    if "\x00" in name or "\ud800" in name or not name:
        name = name.replace("\x00", "").replace("\ud800", "")  # no command line can hold these
    where = trial.folder / "odd"
    where.mkdir()
    run = f"{where}/{name}" if rng.random() < 0.5 and name else f"./{name}"
    what = ["run", *SHORT.options(), f"--out={run}"]
    done = trial.run(*what, cwd=where, expect=(0, 1, 2))
    if done.status != 0:
        need(done.status == 1 or name in ("", "~") or len(name) > 240, f"refused: {done.err.strip()[-300:]}")
        return 1
    folder = where / run
    same_end(folder, trial.shared.trained(SHORT))
    more = rng.choice([["run", f"--resume={run}", "--no-eval"], ["export", run], ["bundle", "verify", run]])
    trial.run(*more, cwd=where, expect=(0, 1, 2))
    return 1
