"""Servos with a memory table: Dynamixel's protocol 2.0 and Feetech's, on the other end of a line."""

import math

from .lines import AbstractLine

_ALL = 254


class DynamixelLine(AbstractLine):
    """X servos: 0xFF 0xFF 0xFD 0x00, id, length, instruction, parameters, CRC-16 (polynomial 0x8005)."""

    step = 2.0 * math.pi / 4096.0
    middle = 2048
    pause = 0.0003
    model = 1200  # XL330-M288

    def obey(self, heard: bytearray) -> list[bytes]:
        said: list[bytes] = []
        while (start := heard.find(b"\xff\xff\xfd\x00")) >= 0 and len(heard) >= start + 7:
            end = start + 7 + int.from_bytes(heard[start + 5 : start + 7], "little")
            if len(heard) < end:
                break
            packet = bytes(heard[start:end])
            del heard[:end]
            if crc16(packet[:-2]) == int.from_bytes(packet[-2:], "little"):
                data = packet[8:-2].replace(b"\xff\xff\xfd\xfd", b"\xff\xff\xfd")
                said += self._do(packet[4], packet[7], data)
        return said

    def _do(self, id: int, instruction: int, data: bytes) -> list[bytes]:
        if instruction == 0x01:
            ids = list(self.at) if id == _ALL else [id]
            return [_status(one, self.model.to_bytes(2, "little") + b"\x2e") for one in ids if one in self.at]
        if instruction == 0x02 and id in self.at:
            address, size = (int.from_bytes(data[k : k + 2], "little") for k in (0, 2))
            return [_status(id, self._read(self.at[id], address, size))]
        if instruction == 0x82:
            address, size = (int.from_bytes(data[k : k + 2], "little") for k in (0, 2))
            return [_status(one, self._read(self.at[one], address, size)) for one in data[4:] if one in self.at]
        if instruction == 0x03:
            address = int.from_bytes(data[:2], "little")
            for one in list(self.at) if id == _ALL else [id]:
                if one in self.at:
                    self._write(self.at[one], address, data[2:])
            return [_status(id, b"")] if id in self.at else []
        if instruction == 0x83:
            address, size = (int.from_bytes(data[k : k + 2], "little") for k in (0, 2))
            for k in range(4, len(data), 1 + size):
                if data[k] in self.at:
                    self._write(self.at[data[k]], address, data[k + 1 : k + 1 + size])
        return []

    def _write(self, i: int, address: int, data: bytes) -> None:
        if address == 64:
            self.world.switch(i, bool(data[0]))
        elif address == 116:
            self.move(i, int.from_bytes(data[:4], "little", signed=True), 0.0)

    def _read(self, i: int, address: int, size: int) -> bytes:
        world, table = self.world, bytearray(256)
        table[64] = int(world.loaded[i])
        table[70] = 32 if world.stalled(i) else 0
        table[126:128] = round(1000.0 * world.load(i)).to_bytes(2, "little", signed=True)
        rpm = self.speed(i) * self.step / (2.0 * math.pi) * 60.0
        table[128:132] = round(rpm / 0.229).to_bytes(4, "little", signed=True)
        table[132:136] = self.units(i).to_bytes(4, "little", signed=True)
        table[144:146] = round(10.0 * world.voltage).to_bytes(2, "little")
        table[146] = round(world.temperature(i))
        return bytes(table[address : address + size])


class FeetechLine(AbstractLine):
    """STS servos: 0xFF 0xFF, id, length, instruction, parameters, complement of the sum."""

    step = 2.0 * math.pi / 4096.0
    middle = 2048
    pause = 0.0003
    model = 777  # STS3215

    def obey(self, heard: bytearray) -> list[bytes]:
        said: list[bytes] = []
        while (start := heard.find(b"\xff\xff")) >= 0 and len(heard) >= start + 4:
            end = start + 4 + heard[start + 3]
            if len(heard) < end:
                break
            packet = bytes(heard[start:end])
            if packet[2] == 0xFF or packet[-1] != 255 - sum(packet[2:-1]) % 256:
                del heard[: start + 1]
                continue
            del heard[:end]
            said += self._do(packet[2], packet[4], packet[5:-1])
        return said

    def _do(self, id: int, instruction: int, data: bytes) -> list[bytes]:
        if instruction == 1 and id in self.at:
            return [_answer(id, b"")]
        if instruction == 2 and id in self.at:
            return [_answer(id, self._read(self.at[id], data[0], data[1]))]
        if instruction == 0x82:
            return [_answer(one, self._read(self.at[one], data[0], data[1])) for one in data[2:] if one in self.at]
        if instruction == 3:
            for one in list(self.at) if id == _ALL else [id]:
                if one in self.at:
                    self._write(self.at[one], data[0], data[1:])
            return [_answer(id, b"")] if id in self.at else []
        if instruction == 0x83:
            for k in range(2, len(data), 1 + data[1]):
                if data[k] in self.at:
                    self._write(self.at[data[k]], data[0], data[k + 1 : k + 1 + data[1]])
        return []

    def _write(self, i: int, address: int, data: bytes) -> None:
        if address == 40:
            self.world.switch(i, bool(data[0]))
        elif address == 42:
            self.move(i, int.from_bytes(data[:2], "little"), int.from_bytes(data[2:4], "little") / 1e3)

    def _read(self, i: int, address: int, size: int) -> bytes:
        world, table = self.world, bytearray(128)
        table[3:5] = self.model.to_bytes(2, "little")
        table[40] = int(world.loaded[i])
        table[56:58] = _signed(self.units(i), 15)
        table[58:60] = _signed(round(self.speed(i)), 15)
        table[60:62] = _signed(round(1000.0 * world.load(i)), 10)
        table[62] = round(10.0 * world.voltage)
        table[63] = round(world.temperature(i))
        table[65] = 32 if world.stalled(i) else 0
        return bytes(table[address : address + size])


def crc16(data: bytes) -> int:
    """CRC-16 of Dynamixel's protocol 2.0: polynomial 0x8005, first bit first, from 0."""
    value = 0
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x8005 if value & 0x8000 else value << 1) & 0xFFFF
    return value


def _status(id: int, data: bytes) -> bytes:
    body = (b"\x55\x00" + data).replace(b"\xff\xff\xfd", b"\xff\xff\xfd\xfd")
    packet = b"\xff\xff\xfd\x00" + bytes([id]) + (len(body) + 2).to_bytes(2, "little") + body
    return packet + crc16(packet).to_bytes(2, "little")


def _answer(id: int, data: bytes) -> bytes:
    body = bytes([id, len(data) + 2, 0]) + data
    return b"\xff\xff" + body + bytes([255 - sum(body) % 256])


def _signed(value: int, bit: int) -> bytes:
    return (abs(value) | (1 << bit if value < 0 else 0)).to_bytes(2, "little")
