"""The end of a clip that does not loop."""

import equinox as eqx
from jaxtyping import Array, Bool

from ..observe import Signals
from ..task import AbstractStatelessEnding
from .command import ClipState


class ClipOver(AbstractStatelessEnding):
    """The clip has been played to its end, which is no failure; one that loops is never over.

    Args:
        command: name of the ClipCommand in the env.
    """

    command: str = eqx.field(static=True)
    truncates = True

    def __init__(self, command: str):
        self.command = command

    def __call__(self, signals: Signals) -> Bool[Array, ""]:
        return signals.command(self.command, ClipState, self).phase >= 1.0
