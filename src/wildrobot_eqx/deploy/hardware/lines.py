"""Several lines of servos asked at the same time, and in turns where they cannot all be asked in a control period."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from .bus import AbstractServoBus, ServoReading


class Lines:
    """Reads servos line by line, each line in a thread of its own.

    Args:
        buses: the lines.
        ids: the servos of each line.
        reads: how many servos of a line to ask per control period; all if None.
        seconds: for how long to ask one after the other in a control period, s; as long as it takes if None. A line
            whose servos answer one question together asks all of them at once.
        clock: s.
    """

    def __init__(
        self,
        buses: Sequence[AbstractServoBus],
        ids: Sequence[Sequence[int]],
        reads: int | None,
        seconds: float | None,
        clock: Callable[[], float],
    ):
        self._buses, self._ids = tuple(buses), tuple(tuple(line) for line in ids)
        self._reads, self._seconds, self._clock = reads, seconds, clock
        self._next = [0] * len(self._buses)
        self._unseen = [set(line) for line in self._ids]
        self._stopping = False
        self._pool = ThreadPoolExecutor(len(self._buses), "servo-line") if len(self._buses) > 1 else None

    def read(self) -> list[Mapping[int, ServoReading]]:
        """What was read now, by line and id; servos whose turn it was not, or that did not answer, are left out.

        Raises:
            OSError: a port is gone.
        """
        if self._pool is None:
            return [self._line(i) for i in range(len(self._buses))]
        return list(self._pool.map(self._line, range(len(self._buses))))

    def stop(self) -> None:
        """Ask nothing more: lines that are being read end after the question that is out."""
        self._stopping = True

    def go(self) -> None:
        """Ask again."""
        self._stopping = False

    def _line(self, i: int) -> Mapping[int, ServoReading]:
        bus, ids = self._buses[i], self._ids[i]
        first = [id for id in ids if id in self._unseen[i]]
        order = tuple(first) or tuple(ids[(self._next[i] + k) % len(ids)] for k in range(len(ids)))
        if not first and self._reads is not None:
            order = order[: self._reads]
        found: dict[int, ServoReading] = {}
        if self._seconds is None or bus.together:
            if not self._stopping:
                found.update(bus.read_many(order))
            asked = len(order)
        else:
            asked, began, longest = 0, self._clock(), 0.0
            retries, bus.retries = bus.retries, 0  # who is lost has another turn soon
            try:
                for id in order:
                    now = self._clock()
                    if self._stopping or (asked and now - began + longest > self._seconds):
                        break
                    found.update(bus.read_many((id,)))
                    longest, asked = max(longest, self._clock() - now), asked + 1
            finally:
                bus.retries = retries
        if not first:
            self._next[i] = (self._next[i] + asked) % len(ids)
        self._unseen[i] -= set(found)
        return found
