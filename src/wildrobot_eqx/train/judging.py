"""The gate asked in the midst of a training, so that its figures stand beside those of learning."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from ..evaluate.gate import AbstractGate
from ..evaluate.gate_score import gate_figures
from ..learn.networks import AbstractPolicy
from ..recipes.recipe import Recipe
from .trainer import OnIteration

_log = logging.getLogger(__name__)

_ONE_AT_A_TIME = threading.Lock()  # of several trainings in one process: engines have threads of their own
EPISODES = 16  # per case: enough to rank trainings by, a fraction of what a verdict takes


class Judge:
    """Judges the policy every so many control steps and at the end of a training, at the gate's first timestep.

    Args:
        recipe: whose env.
        gate: whose figures.
        every: control steps between two judgements.
    """

    def __init__(self, recipe: Recipe, gate: AbstractGate, every: int):
        self.recipe, self.gate, self.every = recipe, gate, every

    @staticmethod
    def of(recipe: Recipe, every: int | None) -> "Judge | None":
        """The judge of a recipe's own gate; None where it has none, or `every` is None."""
        if every is not None and recipe.gate is None:
            _log.info(f"the recipe {recipe.name!r} has no gate, so that nothing is judged while it trains")
        return None if every is None or recipe.gate is None else Judge(recipe, recipe.gate, every)

    def due(self, iteration: int) -> bool:
        """Whether an iteration is one after which the policy is judged."""
        steps = self.recipe.learner.steps_per_iteration
        last = iteration >= self.recipe.iterations
        return last or iteration * steps // self.every > (iteration - 1) * steps // self.every

    def figures(self, policy: AbstractPolicy) -> dict[str, float]:
        """The gate's figures of a policy."""
        env, gate = self.recipe.env, self.gate
        with _ONE_AT_A_TIME:
            result = gate(env, policy, episodes=min(EPISODES, gate.episodes), timesteps=gate.timesteps[:1])
        return gate_figures(gate.limits(env), result)


def judged(judge: Judge | None, then: OnIteration, policy_of: Callable[[Any], AbstractPolicy]) -> OnIteration:
    """`then`, which gets the gate's figures among the others where they are due."""
    if judge is None:
        return then

    def on_iteration(state: Any, figures: dict[str, Any]) -> None:
        due = judge.due(int(state.iteration))
        then(state, {**figures, **judge.figures(policy_of(state))} if due else figures)

    return on_iteration
