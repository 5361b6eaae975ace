"""Hyperparameters of PPO."""

import dataclasses
import math

from ..errors import WildRobotError

_AT_LEAST_ONE = ("num_envs", "unroll_length", "num_epochs", "num_minibatches", "reset_pool", "decay_steps")
_POSITIVE = ("max_learning_rate", "clip", "max_grad_norm", "init_std")
_NOT_NEGATIVE = ("learning_rate", "desired_kl", "entropy_cost", "value_cost")
_SHARES = ("discount", "gae_lambda")


@dataclasses.dataclass(frozen=True)
class PPOConfig:
    """Hyperparameters, by the names of the paper and of Brax where it has them."""

    num_envs: int = 128
    unroll_length: int = 20  # control steps per env and iteration
    num_epochs: int = 5
    num_minibatches: int = 4  # each holds whole sequences of some envs
    learning_rate: float = 1e-3
    decay_steps: int | None = None  # control steps over which a fixed learning rate falls to a tenth
    desired_kl: float | None = None  # adapts the learning rate instead
    max_learning_rate: float = 3e-3  # of an adaptive one
    discount: float = 0.95
    gae_lambda: float = 0.8
    clip: float = 0.2
    entropy_cost: float = 0.0
    value_cost: float = 0.5
    max_grad_norm: float = 1.0
    init_std: float = 0.3
    hidden: tuple[int, ...] = (128, 128)
    symmetric: bool = True  # a left-right symmetric policy, by the gait clock or else by the lean
    reset_pool: int | None = None  # first states made per iteration; none: a quarter of `num_envs`, at least 64

    def __post_init__(self) -> None:
        for names, kind, holds in (
            (_AT_LEAST_ONE, "at least 1", lambda value: value >= 1),
            (_POSITIVE, "a positive number", lambda value: 0.0 < value < math.inf),
            (_NOT_NEGATIVE, "a number that is not negative", lambda value: 0.0 <= value < math.inf),
            (_SHARES, "between 0 and 1", lambda value: 0.0 <= value <= 1.0),
        ):
            for name in names:
                value = getattr(self, name)
                if value is not None and not holds(value):
                    raise _error(name, value, kind)
        if any(size < 1 for size in self.hidden):
            raise _error("hidden", self.hidden, "sizes of at least 1")
        if self.num_envs % self.num_minibatches:
            raise WildRobotError(
                f"{self.num_envs} envs do not divide into {self.num_minibatches} minibatches of equal size.",
                where="PPOConfig, ppo.num_envs and ppo.num_minibatches",
                hint=f"take a multiple of {self.num_minibatches} envs",
            )

    @property
    def steps_per_iteration(self) -> int:
        """Control steps of one iteration over all envs."""
        return self.num_envs * self.unroll_length

    @property
    def pool_size(self) -> int:
        """First states made per iteration; more than there are envs would be for nothing."""
        wanted = max(64, self.num_envs // 4) if self.reset_pool is None else self.reset_pool
        return min(wanted, self.num_envs)


def _error(name: str, value: object, kind: str) -> WildRobotError:
    default = getattr(PPOConfig, name)
    hint = f"leave ppo.{name} out, or set another value" if default is None else f"the default is {default}"
    return WildRobotError(f"ppo.{name} must be {kind}, got {value}.", where=f"PPOConfig, {name}", hint=hint)
