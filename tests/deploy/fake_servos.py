"""Servos on the other end of a line: a pseudo-terminal with a thread that answers, or a line that needs no time."""

import os
import select
import threading
import tty

from wildrobot_eqx.deploy.hardware.packets import BROADCAST, Command, Decoder, Packet, word
from wildrobot_eqx.deploy.hardware.port import AbstractPort


class Clock:
    """Time that the test moves on."""

    def __init__(self):
        self.now = 10.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Servos:
    """Some servos: what they do and answer. What goes wrong is set from outside.

    `silent` ids do not answer, `corrupt` answers have a wrong checksum, `noise` comes before
    each answer, `echo` sends back what it hears, as an adapter with both wires tied together
    does, and the first `deaf` questions are lost.
    """

    def __init__(self, positions: dict[int, int]):
        self.positions, self.waiting, self.times = dict(positions), dict[int, int](), dict[int, int]()
        self.loaded = dict.fromkeys(positions, True)
        self.silent: set[int] = set()
        self.corrupt = self.echo = False
        self.noise = b""
        self.deaf = 0
        self.heard: list[Packet] = []
        self._decoder = Decoder()

    def take(self, data: bytes) -> bytes:
        """Obey what came over the line; what they say to it."""
        said = data if self.echo else b""
        for packet in self._decoder.feed(data):
            self.heard.append(packet)
            answer = self._obey(packet)
            if answer is not None:
                said += self.noise + answer
        return said

    def _obey(self, packet: Packet) -> bytes | None:
        ids = list(self.positions) if packet.id == BROADCAST else [packet.id]
        for id in ids:
            if id in self.positions:
                self._do(id, packet)
        ask = {
            Command.POS_READ: lambda id: self.positions[id].to_bytes(2, "little", signed=True),
            Command.VIN_READ: lambda id: word(11_100),
            Command.TEMP_READ: lambda id: bytes([41]),
            Command.LED_ERROR_READ: lambda id: bytes([0b101]),
        }
        if packet.command not in ask or packet.id not in self.positions or packet.id in self.silent:
            return None
        if self.deaf > 0:
            self.deaf -= 1
            return None
        answer = Packet(packet.id, packet.command, ask[packet.command](packet.id)).encode()
        return answer[:-1] + bytes([answer[-1] ^ 0xFF]) if self.corrupt else answer

    def _do(self, id: int, packet: Packet) -> None:
        data = packet.parameters
        if packet.command == Command.MOVE_TIME_WRITE:
            self.positions[id], self.times[id] = (int.from_bytes(data[i : i + 2], "little") for i in (0, 2))
        elif packet.command == Command.MOVE_TIME_WAIT_WRITE:
            self.waiting[id], self.times[id] = (int.from_bytes(data[i : i + 2], "little") for i in (0, 2))
        elif packet.command == Command.MOVE_START:
            self.positions[id] = self.waiting.pop(id, self.positions[id])
        elif packet.command == Command.LOAD_OR_UNLOAD_WRITE:
            self.loaded[id] = bool(data[0])


class Line(AbstractPort):
    """A port whose servos answer at once; a read that finds nothing waits its whole time on the test's own clock."""

    def __init__(self, servos: Servos, clock: Clock):
        self._servos, self._clock, self._said = servos, clock, b""

    def now(self) -> float:
        return self._clock()

    def write(self, data: bytes) -> None:
        self._said += self._servos.take(data)

    def read(self, timeout: float) -> bytes:
        if not self._said:
            self._clock.sleep(timeout)
        said, self._said = self._said, b""
        return said

    def discard(self) -> None:
        self._said = b""

    def close(self) -> None:
        pass


class ServoLine:
    """Servos on a pseudo-terminal, and the thread that carries bytes between the two."""

    def __init__(self, servos: Servos):
        self._servos = servos
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._stop, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.write(self._wake, b"x")
        self._thread.join(5.0)
        for file in (self._master, self._slave, self._stop, self._wake):
            os.close(file)

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._stop], [], [])
            if self._stop in ready:
                return
            said = self._servos.take(os.read(self._master, 4096))
            if said:
                os.write(self._master, said)
