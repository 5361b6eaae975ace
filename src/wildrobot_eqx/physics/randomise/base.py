"""What every randomiser promises."""

import abc

import equinox as eqx
from jaxtyping import PRNGKeyArray

from ..params import PhysicsParams


class AbstractRandomiser(eqx.Module):
    """Draws new domain parameters for one episode of one env; ranges are array leaves."""

    @abc.abstractmethod
    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        """The drawn parameters; fields that it does not vary pass through."""
