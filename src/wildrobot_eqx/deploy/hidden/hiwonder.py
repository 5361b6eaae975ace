"""Hiwonder's servos on the other end of a line."""

import math

from .lines import AbstractLine
from .world import World

_ALL = 254


class HiwonderLine(AbstractLine):
    """LX, HTD and HX servos: 0x55 0x55, id, length, command, parameters, complement of the sum."""

    step = math.radians(0.24)
    middle = 500
    pause = 0.0018

    def __init__(self, world: World, servos: list[int], baud: int, seed: int = 0):
        super().__init__(world, servos, baud, seed)
        self._waiting: dict[int, tuple[int, float]] = {}  # moves that wait for the start

    def obey(self, heard: bytearray) -> list[bytes]:
        said = []
        while (start := heard.find(b"\x55\x55")) >= 0 and len(heard) >= start + 4:
            length = heard[start + 3]
            if not 3 <= length <= 10:
                del heard[: start + 1]
                continue
            packet = bytes(heard[start : start + length + 3])
            if len(packet) < length + 3:
                break
            if packet[-1] != 255 - sum(packet[2:-1]) % 256:
                del heard[: start + 1]
                continue
            del heard[: start + length + 3]
            for id in list(self.at) if packet[2] == _ALL else [packet[2]]:
                if id in self.at:
                    answer = self._do(id, packet[4], packet[5:-1])
                    if answer is not None and packet[2] != _ALL:
                        said.append(_packet(id, packet[4], answer))
        return said

    def _do(self, id: int, command: int, data: bytes) -> bytes | None:
        i, world = self.at[id], self.world
        if command in (1, 7):
            units, milliseconds = (int.from_bytes(data[k : k + 2], "little") for k in (0, 2))
            if command == 1:
                self.move(i, units, milliseconds / 1e3)
            else:
                self._waiting[i] = (units, milliseconds / 1e3)
        elif command == 11 and i in self._waiting:
            self.move(i, *self._waiting.pop(i))
        elif command == 31:
            world.switch(i, bool(data[0]))
        elif command == 14:
            return bytes([id])
        elif command == 26:
            return bytes([round(world.temperature(i))])
        elif command == 27:
            return round(1000.0 * world.voltage).to_bytes(2, "little")
        elif command == 28:
            return self.units(i).to_bytes(2, "little", signed=True)
        elif command == 32:
            return bytes([int(world.loaded[i])])
        elif command == 36:
            return bytes([4 if world.stalled(i) else 0])
        return None


def _packet(id: int, command: int, data: bytes) -> bytes:
    body = bytes([id, len(data) + 3, command]) + data
    return b"\x55\x55" + body + bytes([255 - sum(body) % 256])
