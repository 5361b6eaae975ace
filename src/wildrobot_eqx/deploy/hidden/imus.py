"""A hidden robot's IMU as bytes: lines of text, or a BNO08x."""

import abc
import math
import struct

import numpy as np

from .world import World


class AbstractImuLine(abc.ABC):
    """An IMU that sends a reading now and then.

    Args:
        world: the robot.
        rate: of readings, Hz.
        seed: of the noise.
    """

    def __init__(self, world: World, rate: float = 100.0, seed: int = 0):
        self.world, self._period, self._next = world, 1.0 / rate, 0.0
        self._rng = np.random.default_rng(seed)

    @property
    def next(self) -> float:
        """When it sends next, s."""
        return self._next

    def say(self, now: float) -> bytes:
        """What it sends at `now`, if it is time."""
        if now < self._next - 1e-9:
            return b""
        self._next = max(self._next + self._period, now)
        quat, gyro, accel = self.world.imu()
        gyro = gyro + self._rng.normal(0.0, 0.002, 3)
        accel = accel + self._rng.normal(0.0, 0.02, 3)
        return self.message(quat.tolist(), gyro.tolist(), accel.tolist())

    @abc.abstractmethod
    def hear(self, data: bytes) -> None:
        """What somebody sends to it."""

    @abc.abstractmethod
    def message(self, quat: list[float], gyro: list[float], accel: list[float]) -> bytes:
        """A reading as bytes: w, x, y, z; rad/s; m/s^2."""


class TextLine(AbstractImuLine):
    """Lines of ten numbers and a checksum; w, x, y, z first, or x, y, z, w of a robot whose order is swapped."""

    def hear(self, data: bytes) -> None:
        """Nothing: it listens to nobody."""

    def message(self, quat: list[float], gyro: list[float], accel: list[float]) -> bytes:
        if self.world.hidden.swapped_imu:
            quat = [*quat[1:], quat[0]]
        body = ",".join(f"{number:.6f}" for number in (*quat, *gyro, *accel)).encode()
        check = 0
        for byte in body:
            check ^= byte
        return body + f"*{check:02X}\r\n".encode()


class BnoLine(AbstractImuLine):
    """A BNO08x in UART-SHTP mode: it sends the reports that it was asked for."""

    def __init__(self, world: World, rate: float = 100.0, seed: int = 0):
        super().__init__(world, rate, seed)
        self._asked: set[int] = set()
        self._heard, self._count = b"", 0

    def hear(self, data: bytes) -> None:
        *frames, self._heard = (self._heard + data).split(b"\x7e")
        for frame in frames:
            if not frame:
                continue
            body = bytearray()
            for i, byte in enumerate(frame):
                if byte != 0x7D:
                    body.append(byte ^ 0x20 if i and frame[i - 1] == 0x7D else byte)
            if len(body) == 22 and body[0] == 1 and body[3] == 2 and body[5] == 0xFD:
                self._asked.add(body[6])

    def message(self, quat: list[float], gyro: list[float], accel: list[float]) -> bytes:
        w, x, y, z = quat
        numbers = {8: ([x, y, z, w], 14), 2: (gyro, 9), 1: (accel, 8)}
        cargo = struct.pack("<Bi", 0xFB, 0)
        for report, (values, bits) in numbers.items():
            if report in self._asked:
                counts = [max(-32768, min(32767, round(value * 2**bits))) for value in values]
                cargo += struct.pack(f"<BBBB{len(counts)}h", report, self._count & 0xFF, 3, 0, *counts)
        if not self._asked or not math.isfinite(sum(quat)):
            return b""
        self._count += 1
        packet = struct.pack("<BHBB", 1, len(cargo) + 4, 3, self._count & 0xFF) + cargo
        stuffed = packet.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e")
        return b"\x7e" + stuffed + b"\x7e"
