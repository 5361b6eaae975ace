"""What a sweep draws, chosen by Optuna through Ray Tune's search. `ray_engine`, which sets Ray up, imports it."""

from collections.abc import Mapping
from typing import Any

import optuna
from ray.tune.search.optuna import OptunaSearch

from .driver import Driver
from .spec import Choice, Distribution, Integer, Uniform, as_text, rounded


class OptunaValues:
    """Tune's Optuna search, with a TPE sampler; values are texts, as a recipe's options and overrides are."""

    def __init__(self, driver: Driver):
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        plan, goal = driver.plan, driver.goal
        self.space: dict[str, Any] = {key: _distribution(one) for key, one in plan.samples.items()}
        for key, values in plan.grid.items():
            self.space[key] = optuna.distributions.CategoricalDistribution(values)
        seed = plan.draw_seed + driver.number_of_trials  # another one in every attempt: not the first values again
        self.asked: set[str] = set()
        sampler = optuna.samplers.TPESampler(seed=seed)
        self.search = OptunaSearch(space=self.space, metric=goal.metric, mode=goal.mode, sampler=sampler)
        for texts, value in driver.earlier_values():
            self._add(texts, value)

    def ask(self, trial_id: str) -> dict[str, str]:
        """The next values."""
        self.asked.add(trial_id)
        texts = {}
        for key, value in (self.search.suggest(trial_id) or {}).items():
            one = self.space[key]
            real = isinstance(one, optuna.distributions.FloatDistribution)
            texts[key] = as_text(min(max(rounded(value), one.low), one.high)) if real else str(value)
        return texts

    def tell(self, trial_id: str, texts: Mapping[str, str], value: float | None) -> None:
        """What a trial reached; None: it failed, or has no figure."""
        if trial_id in self.asked:
            found = None if value is None else {self.search.metric: value}
            self.search.on_trial_complete(trial_id, found, error=value is None)
        elif value is not None:  # it goes on from an earlier attempt, whose Optuna suggested it
            self._add(texts, value)

    def _add(self, texts: Mapping[str, str], value: float) -> None:
        self.search.add_evaluated_point({key: _parsed(self.space[key], text) for key, text in texts.items()}, value)


def _distribution(one: Distribution) -> "optuna.distributions.BaseDistribution":
    if isinstance(one, Uniform):
        return optuna.distributions.FloatDistribution(one.low, one.high, log=one.log)
    if isinstance(one, Integer):
        return optuna.distributions.IntDistribution(one.low, one.high - 1)
    assert isinstance(one, Choice)
    return optuna.distributions.CategoricalDistribution(one.values)


def _parsed(distribution: Any, text: str) -> Any:
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return text
    return int(text) if isinstance(distribution, optuna.distributions.IntDistribution) else float(text)
