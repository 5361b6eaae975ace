"""`make campaign`, or `python tools/campaign`: whatever happens to a training or a file, nothing is lost.

Trials are drawn from a seed: `--seed 3 --only kill --trial 17` repeats one. It prints what was tried and what survived,
and of each failure the commands; `--write` puts the table into docs/reliability.md. Files lie in a temporary folder,
those of a failed trial in `--keep`.
"""

import argparse
import concurrent.futures
import datetime
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import many
from kinds import KINDS
from table import Tally, table, write
from trainings import Shared
from trial import ROOT, FailedError, Trial

PAGE = ROOT / "docs" / "reliability.md"


class Campaign:
    """Runs trials until all are run, or time is up.

    Args:
        names: the kinds of trials.
        seed: what all are drawn from.
        minutes: after which no trial begins.
        folder: where they lie.
        keep: where the folders of failed ones are put; None: nowhere.
        only: the number of the only trial of each kind; None: all.
    """

    def __init__(self, names: list[str], seed: int, minutes: float, folder: Path, keep: Path | None, only: int | None):
        self.seed, self.folder, self.keep, self.only = seed, folder, keep, only
        self.deadline = time.monotonic() + 60.0 * minutes
        self.tallies = {name: Tally(KINDS[name].about) for name in names}
        self.shared = Shared(folder / "shared", seed)
        self.shared.folder.mkdir(parents=True)
        self._begun = dict.fromkeys(names, 0)
        self._live: set[Trial] = set()
        self._lock = threading.Lock()

    def next(self) -> tuple[str, int] | None:
        """The kind and number of the next trial: of the kind that is furthest from its end; None: there is none."""
        with self._lock:
            if time.monotonic() > self.deadline:
                return None
            whole = {name: 1 if self.only is not None else KINDS[name].trials for name in self._begun}
            left = {n: (done + 0.5) / whole[n] for n, done in self._begun.items() if done < whole[n]}
            if not left:
                return None
            name = "long" if "long" in left else min(left, key=lambda n: left[n])  # the long one goes beside the others
            self._begun[name] += 1
            return name, self._begun[name] - 1 if self.only is None else self.only

    def work(self) -> None:
        """Run trials, one after another."""
        while (found := self.next()) is not None:
            self.one(*found)

    def stop(self) -> None:
        """Begin no more trials, and end those that run."""
        self.deadline = -1.0
        for trial in [*self._live, *self.shared.live]:
            trial.end()

    def one(self, name: str, number: int) -> None:
        """Run one trial and note what came of it."""
        trial = Trial(name, number, self.seed, self.folder / f"{name}-{number}", self.shared)
        began, wrong, tried = time.monotonic(), "", 1
        self._live.add(trial)
        try:
            tried = KINDS[name].run(trial)
        except FailedError as error:
            wrong = str(error)
        except Exception as error:  # a mistake of the campaign's own, or of what it calls
            wrong = f"{type(error).__name__}: {error}"
        finally:
            trial.end()
            self._live.discard(trial)
        seconds = time.monotonic() - began
        print(f"{name} {number}: {wrong or 'survived'} ({seconds:.0f} s)", file=sys.stderr, flush=True)
        with self._lock:
            self.tallies[name].note(number, tried, wrong, trial.commands)
        if wrong and self.keep is not None:
            shutil.copytree(trial.folder, self.keep / f"{name}-{number}", symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(trial.folder, ignore_errors=True)


def main() -> int:
    """Run a campaign."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=55.0, help="after which no trial begins")
    parser.add_argument("--seed", type=int, default=0, help="what the trials are drawn from")
    parser.add_argument("--only", default=",".join(KINDS), help=f"of {', '.join(KINDS)}")
    parser.add_argument("--trial", type=int, help="only this one of each kind")
    parser.add_argument("--workers", type=int, default=2, help="trials at a time")
    parser.add_argument("--long-minutes", type=float, default=many.LONG["minutes"], help="of the long training")
    parser.add_argument("--keep", type=Path, help="a folder for the files of failed trials")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    names = arguments.only.split(",")
    if unknown := set(names) - set(KINDS):
        parser.error(f"no kind {sorted(unknown)[0]!r}: {', '.join(KINDS)}")
    many.LONG["minutes"] = arguments.long_minutes
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="campaign-", ignore_cleanup_errors=True) as folder:
        campaign = Campaign(names, arguments.seed, arguments.minutes, Path(folder), arguments.keep, arguments.trial)
        with concurrent.futures.ThreadPoolExecutor(arguments.workers) as pool:
            running: list[Any] = [pool.submit(campaign.work) for _ in range(arguments.workers)]
            try:
                for one in running:
                    one.result()
            except KeyboardInterrupt:
                campaign.stop()
    minutes = (time.monotonic() - began) / 60.0
    told = f"python tools/campaign --seed {arguments.seed} --minutes {arguments.minutes:g}"
    told += "" if names == list(KINDS) else f" --only {arguments.only}"
    when = f"{datetime.date.today()}, {minutes:.0f} minutes"
    text = table(campaign.tallies, arguments.seed)
    print(f"{told}: {when}\n\n{text}")
    if arguments.write:
        write(PAGE, f"`{told}`, {when}:\n\n{text}")
    return 1 if any(tally.failures for tally in campaign.tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
