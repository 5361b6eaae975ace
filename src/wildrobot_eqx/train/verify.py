"""`--verify`: ten iterations at full wiring, and proof that each part did its work."""

import dataclasses

import numpy as np

from ..recipes.recipe import Recipe
from ..runs.checkpoint import flatten
from ..runs.folder import RunFolder
from .log import read_metrics
from .loop import train

ITERATIONS = 10


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that must hold, and what was found."""

    name: str
    passed: bool
    detail: str


def short(recipe: Recipe) -> Recipe:
    """The recipe, stopped after ten iterations."""
    return dataclasses.replace(recipe, steps=ITERATIONS * recipe.learner.steps_per_iteration)


def verify(recipe: Recipe, folder: RunFolder) -> list[Check]:
    """Train ten iterations of `recipe` into `folder` and check the wiring.

    Raises:
        WildRobotError: training itself failed.
    """
    trained = train(short(recipe), folder)
    lines = read_metrics(folder.metrics)
    # Brax reports rewards when episodes end: its first lines may have none.
    rewards = np.array([line["reward_per_step"] for line in lines if line.get("episode_length") != 0.0] or [0.0])
    final = flatten(trained.state.agent)
    still = [name for name, before in trained.initial.items() if np.array_equal(before, final[name])]
    whole = flatten(trained.state)
    iteration, read_back = folder.checkpoints.load_latest()
    same = read_back.keys() == whole.keys() and all(np.array_equal(read_back[name], whole[name]) for name in whole)
    events = list(folder.tensorboard.glob("events.*"))
    return [
        Check(
            "every iteration is logged once",
            [line["iteration"] for line in lines] == list(range(1, ITERATIONS + 1)),
            f"{len(lines)} lines",
        ),
        Check(
            "figures are finite", bool(np.isfinite([v for line in lines for v in line.values()]).all()), "all of them"
        ),
        Check("rewards are not zero", bool((rewards != 0.0).all()), f"mean {rewards.mean():.4f} per step"),
        Check("rewards vary", bool(np.ptp(rewards) > 0.0), f"range {np.ptp(rewards):.2g}"),
        Check("parameters moved", not still, f"{len(final) - len(still)} of {len(final)} arrays"),
        Check("the checkpoint reads back equal", iteration == ITERATIONS and same, f"{len(whole)} arrays"),
        Check("TensorBoard has events", bool(events), f"{len(events)} files"),
    ]
