"""The kinds of trials of a campaign, in the order of the table."""

import dataclasses
from collections.abc import Callable

import disks
import kills
import many
import surroundings
from trial import Trial


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of trial.

    Args:
        run: one trial; returns how many things it tried.
        about: what is tried, for the table.
        trials: of a whole campaign.
    """

    run: Callable[[Trial], int]
    about: str
    trials: int


KINDS = {
    "kill": Kind(kills.killed, "SIGKILL of a training at a random moment (walk and hop, native and tree)", 50),
    "stop": Kind(kills.stopped, "SIGINT and SIGTERM, once and twice", 12),
    "race": Kind(kills.raced, "two processes for one run folder", 8),
    "full": Kind(disks.full, "a disk that fills up, files that may not grow", 14),
    "unreadable": Kind(disks.unreadable, "files and folders of a run that cannot be read", 20),
    "read-only": Kind(disks.read_only, "a run on a disk mounted for reading only", 8),
    "move": Kind(disks.moved, "run folders moved and renamed, at rest and while they train", 8),
    "path": Kind(disks.odd_path, "odd names: spaces, Unicode, markup, control characters, very long", len(disks.ODD)),
    "pipe": Kind(surroundings.closed_pipe, "closed pipes and streams, a full device", 24),
    "terminal": Kind(surroundings.terminal, "terminals, locales and settings", 2 * len(surroundings.SETTINGS)),
    "home": Kind(surroundings.homeless, "no HOME, none that can be written to, an unknown user", 12),
    "json": Kind(surroundings.json_only, "--json: one document on standard output", 16),
    "clock": Kind(surroundings.clock, "a clock that jumps by up to a year", 6),
    "nan": Kind(surroundings.poisoned, "a NaN in the policy in the midst of a training", 8),
    "spoil": Kind(many.spoilt_files, "spoiled files of every kind", 2 * len(many.TARGETS)),
    "sweep": Kind(many.sweep, "a sweep whose driver, worker or training is killed", 6),
    "distributed": Kind(many.distributed, "a training of two processes of which one is killed", 6),
    "long": Kind(many.long, "a long training: memory, files, threads, compiles", 1),
}
"""By the word that `--only` takes."""
