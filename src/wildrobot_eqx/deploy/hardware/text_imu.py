"""A generic IMU: a microcontroller that prints a line of numbers for each reading."""

import math
from collections.abc import Sequence

from ...errors import WildRobotError, nearest
from .imu import AbstractImu, ImuReading
from .port import AbstractPort

COLUMNS = ("qw", "qx", "qy", "qz", "gx", "gy", "gz", "ax", "ay", "az")
_LONGEST = 512  # bytes of a line
_UNIT = 0.05  # how far from 1 the length of a quaternion may be


class TextImu(AbstractImu):
    """Reads lines such as `1.0,0.0,0.0,0.0,0.01,-0.02,0.00,0.1,0.0,9.8*5A`.

    Columns are separated by commas or blanks. Behind a `*` may stand the exclusive or of all bytes before it, as two
    hexadecimal digits, as NMEA 0183 has it; a line whose checksum is wrong is passed over.

    Args:
        port: where the lines come from.
        columns: what each number is, of `COLUMNS`, or "-" for one that means nothing.
        degrees: whether the gyro's numbers are degrees per second, not rad/s.
        g: whether the accelerometer's numbers are multiples of gravity, not m/s^2.
        checksum: pass over lines without a checksum, too.

    Raises:
        WildRobotError: a column is not known, or a sensor lacks one of its columns.
    """

    def __init__(
        self,
        port: AbstractPort,
        columns: Sequence[str] = COLUMNS,
        *,
        degrees: bool = False,
        g: bool = False,
        checksum: bool = False,
    ):
        for name in columns:
            if name not in (*COLUMNS, "-"):
                raise WildRobotError(
                    f"An IMU has no column {name!r}.", where="imu, columns", hint=nearest(name, [*COLUMNS, "-"])
                )
        self._places = {name: i for i, name in enumerate(columns) if name != "-"}
        for kind in ("qwxyz", "gxyz", "axyz"):
            names = [kind[0] + axis for axis in kind[1:]]
            if 0 < sum(name in self._places for name in names) < len(names):
                raise WildRobotError(
                    f"The IMU gives only some of {', '.join(names)}.", where="imu, columns", hint="name all, or none"
                )
        self._port, self._width = port, len(columns)
        self._turn = math.pi / 180.0 if degrees else 1.0
        self._pull = 9.80665 if g else 1.0
        self._checked = checksum
        self._pending = b""
        self._reading: ImuReading | None = None
        self.damaged = 0

    def read(self) -> ImuReading | None:
        while data := self._port.read(0.0):
            self._pending += data
        *lines, self._pending = self._pending.split(b"\n")
        self._pending = self._pending[-_LONGEST:]
        for line in lines:
            if (text := line.strip()) and not self._take(text):
                self.damaged += 1
        return self._reading

    def close(self) -> None:
        self._port.close()

    def _take(self, line: bytes) -> bool:
        """One line; whether it is one."""
        body, star, given = line.partition(b"*")
        if star or self._checked:
            wanted = 0
            for byte in body:
                wanted ^= byte
            try:
                if int(given, 16) != wanted:
                    return False
            except ValueError:
                return False
        try:
            numbers = [float(part) for part in body.replace(b",", b" ").split()]
        except ValueError:
            return False
        if len(numbers) != self._width or not all(math.isfinite(number) for number in numbers):
            return False
        quat = self._of("qwxyz", numbers)
        if quat is not None and abs(math.hypot(*quat) - 1.0) > _UNIT:
            return False
        gyro, accel = self._of("gxyz", numbers), self._of("axyz", numbers)
        self._reading = ImuReading(
            self._port.now(),
            None if quat is None else (quat[0], quat[1], quat[2], quat[3]),
            None if gyro is None else (self._turn * gyro[0], self._turn * gyro[1], self._turn * gyro[2]),
            None if accel is None else (self._pull * accel[0], self._pull * accel[1], self._pull * accel[2]),
        )
        return True

    def _of(self, kind: str, numbers: Sequence[float]) -> list[float] | None:
        names = [kind[0] + axis for axis in kind[1:]]
        return [numbers[self._places[name]] for name in names] if names[0] in self._places else None
