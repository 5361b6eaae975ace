"""Packets of the serial bus servo that the WildRobot carries: Hiwonder's (LewanSoul's) half-duplex protocol.

    0x55 0x55  id  length  command  parameters...  checksum

`length` counts itself, the command, the parameters and the checksum; the checksum is the
complement of the low byte of the sum of all that lies between the header and itself. Words are
little-endian. Source: "Bus Servo Communication Protocol", Hiwonder (LX, HTD and HX series).
"""

import dataclasses
from enum import IntEnum

HEADER = b"\x55\x55"
BROADCAST = 254  # every servo obeys, none answers
MAX_ID = 253
_LEAST, _MOST = 3, 10  # `length` of packets without parameters, and of the longest


class Command(IntEnum):
    """The number of a packet: what the servo has to do or to answer."""

    MOVE_TIME_WRITE = 1  # position (word), time (word, ms): go there now
    MOVE_TIME_WAIT_WRITE = 7  # the same, but wait for MOVE_START
    MOVE_START = 11
    MOVE_STOP = 12
    ID_READ = 14
    ANGLE_LIMIT_READ = 21  # two words
    TEMP_READ = 26  # byte, degrees Celsius
    VIN_READ = 27  # word, mV
    POS_READ = 28  # word, signed
    LOAD_OR_UNLOAD_WRITE = 31  # byte: 0 takes the torque off
    LOAD_OR_UNLOAD_READ = 32
    LED_ERROR_READ = 36  # byte of bits: 1 too hot, 2 voltage, 4 locked


@dataclasses.dataclass(frozen=True)
class Packet:
    """One packet, taken apart."""

    id: int
    command: int
    parameters: bytes

    def encode(self) -> bytes:
        """The bytes on the wire.

        Raises:
            ValueError: the id is none, or there are too many parameters.
        """
        if not 0 <= self.id <= BROADCAST:
            raise ValueError(f"a servo's id lies between 0 and {MAX_ID} (or is {BROADCAST}: all), got {self.id}")
        length = len(self.parameters) + _LEAST
        if length > _MOST:
            raise ValueError(f"a packet takes at most {_MOST - _LEAST} bytes of parameters, got {len(self.parameters)}")
        body = bytes((self.id, length, self.command)) + self.parameters
        return HEADER + body + bytes((checksum(body),))


def checksum(body: bytes) -> int:
    """The checksum of what lies between the header and itself."""
    return ~sum(body) & 0xFF


def word(value: int) -> bytes:
    """A word, low byte first.

    Raises:
        ValueError: it does not fit.
    """
    if not 0 <= value <= 0xFFFF:
        raise ValueError(f"a word lies between 0 and 65535, got {value}")
    return value.to_bytes(2, "little")


def signed_word(data: bytes) -> int:
    """A signed word: a servo pushed below its zero reads a negative position."""
    return int.from_bytes(data, "little", signed=True)


class Decoder:
    """Finds packets in a stream of bytes; noise and packets with a wrong checksum are passed over."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self.damaged = 0  # packets whose checksum was wrong

    def clear(self) -> None:
        """Forget what has been fed."""
        self._pending.clear()

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that are complete now, in order."""
        self._pending += data
        found: list[Packet] = []
        while (start := self._pending.find(HEADER)) >= 0:
            del self._pending[:start]
            if len(self._pending) < 4:
                return found
            length = self._pending[3]
            if not _LEAST <= length <= _MOST or self._pending[2] > BROADCAST:
                del self._pending[:1]  # no header, just two bytes alike
                continue
            end = length + 3
            if len(self._pending) < end:
                return found
            body = bytes(self._pending[2 : end - 1])
            if checksum(body) == self._pending[end - 1]:
                found.append(Packet(body[0], body[2], body[3:]))
                del self._pending[:end]
            else:
                self.damaged += 1
                del self._pending[:1]
        del self._pending[:-1]  # half a header may be the last byte
        return found
