"""`--verify`: ten iterations at full wiring, and proof that each part did its work."""

import dataclasses

import numpy as np

from ..recipes.recipe import Recipe
from ..robots import Robot
from ..runs.checkpoint import flatten
from ..runs.folder import RunFolder
from .log import read_metrics
from .loop import train

ITERATIONS = 10
_TOPPLE = 1.5
"""Mean time between falls, in sqrt(L / g) of the robot. From upright a pendulum of length L needs 3 to 4 of these to
fall over, so a robot that falls sooner on average is not upright to begin with: it collapses from its first step on."""


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
    falls = np.array([line.get("terminations_per_minute", 0.0) for line in lines] or [0.0])
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
        _upright(recipe.env.physics.robot, float(falls.mean())),
        Check("parameters moved", not still, f"{len(final) - len(still)} of {len(final)} arrays"),
        Check("the checkpoint reads back equal", iteration == ITERATIONS and same, f"{len(whole)} arrays"),
        Check("TensorBoard has events", bool(events), f"{len(events)} files"),
    ]


def _upright(robot: Robot, falls: float) -> Check:
    """Whether the robots stand at first: `falls` are terminations per minute and robot under the first policies."""
    name = "robots do not fall from the first step on"
    if robot.base is None or robot.leg_length <= 0.0:
        return Check(name, True, f"{robot.name} has no base that could fall")
    limit = 60.0 / (_TOPPLE * robot.time_scale)
    told = f"{falls:.0f} falls per minute, fewer than {limit:.0f}"
    if falls <= limit:
        return Check(name, True, told)
    told = (
        f"{falls:.0f} falls per minute, one every {60.0 / falls:.2f} s; mend [home], the actuators or min_root_height"
    )
    return Check(name, False, f"{told} in robot.toml, and see robots doctor")
