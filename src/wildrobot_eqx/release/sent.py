"""A controller that hands on what a player sends."""

from jaxtyping import Array, Float

from ..control import AbstractController
from ..robots import Mirror


class Sent(AbstractController):
    """What the player sends goes to the actuators as it is."""

    at_rest: Float[Array, " nu"]

    @property
    def action_size(self) -> int:
        """One entry for each actuator."""
        return self.at_rest.shape[0]

    @property
    def mirror(self) -> Mirror | None:
        return None

    def rest(self) -> Float[Array, " nu"]:
        return self.at_rest

    def init(self) -> tuple[()]:
        return ()

    def __call__(
        self, state: tuple[()], action: Float[Array, " {self.action_size}"]
    ) -> tuple[Float[Array, " nu"], tuple[()]]:
        return action, state
