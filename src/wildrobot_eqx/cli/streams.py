"""Standard streams that are closed, that cannot hold every character, or that nobody reads any more."""

import contextlib
import io
import os
import sys


def prepare() -> None:
    """Before a command: no file takes the place of a closed stream, and every character can be printed.

    A library that prints past Python to descriptor 1 would write into whatever file had been given that number. What a
    terminal cannot show is printed as an escape, such as \\u2013.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it is given the lowest number that is free: this one
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - for as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # it may be another's
            stream.reconfigure(errors="backslashreplace")


def close(status: int) -> int:
    """After a command: write what is left; returns its exit status, 1 where that cannot be.

    Python would write it while it ends, and print a message of its own where nobody reads.
    """
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.stdout.flush()
        return status or 1
    return status
