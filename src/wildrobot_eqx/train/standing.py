"""Whether a robot in training lifts its feet, and what pays one that does not."""

import collections
import logging
from collections.abc import Mapping

from ..check.misfit import misfits
from ..env import Env
from ..locomotion import FeetClearance, TrackLinVelX, TrackLinVelY, velocities

_log = logging.getLogger(__name__)

AFTER = 0.3  # share of a training after which it is looked at
LIFTED = 0.5  # share of the swings that a gait asks for, below which the robot does not walk: random actions give 0.4
FEWEST = 50  # iterations of a training that is looked at: in fewer no robot has learned to step
_LITTLE = 0.02  # of all feet and steps: asked for less, nothing can be said


def lifted_share(figures: Mapping[str, float]) -> float | None:
    """Share of the time that the gait has a foot in the air in which nothing bears it; None where none is asked for.

    `figures` are means over an iteration, of the metrics that `Gait` gives.
    """
    asked = figures.get("feet_to_lift", 0.0)
    return figures.get("feet_lifted", 0.0) / asked if asked > _LITTLE else None


def why_standing(env: Env, figures: Mapping[str, float]) -> list[str]:
    """Lines that say which reward terms pay a robot that does not lift its feet, and what to change.

    `figures` are an iteration's means, `reward/NAME` of each term, per second and weighted.
    """
    earned = {name: figures[f"reward/{name}"] for name in env.rewards if f"reward/{name}" in figures}
    weights = {name: float(env.rewards[name].weight) for name in earned}
    paying = sorted((name for name in earned if earned[name] > 0.0), key=lambda name: -earned[name])
    told = [f"{name} {earned[name]:.2f} of {weights[name]:.2f}" for name in paying]
    costly = sorted((name for name in earned if earned[name] < 0.0), key=lambda name: earned[name])
    lines = [f"what pays it for standing, per second, of the most that each term gives: {', '.join(told) or 'nothing'}"]
    if costly:
        lines.append(f"what a step may cost it: {', '.join(f'{name} {earned[name]:.2f}' for name in costly[:3])}")
    wrong = misfits(env)
    if wrong:
        lines += [f"{misfit.leaf}: {misfit.seen}; try: {misfit.fix}" for misfit in wrong]
        return lines
    missed = [name for name in paying if 0.0 < earned[name] < 0.9 * weights[name]]
    sideways = any(command.lin_vel_y is not None for command in velocities(env.commands).values())
    kernels = (FeetClearance, TrackLinVelX, *((TrackLinVelY,) if sideways else ()))
    narrow = [f"env.rewards.{name}.width" for name in missed if isinstance(env.rewards[name], kernels)]
    cures = [f"narrow {', '.join(narrow)} so that standing pays less"] if narrow else []
    cures += [
        "raise the weights of what stepping earns",
        "widen the controller's scale so that a step happens by chance",
    ]
    cures += ["see by `check --run` whether the robot holds its home pose with torque to spare"]
    return [*lines, f"what to change: {'; '.join(cures)}"]


class StandingWatch:
    """Looks, once after a share of a training and once at its end, whether the robot lifts its feet, and says if not.

    Args:
        env: whose robot learns; one whose commands have no gait is never faulted.
        iterations: of the whole training; one of fewer than `FEWEST` is not looked at.
        stood: an attempt before this one was said to stand.
    """

    def __init__(self, env: Env, iterations: int, stood: bool = False):
        self.env, self.iterations = env, iterations
        self.recent: collections.deque[Mapping[str, float]] = collections.deque(maxlen=max(iterations // 20, 1))
        self.stood = stood

    def update(self, iteration: int, figures: Mapping[str, float]) -> tuple[str, ...]:
        """Take note of an iteration's figures; gives, and logs, what is to be said of it, mostly nothing."""
        self.recent.append(figures)
        looks = {max(round(AFTER * self.iterations), 1), self.iterations}
        if iteration not in looks or self.iterations < FEWEST:
            return ()
        mean = {name: sum(one.get(name, 0.0) for one in self.recent) / len(self.recent) for name in figures}
        share = lifted_share(mean)
        if share is None or (share >= LIFTED and not self.stood):
            return ()
        done = f"after {iteration} of {self.iterations} iterations"
        if share >= LIFTED:
            lines = [f"{done} the robot lifts its feet: they are free for {100 * share:.0f}% of their swings"]
            self.stood = False
        else:
            self.stood = True
            lines = [
                f"the robot stands or shuffles: {done} its feet are free for {100 * share:.0f}% of the time that the "
                "gait has them in the air",
                *why_standing(self.env, mean),
            ]
        for line in lines:
            _log.warning(line)
        return tuple(lines)
