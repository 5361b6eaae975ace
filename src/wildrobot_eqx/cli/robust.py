"""What `eval RUN --robust` does: judge the run's newest policy, and write robust.json and its plots."""

import time
from typing import Any

from ..errors import WildRobotError
from ..evaluate.robust.evaluate import Found, evaluate_robust
from ..recipes.recipe import Recipe
from ..report.robust_plots import write_robust_plots
from ..runs.files import read_object
from ..runs.folder import RunFolder, now, write_json
from ..train.registry import trainer_of
from ..train.session import restore


def evaluate_run_robustly(
    recipe: Recipe,
    folder: RunFolder,
    episodes: int | None = None,
    seconds: float | None = None,
    timestep: float | None = None,
) -> Found:
    """Judge the run's newest policy; robust.json is written after each part that is done.

    Raises:
        WildRobotError: there is no checkpoint; or it was stopped, exit code 130, what was done being written.
    """
    state = restore(recipe, folder)
    path = folder.path / "robust.json"
    began = time.monotonic()

    def save(result: Found) -> None:
        document: dict[str, Any] = {
            "iteration": int(state.iteration),
            "when": now(),
            "seconds": round(time.monotonic() - began, 2),
            **result.to_json(),
        }
        write_json(path, document)

    def draw() -> None:
        write_robust_plots(folder.path / "plots", read_object(path))

    policy = trainer_of(folder).policy(state)
    try:
        result = evaluate_robust(recipe.env, recipe.gate, policy, episodes, seconds, timestep, save)
    except KeyboardInterrupt as error:
        draw()
        raise WildRobotError(
            "Stopped; what was done is saved.",
            where=str(path),
            hint=f"all of it: wildrobot-eqx eval {folder.path} --robust",
            exit_code=130,
        ) from error
    draw()
    return result
