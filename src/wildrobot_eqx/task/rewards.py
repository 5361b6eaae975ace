"""Reward terms. Each is a rate: its value is per second, the env multiplies by the control period once."""

import abc
from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Array, Float

from ..module import AbstractModule
from ..observe import Signals
from ..protocol import Call, Protocol


class AbstractReward(AbstractModule):
    """One named, weighted reward term with a state; weights and widths are array leaves, free to change."""

    protocol: ClassVar[Protocol] = (
        Call("init", ("signals",), ("state",)),
        Call("step", ("state", "signals"), ("rate", "state")),
    )

    weight: eqx.AbstractVar[Float[Array, ""]]

    @abc.abstractmethod
    def init(self, signals: Signals) -> Any:
        """The term's state at the start of an episode."""

    @abc.abstractmethod
    def step(self, state: Any, signals: Signals) -> tuple[Float[Array, ""], Any]:
        """The unweighted value, per second, after a control step, and the next state."""


class AbstractStatelessReward(AbstractReward):
    """A reward term of one moment: it remembers nothing."""

    protocol: ClassVar[Protocol] = (Call("__call__", ("signals",), ("rate",)),)

    def init(self, signals: Signals) -> tuple[()]:
        """No state."""
        return ()

    def step(self, state: tuple[()], signals: Signals) -> tuple[Any, tuple[()]]:
        """The value of the moment."""
        return self(signals), state

    @abc.abstractmethod
    def __call__(self, signals: Signals) -> Float[Array, ""]:
        """The unweighted value, per second."""
