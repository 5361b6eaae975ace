"""Servos on the other end of a serial line: a pseudo-terminal, and a thread that answers as they do."""

import os
import select
import threading
import tty

from wildrobot_eqx.deploy.hardware.packets import BROADCAST, Command, Decoder, Packet, word


class FakeServos:
    """Some servos on one bus. What goes wrong is set from outside.

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
        decoder = Decoder()
        while True:
            ready, _, _ = select.select([self._master, self._stop], [], [])
            if self._stop in ready:
                return
            data = os.read(self._master, 4096)
            if self.echo:
                os.write(self._master, data)
            for packet in decoder.feed(data):
                self.heard.append(packet)
                answer = self._obey(packet)
                if answer is not None:
                    os.write(self._master, self.noise + answer)

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
