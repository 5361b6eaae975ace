"""A line of servos, whoever made them."""

import abc
import dataclasses
import math
from collections.abc import Iterable, Mapping

from ...errors import WildRobotError


@dataclasses.dataclass(frozen=True)
class ServoReading:
    """What a servo said of itself."""

    position: int  # units
    time: float  # s, on the port's clock
    velocity: float | None = None  # units/s; None: it measures none
    load: float | None = None  # share of its stall torque, signed; None: it measures none


@dataclasses.dataclass(frozen=True)
class ServoHealth:
    """How a servo is; NaN of what it does not measure."""

    voltage: float  # V
    temperature: float  # degrees Celsius
    load: float  # share of its stall torque
    faults: tuple[str, ...]  # what it complains of


class AbstractServoBus(abc.ABC):
    """One half-duplex line of servos. Not for use from two threads at once."""

    step: float  # rad, of one unit of position
    low: int  # units, the end of the servos' travel
    high: int
    together: bool = False  # whether all servos answer one question
    timeouts: int  # questions without an answer in time
    strays: int  # packets that answered another question, as a line's own echo does
    retries: int  # how often a question without an answer is asked again

    @property
    @abc.abstractmethod
    def damaged(self) -> int:
        """Packets that came in with a wrong checksum."""

    @abc.abstractmethod
    def ping(self, id: int) -> bool:
        """Whether a servo answers.

        Raises:
            OSError: the port is gone.
        """

    @abc.abstractmethod
    def read(self, id: int) -> ServoReading:
        """Where a servo is.

        Raises:
            WildRobotError: it does not answer.
            OSError: the port is gone.
        """

    def read_many(self, ids: Iterable[int]) -> dict[int, ServoReading]:
        """Where several servos are; those that do not answer are left out.

        Raises:
            OSError: the port is gone.
        """
        found = {}
        for id in ids:
            try:
                found[id] = self.read(id)
            except WildRobotError:  # counted by `timeouts`
                continue
        return found

    @abc.abstractmethod
    def write(self, targets: Mapping[int, int], milliseconds: int) -> None:
        """Send servos to positions (units), all at once, each to be reached within some time. All or none are sent.

        Raises:
            ValueError: a position or the time is out of range.
            OSError: the port is gone.
        """

    @abc.abstractmethod
    def torque(self, on: bool, id: int | None = None) -> None:
        """Switch the torque of one servo, or of all.

        Raises:
            OSError: the port is gone.
        """

    @abc.abstractmethod
    def health(self, id: int) -> ServoHealth:
        """How a servo is.

        Raises:
            WildRobotError: it does not answer.
            OSError: the port is gone.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Give the port back."""

    def check_targets(self, targets: Mapping[int, int], milliseconds: int) -> None:
        """See that all targets lie within the travel.

        Raises:
            ValueError: one does not, or the time is none.
        """
        for id, position in targets.items():
            if not self.low <= position <= self.high:
                raise ValueError(
                    f"the position of the servo {id} lies between {self.low} and {self.high}, got {position}"
                )
        if not (math.isfinite(milliseconds) and 0 <= milliseconds <= 30_000):
            raise ValueError(f"a move takes between 0 and 30000 ms, got {milliseconds}")


def no_answer(id: int, what: str, attempts: int, damaged: int = 0) -> WildRobotError:
    """A servo that did not answer."""
    return WildRobotError(
        f"The servo {id} did not answer {what} in {attempts} attempts"
        + (f"; {damaged} answers were damaged." if damaged else "."),
        where="the servo bus",
        hint="look at the cable and the ground" if damaged else "look at its plug, its id, and the supply",
        exit_code=1,
    )
