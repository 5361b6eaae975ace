"""What `export` does: the bundle of a run's newest policy, judged first where nobody has."""

from pathlib import Path

from ..deploy.export.extra import INSTALL, missing
from ..errors import WildRobotError
from ..release.bundle import export, newest, verdict
from ..runs.folder import RunFolder
from ..train.session import Say, reopen
from ..train.startup import enable_compilation_cache
from .finish import QUICK_EPISODES, evaluate


def export_run(run: Path, out: Path | None, judge: bool, trust: bool, say: Say) -> tuple[Path, Path]:
    """Write the bundle of a run's newest policy; judge it first, where nobody has.

    Returns:
        The folder and the zip.

    Raises:
        WildRobotError: there is no run or no checkpoint, the `deploy` extra is missing, or
            the recipe holds what a bundle cannot describe.
    """
    if missing():
        raise WildRobotError(
            f"Bundles need {', '.join(missing())}, which are not installed.", where="export", hint=INSTALL
        )
    enable_compilation_cache()
    folder = RunFolder.open(run)
    recipe, _ = reopen(folder, trust, say)
    if judge and recipe.gate is not None and verdict(folder, newest(folder)) is None:
        say(f"nobody has judged this policy: {QUICK_EPISODES} episodes per command (--no-eval goes without)")
        evaluate(recipe, folder, say, QUICK_EPISODES)
    return export(recipe, folder, out, say)
