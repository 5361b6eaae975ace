"""What every randomiser promises."""

import abc
from typing import ClassVar

from jaxtyping import PRNGKeyArray

from ...module import AbstractModule
from ...protocol import Call, Protocol
from ..params import PhysicsParams


class AbstractRandomiser(AbstractModule):
    """Draws new domain parameters for one episode of one env; ranges are array leaves.

    One that may write dry friction (`dof_frictionloss`) to a joint without any in the model says
    so by `adds_frictionloss`: engines lay out a constraint row for it before they know how much.
    """

    protocol: ClassVar[Protocol] = (Call("__call__", ("key", "params"), ("params",)),)

    adds_frictionloss: ClassVar[bool] = False

    @abc.abstractmethod
    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        """The drawn parameters; fields that it does not vary pass through."""
