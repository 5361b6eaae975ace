"""Learners by name, each with its hyperparameters: our own PPO, and Brax's trainers."""

import dataclasses
import math
from typing import Any, ClassVar, TypeVar

from ..errors import WildRobotError

_AT_LEAST_ONE = (
    "num_envs",
    "unroll_length",
    "num_epochs",
    "num_minibatches",
    "reset_pool",
    "minibatch_groups",
    "decay_steps",
    "batch_size",
)
_POSITIVE = ("max_learning_rate", "clip", "max_grad_norm", "init_std")
_NOT_NEGATIVE = ("learning_rate", "desired_kl", "entropy_cost", "value_cost")
_SHARES = ("discount", "gae_lambda", "decay_to")


@dataclasses.dataclass(frozen=True)
class AbstractLearner:
    """The figures that every learner has, by the names of the papers and of Brax where it has them."""

    num_envs: int = 128
    unroll_length: int = 20  # control steps per env and iteration
    learning_rate: float = 1e-3
    discount: float = 0.95
    hidden: tuple[int, ...] = (128, 128)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def steps_per_iteration(self) -> int:
        """Control steps of one iteration over all envs, after which there is a line of figures."""
        return self.num_envs * self.unroll_length


@dataclasses.dataclass(frozen=True)
class AbstractPPO(AbstractLearner):
    """The hyperparameters of PPO, of any trainer."""

    num_epochs: int = 5
    num_minibatches: int = 4  # our own's each hold whole sequences of some envs
    desired_kl: float | None = None  # adapts the learning rate instead
    max_learning_rate: float = 3e-3  # of an adaptive one
    gae_lambda: float = 0.8
    clip: float = 0.2
    entropy_cost: float = 0.0
    value_cost: float = 0.5
    max_grad_norm: float = 1.0
    init_std: float = 0.3


@dataclasses.dataclass(frozen=True)
class PPO(AbstractPPO):
    """Our own PPO."""

    trainer: ClassVar[str] = "ppo"

    decay_steps: int | None = None  # control steps over which a fixed learning rate falls to `decay_to` of it
    decay_to: float = 0.1  # what is left of it then, as a share
    minibatch_groups: int = 1  # equal parts of the envs, of each of which a minibatch has as many: docs/scaling.md
    symmetric: bool = True  # a left-right symmetric policy, by the gait clock or else by the lean
    reset_pool: int | None = None  # first states made per iteration; none: a quarter of `num_envs`, at least 64

    @property
    def pool_size(self) -> int:
        """First states made per iteration; more than there are envs would be for nothing."""
        size = max(64, self.num_envs // 4) if self.reset_pool is None else self.reset_pool
        return min(size, self.num_envs)


@dataclasses.dataclass(frozen=True)
class BraxPPO(AbstractPPO):
    """Brax's PPO; fields mean what they mean in `PPO`, and `train.brax_trainer` says what Brax calls them."""

    trainer: ClassVar[str] = "brax-ppo"


@dataclasses.dataclass(frozen=True)
class BraxSAC(AbstractLearner):
    """Brax's SAC, which updates once per control step of all envs; an unroll may be longer, to have fewer lines."""

    trainer: ClassVar[str] = "brax-sac"

    batch_size: int = 256


Learner = PPO | BraxPPO | BraxSAC
LEARNERS: tuple[type[PPO] | type[BraxPPO] | type[BraxSAC], ...] = (PPO, BraxPPO, BraxSAC)
Kind = TypeVar("Kind", bound=Learner)


def as_learner(learner: Learner, kind: type[Kind]) -> Kind:
    """The learner itself where it is of that kind, else one of that kind with the figures that both have."""
    if isinstance(learner, kind):
        return learner
    names = {field.name for field in dataclasses.fields(kind)}
    both = [field.name for field in dataclasses.fields(learner) if field.name in names]
    return kind(**{name: getattr(learner, name) for name in both})


def _check(learner: Any) -> None:
    """Refuse figures that no training can have."""
    kind = type(learner).__name__
    names = [field.name for field in dataclasses.fields(learner)]
    for group, what, holds in (
        (_AT_LEAST_ONE, "at least 1", lambda value: value >= 1),
        (_POSITIVE, "a positive number", lambda value: 0.0 < value < math.inf),
        (_NOT_NEGATIVE, "a number that is not negative", lambda value: 0.0 <= value < math.inf),
        (_SHARES, "between 0 and 1", lambda value: 0.0 <= value <= 1.0),
    ):
        for name in (name for name in group if name in names):
            value = getattr(learner, name)
            if value is not None and not holds(value):
                raise _error(learner, name, value, what)
    if any(size < 1 for size in learner.hidden):
        raise _error(learner, "hidden", learner.hidden, "sizes of at least 1")
    if "num_minibatches" in names and learner.num_envs % learner.num_minibatches:
        raise WildRobotError(
            f"{learner.num_envs} envs do not divide into {learner.num_minibatches} minibatches of equal size.",
            where=f"{kind}, learner.num_envs and learner.num_minibatches",
            hint=f"take a multiple of {learner.num_minibatches} envs",
        )
    parts = learner.num_minibatches * getattr(learner, "minibatch_groups", 1) if "num_minibatches" in names else 1
    if learner.num_envs % parts:
        raise WildRobotError(
            f"{learner.num_minibatches} minibatches of {learner.num_envs} envs cannot have as many of each of "
            f"{learner.minibatch_groups} groups.",
            where=f"{kind}, learner.minibatch_groups",
            hint=f"take a multiple of {parts} envs, or fewer groups",
        )


def _error(learner: Any, name: str, value: object, what: str) -> WildRobotError:
    default = getattr(type(learner), name)
    hint = f"leave learner.{name} out, or set another value" if default is None else f"the default is {default}"
    where = f"{type(learner).__name__}, {name}"
    return WildRobotError(f"learner.{name} must be {what}, got {value}.", where=where, hint=hint)
