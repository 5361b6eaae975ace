"""Hillcrest's (CEVA's) BNO080, BNO085 and BNO086 on a serial line, by SHTP over UART.

A frame is 0x7E, the protocol (1: SHTP), its bytes, 0x7E; within it 0x7D and a byte stand for that byte xor 0x20. An
SHTP packet is its length with the header (a word, whose top bit says that it goes on), channel, sequence number, and
the cargo. Sources: "BNO08X Data Sheet", section 1.2.3.1; "Sensor Hub Transport Protocol", 1000-3535; "SH-2 Reference
Manual", 1000-3625.
"""

import math
import struct

from .imu import AbstractImu, ImuReading
from .port import AbstractPort

FLAG, ESCAPE, SHTP = 0x7E, 0x7D, 0x01
CONTROL, REPORTS, WAKE_REPORTS = 2, 3, 4  # channels
SET_FEATURE, BASE_TIME, REBASE = 0xFD, 0xFB, 0xFA
ACCEL, GYRO, ROTATION, GAME_ROTATION = 0x01, 0x02, 0x05, 0x08
LENGTHS = {ACCEL: 10, GYRO: 10, ROTATION: 14, GAME_ROTATION: 12, BASE_TIME: 5, REBASE: 5}
_Q = {ACCEL: 2.0**-8, GYRO: 2.0**-9, ROTATION: 2.0**-14, GAME_ROTATION: 2.0**-14}  # of one count
_TICK = 1e-4  # s, of a delay
_AGAIN = 1.0  # s of silence after which it is asked for its reports again
_LONGEST = 1024  # bytes of a frame


class Bno08x(AbstractImu):
    """A BNO08x in UART-SHTP mode (PS1 high, PS0 low; 3,000,000 baud).

    It gives orientation (the game rotation vector, which no magnet disturbs), gyro and accelerometer, each as often
    as asked for. It sends quaternions as x, y, z, w; `read` gives w, x, y, z. SHTP has no checksum: what is no frame or
    no quaternion is passed over and counted. An IMU that was switched off and on is asked again after a second.

    Args:
        port: the line.
        rate: of the reports, Hz.
    """

    def __init__(self, port: AbstractPort, rate: float = 100.0):
        self._port, self._interval = port, round(1e6 / rate)
        self._frame: bytearray | None = None
        self._escaped = False
        self._values: dict[int, tuple[float, tuple[float, ...]]] = {}
        self._sequence = 0
        self._heard = -math.inf
        self.damaged = 0

    def read(self) -> ImuReading | None:
        while data := self._port.read(0.0):
            for frame in self._frames(data):
                self._take(frame, self._port.now())
        if self._port.now() - self._heard > _AGAIN:
            self._heard = self._port.now()
            self._ask()
        wanted = (GAME_ROTATION, GYRO, ACCEL)
        if any(report not in self._values for report in wanted):
            return None
        (t0, quat), (t1, gyro), (t2, accel) = (self._values[report] for report in wanted)
        x, y, z, w = quat
        return ImuReading(min(t0, t1, t2), (w, x, y, z), (gyro[0], gyro[1], gyro[2]), (accel[0], accel[1], accel[2]))

    def close(self) -> None:
        self._port.close()

    def _ask(self) -> None:
        """Ask for the three reports."""
        for report in (GAME_ROTATION, GYRO, ACCEL):
            cargo = struct.pack("<BBBHIII", SET_FEATURE, report, 0, 0, self._interval, 0, 0)
            header = struct.pack("<HBB", len(cargo) + 4, CONTROL, self._sequence & 0xFF)
            self._sequence += 1
            self._port.write(framed(header + cargo))

    def _frames(self, data: bytes) -> list[bytes]:
        """The frames that are complete now, without flags and escapes."""
        found = []
        for byte in data:
            if byte == FLAG:
                if self._frame:
                    found.append(bytes(self._frame))
                self._frame, self._escaped = bytearray(), False
            elif self._frame is not None:
                if byte == ESCAPE and not self._escaped:
                    self._escaped = True
                    continue
                self._frame.append(byte ^ 0x20 if self._escaped else byte)
                self._escaped = False
                if len(self._frame) > _LONGEST:
                    self._frame = None
                    self.damaged += 1
        return found

    def _take(self, frame: bytes, now: float) -> None:
        if frame[0] != SHTP:
            return  # how much room it has for more
        if len(frame) < 5 or struct.unpack_from("<H", frame, 1)[0] & 0x7FFF != len(frame) - 1:
            self.damaged += 1
            return
        if frame[3] not in (REPORTS, WAKE_REPORTS):
            return
        cargo, base = frame[5:], 0.0
        while cargo:
            size = LENGTHS.get(cargo[0])
            if size is None or len(cargo) < size:
                self.damaged += 1
                return
            report, cargo = cargo[:size], cargo[size:]
            if report[0] in (BASE_TIME, REBASE):
                base = struct.unpack_from("<i", report, 1)[0] * _TICK
                continue
            count = 4 if report[0] in (ROTATION, GAME_ROTATION) else 3
            numbers = struct.unpack_from(f"<{count}h", report, 4)
            values = tuple(_Q[report[0]] * number for number in numbers)
            if count == 4 and abs(math.hypot(*values) - 1.0) > 0.05:
                self.damaged += 1
                continue
            delay = ((report[2] >> 2) << 8 | report[3]) * _TICK
            self._values[report[0]] = (now - min(max(base - delay, 0.0), 0.1), values)
            self._heard = now


def framed(packet: bytes) -> bytes:
    """An SHTP packet as a frame on the wire."""
    body = bytearray()
    for byte in bytes((SHTP,)) + packet:
        body += bytes((ESCAPE, byte ^ 0x20)) if byte in (FLAG, ESCAPE) else bytes((byte,))
    return bytes((FLAG,)) + bytes(body) + bytes((FLAG,))
