"""A line of servos as bytes: what they hear and what they answer, and when."""

import abc

import numpy as np

from .world import World

Said = tuple[float, bytes]  # when the last byte is out (s), and the bytes


class AbstractLine(abc.ABC):
    """Some of a hidden robot's servos on one half-duplex line.

    Args:
        world: the robot.
        servos: indices of its driven joints.
        baud: bits per second.
        seed: of what gets lost on the way.
    """

    step: float  # rad, of one unit
    middle: int  # units, at which a servo is by default when its encoder reads 0
    pause: float  # s, of a servo's own time before its answer

    def __init__(self, world: World, servos: list[int], baud: int, seed: int = 0):
        self.world, self.byte = world, 10.0 / baud
        hidden = world.hidden
        ids = hidden.id or tuple(range(1, len(world.plan.joints) + 1))
        self.at = {ids[i]: i for i in servos}
        self._rng = np.random.default_rng(seed)
        self._free = 0.0  # s, from when on the line is silent
        self._heard = bytearray()

    def hear(self, data: bytes, now: float) -> list[Said]:
        """Bytes that somebody sends from `now` on, s; what the servos say to it."""
        self._free = max(self._free, now) + self.byte * len(data)
        self._heard += data
        said = []
        for answer in self.obey(self._heard):
            own = self.world.hidden.answer_seconds
            self._free += (self.pause if own is None else own) + self.byte * len(answer)
            said += self._over_the_wire(answer)
        return said

    @property
    def now(self) -> float:
        """When the bytes that were heard last were out, s."""
        return self._free

    @abc.abstractmethod
    def obey(self, heard: bytearray) -> list[bytes]:
        """Take what is complete out of `heard`, do it, and answer."""

    def units(self, i: int) -> int:
        """Where servo `i` is."""
        sign, zero = self._mount(i)
        return round(zero + sign * self.world.encoder(i) / self.step)

    def speed(self, i: int) -> float:
        """The speed of servo `i`, units/s."""
        return self._mount(i)[0] * self.world.speed(i) / self.step

    def move(self, i: int, units: int, seconds: float) -> None:
        """Servo `i` goes to a position within some time, s."""
        sign, zero = self._mount(i)
        self.world.target(i, sign * (units - zero) * self.step, seconds, self.now)

    def _mount(self, i: int) -> tuple[int, int]:
        hidden = self.world.hidden
        return (hidden.sign[i] if hidden.sign else 1), (hidden.zero_units[i] if hidden.zero_units else self.middle)

    def _over_the_wire(self, answer: bytes) -> list[Said]:
        hidden = self.world.hidden
        if self._rng.uniform() < hidden.lost:
            return []
        if self._rng.uniform() < hidden.corrupted:
            spoilt = bytearray(answer)
            spoilt[int(self._rng.integers(len(spoilt)))] ^= 1 << int(self._rng.integers(8))
            answer = bytes(spoilt)
        return [(self._free, answer)]
