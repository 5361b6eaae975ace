"""A log's file: MCAP by the `mcap` library. What was written before a cut can be read."""

import contextlib
import importlib
import io
import json
import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import WildRobotError
from .cdr import Message, parse

_METADATA, _KEY = "wildrobot-eqx", "header"
_CHUNK = 32 * 1024  # bytes: a cut loses a third of a second
_FLUSH = 0.5  # s
_MAX_RECORD = 2**26  # bytes
_MAGIC = b"\x89MCAP0\r\n"


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise WildRobotError(
            "Logs need mcap, which is not installed.", where="import", hint='pip install "wildrobot-eqx[log]"'
        ) from error


class LogFile:
    """A new MCAP file of messages in CDR. Messages are on the disk half a second later, but for the newest 32 KiB.

    Args:
        path: of the file; there must be none.
        messages: kinds of message by topic.
        header: what the numbers mean, as JSON values.

    Raises:
        WildRobotError: the file exists or cannot be written, or `mcap` is not installed.
    """

    def __init__(self, path: Path, messages: Mapping[str, Message], header: Mapping[str, Any]):
        writer = _library("mcap.writer")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("xb")
        except FileExistsError as error:
            raise WildRobotError(f"{str(path)!r} exists already.", where="log", hint="name another file") from error
        except OSError as error:
            raise WildRobotError(
                f"The log cannot be written: {error.strerror or error}.",
                where=str(path),
                hint="name another file",
                exit_code=1,
            ) from error
        self._writer = writer.Writer(self._stream, chunk_size=_CHUNK, compression=writer.CompressionType.ZSTD)
        self._writer.start(profile="", library="wildrobot-eqx")
        self._writer.add_metadata(_METADATA, {_KEY: json.dumps(header)})
        self._channels = {}
        for topic, message in messages.items():
            schema = self._writer.register_schema(message.schema_name, "ros2msg", message.schema().encode())
            self._channels[topic] = self._writer.register_channel(topic, "cdr", schema)
        self._counts = dict.fromkeys(self._channels, 0)
        self._flushed = time.monotonic()
        self._stream.flush()

    @staticmethod
    def need() -> None:
        """See that `mcap` is there.

        Raises:
            WildRobotError: it is not installed.
        """
        _library("mcap.writer")

    def add(self, topic: str, stamp: int, data: bytes) -> None:
        """One message at `stamp`, ns since 1970.

        Raises:
            OSError: the disk is full, or gone.
        """
        self._counts[topic] += 1
        self._writer.add_message(self._channels[topic], stamp, data, stamp, self._counts[topic])
        if (now := time.monotonic()) - self._flushed > _FLUSH:
            self._stream.flush()
            self._flushed = now

    def close(self) -> None:
        """Write the index and end the file.

        Raises:
            OSError: the disk is full, or gone.
        """
        try:
            self._writer.finish()
        finally:
            self._stream.close()

    def give_up(self) -> None:
        """Close the file as it is; never raises."""
        with contextlib.suppress(OSError):
            self._stream.close()


def read_messages(path: Path) -> Iterator[tuple[str, Any]]:
    """What a file holds: ("header", dict) first, then (topic, values by field) in the order of the file.

    A file that was cut off ends with ("cut", text) instead of an error.

    Raises:
        WildRobotError: there is no such file, it is no log, or `mcap` is not installed.
    """
    reader, records = _library("mcap.stream_reader"), _library("mcap.records")
    errors = (
        *(_library("mcap.exceptions").McapError, _library("zstandard").ZstdError, struct.error, ValueError),
        *(EOFError, KeyError, RuntimeError, OSError, MemoryError),
    )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WildRobotError(
            f"The log cannot be read: {error.strerror or error}.", where=str(path), hint="an .mcap that --log wrote"
        ) from error
    if data[: len(_MAGIC)] != _MAGIC:
        raise not_ours(path, "it is no MCAP file")
    schemas: dict[int, Any] = {}
    channels: dict[int, tuple[str, Message]] = {}

    def item(record: Any) -> tuple[str, Any] | None:
        if isinstance(record, records.Schema):
            schemas[record.id] = record
        elif isinstance(record, records.Channel) and record.message_encoding == "cdr":
            schema = schemas[record.schema_id]
            channels[record.id] = (record.topic, parse(schema.name, schema.data.decode()))
        elif isinstance(record, records.Message) and record.channel_id in channels:
            topic, message = channels[record.channel_id]
            return topic, message.decode(record.data)
        elif isinstance(record, records.Metadata) and record.name == _METADATA:
            return "header", json.loads(record.metadata[_KEY])
        return None

    def single(stream: Iterator[Any]) -> Iterator[Any]:
        for record in stream:
            if not isinstance(record, records.Chunk):
                yield record
            elif record.uncompressed_size > _MAX_RECORD:
                raise ValueError(f"a chunk of {record.uncompressed_size} bytes")
            else:
                yield from reader.breakup_chunk(record, validate_crc=True)

    begun = False
    whole = reader.StreamReader(io.BytesIO(data), emit_chunks=True, record_size_limit=_MAX_RECORD)
    stream = single(iter(whole.records))
    while True:
        try:
            found = item(next(stream))
        except StopIteration:
            return
        except errors as error:
            if not begun:
                raise not_ours(path, "it ends before its header") from error
            yield "cut", str(error) or type(error).__name__
            return
        if found is not None:
            begun = begun or found[0] == "header"
            yield found


def not_ours(path: Path, why: str) -> WildRobotError:
    """A file that is no log of ours, and why."""
    return WildRobotError(f"This is no log of a robot: {why}.", where=str(path), hint="an .mcap that --log wrote")
