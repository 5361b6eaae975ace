"""The view's server: viser behind one port, and the loop that steps, draws and waits."""

import contextlib
import errno
import io
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Iterator

import viser

from ..errors import WildRobotError
from .page import Page
from .session import Session

_log = logging.getLogger(__name__)

PORT = 8080
_TICK = 0.02  # s, of the loop
_FRAME = 0.05  # s, between pictures
_PANELS = 0.2  # s, between two states of the panels
_ALONE = 0.1  # s, of the loop while nobody looks
_TRIES = 20  # ports that are tried where the user names none


def is_local(host: str) -> bool:
    """Whether only this machine reaches a server there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def free_port(host: str, port: int | None) -> int:
    """The port, or where it is None the first free one from `PORT` on.

    Raises:
        WildRobotError: there is none, or this machine has no such address.
    """
    tried = range(PORT, PORT + _TRIES) if port is None else (port,)
    for one in tried:
        try:
            family = socket.getaddrinfo(host, one, type=socket.SOCK_STREAM)[0][0]
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, one))
            return one
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise WildRobotError(
                    f"Nothing can be served at {host!r}: {error.strerror}",
                    where="--host",
                    hint="127.0.0.1 for this machine alone, 0.0.0.0 for all that reach it",
                ) from error
    busy = f"port {port}" if port is not None else f"ports {PORT} to {PORT + _TRIES - 1}"
    raise WildRobotError(f"Something else listens on {busy}.", where="--port", hint="name another: --port 9000")


class _Server(viser.ViserServer):
    """viser's server, which never asks for a public address by way of viser's own site, whatever a page says."""

    def request_share_url(self, verbose: bool = True) -> str | None:
        return None


@contextlib.contextmanager
def opened(session: Session, host: str, port: int, title: str) -> Iterator[tuple[Page, Callable[[], int]]]:
    """The page of a session while it is served, and how many browsers look; `port` must be free."""
    with contextlib.redirect_stdout(io.StringIO()):  # its banner; who asks says the address
        server = _Server(host=host, port=port, verbose=False)
    try:
        yield Page(server, session, title), lambda: len(server.get_clients())
    finally:
        server.stop()


def serve(
    session: Session, page: Page, stop: threading.Event, watched: Callable[[], int], clock: Callable[[], float]
) -> None:
    """Step, draw and wait until `stop` is set; while nobody looks, time stands still.

    Args:
        session: what is stepped.
        page: what is drawn.
        stop: ends it.
        watched: how many browsers look.
        clock: s, on the wall.
    """
    last = frame = panels = clock()
    passed = 0.0  # s of the robots' time since the panels were last written
    while not stop.is_set():
        now = clock()
        if not watched():
            last = now
            session.advance(0.0)
            stop.wait(_ALONE)
            continue
        before = session.focused.steps
        session.advance(now - last)
        passed += (session.focused.steps - before) * session.focused.simulation.dt
        last = now
        if now - frame >= _FRAME:
            frame = max(frame + _FRAME, now - _FRAME)
            page.draw()
        if now - panels >= _PANELS:
            page.write(passed / (now - panels))
            panels, passed = now, 0.0
        stop.wait(max(0.0, _TICK - (clock() - now)))
