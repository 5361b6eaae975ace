"""Messages as ROS 2 has them: schemas in its .msg language, data in CDR; with the standard library and NumPy.

Sources: "ROS 2 message definition format" (docs.ros.org), and "DDS-XTypes" 1.3, section 7.4.3, plain CDR (XCDR1),
little-endian: every number starts at a multiple of its size, counted from behind the four bytes of the header.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

PACKAGE = "wildrobot_eqx"
_HEADER = b"\x00\x01\x00\x00"  # plain CDR, little-endian
_KINDS: dict[str, np.dtype[Any]] = {
    "float64": np.dtype("<f8"),
    "float32": np.dtype("<f4"),
    "int32": np.dtype("<i4"),
    "uint32": np.dtype("<u4"),
    "uint8": np.dtype("u1"),
    "bool": np.dtype("?"),
}
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*\Z")
_LINE = re.compile(r"(?P<type>[\w/]+)(?:\[(?P<count>\d+)\])?\s+(?P<name>\w+)\Z")
_BETWEEN = "=" * 80


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a message: a number, a row of numbers, a text, or numbers that have names of their own."""

    name: str
    kind: str = "float64"  # of `_KINDS`, or "string"
    size: int | None = None  # numbers in a row; None: one
    names: tuple[str, ...] | None = None  # of float64 members, in order; then `size` is None
    about: str = ""  # unit and meaning, for people

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return len(self.names) if self.names is not None else 1 if self.size is None else self.size


@dataclasses.dataclass(frozen=True)
class Message:
    """A kind of message: its name and its fields, in the order of the bytes. Fields without numbers are left out."""

    name: str
    fields: tuple[Field, ...]

    @staticmethod
    def of(name: str, *fields: Field) -> "Message":
        """A message without the fields that hold nothing for this robot."""
        return Message(name, tuple(field for field in fields if field.count))

    @property
    def schema_name(self) -> str:
        """As a ROS 2 type."""
        return f"{PACKAGE}/msg/{self.name}"

    def schema(self) -> str:
        """The message and the groups of names in it, in the .msg language."""
        lines, groups = [], dict[str, tuple[str, ...]]()
        for i, field in enumerate(self.fields):
            kind = field.kind
            if field.names is not None:
                group = f"{self.name}{field.name.title().replace('_', '')}"
                group = f"{group}{i}" if group in groups else group
                groups[group] = field.names
                kind = f"{PACKAGE}/{group}"
            elif field.size is not None:
                kind = f"{kind}[{field.size}]"
            lines.append(f"{kind} {field.name}" + (f"  # {field.about}" if field.about else ""))
        for group, names in groups.items():
            lines += [_BETWEEN, f"MSG: {PACKAGE}/{group}", *(f"float64 {name}" for name in members(names))]
        return "\n".join(lines) + "\n"

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """The bytes of one message; of numbers that are not given, NaN or 0.

        Raises:
            ValueError: a field has another number of values.
        """
        data = bytearray()
        for field in self.fields:
            value = values.get(field.name)
            if field.kind == "string":
                text = ("" if value is None else str(value)).replace("\0", " ").encode()
                data += b"\0" * (-len(data) % 4) + (len(text) + 1).to_bytes(4, "little") + text + b"\0"
                continue
            dtype = _KINDS[field.kind]
            if value is None:
                numbers = np.full(field.count, np.nan if dtype.kind == "f" else 0, dtype)
            else:
                numbers = np.asarray(value, dtype).reshape(-1)
            if numbers.size != field.count:
                raise ValueError(f"{self.name}.{field.name} holds {field.count} numbers, got {numbers.size}")
            data += b"\0" * (-len(data) % dtype.itemsize) + numbers.tobytes()
        return _HEADER + bytes(data)

    def decode(self, data: bytes) -> dict[str, Any]:
        """The values by field: a text, or an array of `count` numbers.

        Raises:
            ValueError: these are not the bytes of such a message.
        """
        if data[:4] != _HEADER:
            raise ValueError(f"{self.name}: the data is no little-endian CDR")
        at, found = 0, dict[str, Any]()
        body = memoryview(data)[4:]
        for field in self.fields:
            dtype = np.dtype("<u4") if field.kind == "string" else _KINDS[field.kind]
            count = 1 if field.kind == "string" else field.count
            at += -at % dtype.itemsize
            end = at + count * dtype.itemsize
            if end > len(body):
                raise ValueError(f"{self.name}: the data ends within {field.name!r}")
            numbers = np.frombuffer(body[at:end], dtype)
            at = end
            if field.kind != "string":
                found[field.name] = numbers
                continue
            at += int(numbers[0])
            if at > len(body):
                raise ValueError(f"{self.name}: the data ends within {field.name!r}")
            found[field.name] = bytes(body[end : at - 1]).decode("utf-8", "replace")
        return found


def members(names: Sequence[str]) -> tuple[str, ...]:
    """Names as members of a message, which may hold letters, digits and underscores; two never become one."""
    found: list[str] = []
    for name in names:
        base = name if _NAME.match(name) else re.sub(r"\W", "_", f"n_{name}" if not name[:1].isalpha() else name)
        base = re.sub(r"[^a-zA-Z0-9_]", "_", base)
        again, other = base, 2
        while again in found:
            again, other = f"{base}_{other}", other + 1
        found.append(again)
    return tuple(found)


def parse(schema_name: str, text: str) -> Message:
    """The message of a schema in the .msg language, as far as `Message.schema` writes it; comments become `about`.

    Raises:
        ValueError: it is another language, or uses more of it.
    """
    sections = text.split(_BETWEEN + "\n")
    groups = {}
    for section in sections[1:]:
        first, _, rest = section.partition("\n")
        names = []
        for kind, count, name, _ in _lines(rest):
            if kind != "float64" or count is not None:
                raise ValueError(f"{schema_name}: a group holds {kind} {name}")
            names.append(name)
        groups[first.removeprefix("MSG: ").strip()] = tuple(names)
    fields = []
    for kind, count, name, about in _lines(sections[0]):
        if kind in groups and count is None:
            fields.append(Field(name, "float64", None, groups[kind], about))
        elif kind in _KINDS or (kind == "string" and count is None):
            fields.append(Field(name, kind, count, None, about))
        else:
            raise ValueError(f"{schema_name}: the field {name!r} is a {kind}, which this reader does not know")
    return Message(schema_name.rpartition("/")[2], tuple(fields))


def _lines(text: str) -> list[tuple[str, int | None, str, str]]:
    found = []
    for line in text.splitlines():
        code, _, about = line.partition("#")
        if not code.strip():
            continue
        match = _LINE.match(code.strip())
        if match is None:
            raise ValueError(f"{line!r} is no field of a message")
        count = match["count"]
        found.append((match["type"], None if count is None else int(count), match["name"], about.strip()))
    return found
