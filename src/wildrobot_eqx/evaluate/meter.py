"""What a gate is made of: cases, meters and limits, all of them data."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Array, Bool

from ..env import EnvState, Timestep
from ..module import AbstractModule
from .gate_result import Figure


@dataclasses.dataclass(frozen=True)
class Case:
    """What some judged episodes have in common: what the robot is asked for, and the words for it.

    Cases that differ in `batch`, or in the commands that they hold, are simulated one batch after the
    other; the keys of episodes are those of their place in the batch.
    """

    name: str
    values: Mapping[str, tuple[float, ...]] = dataclasses.field(default_factory=dict)  # by command, one per channel
    required: bool = True  # held to the limits, not only shown
    label: str = ""  # of a film; the name where there is none
    when: str = "at"  # what lines say before the case: "survival at 0.2 m/s"
    command: float | None = None  # the number that heads its column; None: the name does
    axis: str = ""  # of the number, see `gate_result.AXES`
    batch: int = 0


class AbstractMeter(AbstractModule):
    """Gathers the statistics of one episode step by step, so that no trajectory is stored."""

    lasting: ClassVar[str] = "running"  # what an episode is called that is not over

    @abc.abstractmethod
    def init(self, state: EnvState, timestep: Timestep) -> Any:
        """The tally after a reset, a tree of arrays."""

    @abc.abstractmethod
    def step(self, tally: Any, state: EnvState, timestep: Timestep) -> Any:
        """The tally after one more control step; that of an episode that is over stays what it is."""

    @abc.abstractmethod
    def running(self, tally: Any) -> Bool[Array, ""]:
        """Whether the episode goes on; one that is over stays frozen where it was."""

    @abc.abstractmethod
    def figures(self, tally: Any, case: Case) -> dict[str, float]:
        """The figures of one case, by name; NaN where nothing was there to measure.

        Args:
            tally: NumPy leaves with one leading axis, the case's episodes.
            case: it.
        """

    def joints(self, tally: Any) -> dict[str, dict[str, float]]:
        """Torques by joint, as `walking.figures.joint_torques` has them; none by default."""
        return {}

    def shown(self) -> dict[str, Figure]:
        """How figures are shown, by name; the others have their name as a label, and no unit."""
        return {}
