"""Train, judge and export the bundles of `wildrobot-eqx demo`: python demos/make.py [NAME...]

Each is a shipped recipe with a seed; one whose gate is not passed replaces nothing. Seed, steps, options, versions
and the gate's verdict are in each bundle's contract: `wildrobot-eqx bundle show demos/walk.zip`.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MADE = {
    "walk": ["walk", "--seed", "0"],
    "walk_robust": ["walk_robust", "--seed", "0"],
    "stand": ["stand", "--seed", "0"],
}
LARGEST = 200_000  # bytes


def make(name: str, folder: Path) -> None:
    """Put `folder`/NAME.zip in place of what is there."""
    program = [sys.executable, "-m", "wildrobot_eqx.cli"]
    with tempfile.TemporaryDirectory() as scratch:
        run = str(Path(scratch) / "run")
        subprocess.run([*program, "run", *MADE[name], "--out", run, "--no-eval"], check=True)
        subprocess.run([*program, "eval", run], check=True)  # exit status 1 where the gate is not passed
        subprocess.run([*program, "export", run], check=True)
        subprocess.run([*program, "bundle", "verify", run], check=True)
        made = Path(run) / "bundle.zip"
        if made.stat().st_size > LARGEST:
            raise SystemExit(f"{name}: {made.stat().st_size} bytes are too many to ship")
        shutil.copyfile(made, folder / f"{name}.zip")


if __name__ == "__main__":
    wanted = sys.argv[1:] or list(MADE)
    if unknown := [name for name in wanted if name not in MADE]:
        raise SystemExit(f"no demo {unknown[0]!r}: {', '.join(MADE)}")
    for one in wanted:
        make(one, Path(__file__).parent)
