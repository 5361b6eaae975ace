"""What `eval RUN --long` does: judge the run's newest policy, and write long.json."""

import math
import time
from typing import Any

from ..errors import WildRobotError
from ..evaluate.lasting.evaluate import Lasting, evaluate_lasting
from ..recipes.recipe import Recipe
from ..runs.folder import RunFolder, now, write_json
from ..train.registry import trainer_of
from ..train.session import restore
from .logs import table


def evaluate_run_lasting(
    recipe: Recipe,
    folder: RunFolder,
    episodes: int | None = None,
    seconds: float | None = None,
    timestep: float | None = None,
) -> Lasting:
    """Judge the run's newest policy; long.json is written after each trial.

    Raises:
        WildRobotError: there is no checkpoint; or it was stopped, exit code 130, what was done being written.
    """
    state, path, began = restore(recipe, folder), folder.path / "long.json", time.monotonic()

    def save(found: Lasting) -> None:
        head = {"iteration": int(state.iteration), "when": now(), "seconds": round(time.monotonic() - began, 2)}
        write_json(path, {**head, **found.to_json()})

    policy = trainer_of(folder).policy(state)
    try:
        return evaluate_lasting(recipe.env, recipe.gate, policy, episodes, seconds, timestep, save)
    except KeyboardInterrupt as error:
        raise WildRobotError(
            "Stopped; what was done is saved.",
            where=str(path),
            hint=f"all of it: wildrobot-eqx eval {folder.path} --long",
            exit_code=130,
        ) from error


def lasting_pages(found: Lasting) -> list[Any]:
    """Tables and lines of what was found."""

    def shown(value: float, digits: int = 2) -> str:
        return "–" if math.isnan(value) else f"{value:.{digits}f}"

    rows = [
        (
            f"{trial.command}, {trial.who}",
            f"{trial.seconds:g}",
            f"{100.0 * trial.figures['survival']:.1f}",
            f"{100.0 * trial.figures['recovered']:.1f}",
            *(
                f"{shown(trial.figures[f'{name}_median'], digits)}/{shown(trial.figures[f'{name}_most'], digits)}"
                for name, digits in (("tilt", 1), ("pitch_slope", 3), ("roll_slope", 3))
            ),
        )
        for trial in found.trials
    ]
    columns = ("", "s", "lasted", "level", "tilt, deg", "pitch, deg/s", "roll, deg/s")
    world = "the recipe's own errors, a fifth wider" if found.source == "recipe" else "the standard PersistentBias"
    failed = [t for t in found.trials if t.who == "policy" and not t.passed and t.seconds <= 60.0]
    less = f" (provisional: {found.provisional})" if found.provisional else ""
    return [
        f"Long: {'passed' if found.passed else 'failed'}{less}",
        table("Lasted, and ended level (%); tilt and slopes: median/90%", columns, rows),
        f"World: {world}. At least 97% must last 60 s and end within 3 degrees of level.",
        *(f"  {t.command}: {100.0 * t.figures['recovered']:.1f}% of {t.episodes} episodes did" for t in failed),
    ]
