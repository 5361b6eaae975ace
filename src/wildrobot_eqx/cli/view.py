"""`view`: robots in a page of the browser, steered by hand."""

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..errors import WildRobotError, nearest
from ..paths import data_dir
from .bundles import Signer, play
from .shared import PROGRAM, Trust

_log = logging.getLogger(__name__)
HOST = "127.0.0.1"
SideBySide = Annotated[bool, typer.Option("--side-by-side", help="Show every policy on a robot of its own.")]
Port = Annotated[
    int | None, typer.Option(min=1, max=65535, help="The page's port.", show_default="the first free one from 8080")
]
Host = Annotated[str, typer.Option(help="The address to listen at: 127.0.0.1 is this machine alone.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Print the address only.")]
_LOOK = 1.0  # s, between two looks for a first checkpoint


def view(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|BUNDLE|ROBOT|RECIPE...",
            help="What to show; policies of one robot can be switched between.",
            show_default=False,
        ),
    ],
    side_by_side: SideBySide = False,
    port: Port = None,
    host: Host = HOST,
    no_browser: NoBrowser = False,
    signer: Signer = None,
    trust: Trust = False,
) -> None:
    """Show robots in a page of the browser: steer, push, change the world, watch every signal. Ctrl-C ends it.

    A name stands for a run, a bundle, a robot or a recipe, in this order; say robot:NAME or recipe:NAME where it could
    be both. Recipes, and those of runs, are executed; bundles and robots are data.
    """
    need_view()
    _show(sources, side_by_side, port, host, no_browser, signer, trust)


def demo(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Which of them.", show_default="all")
    ] = None,
    film: Annotated[Path | None, typer.Option(help="Film the first instead, into an .mp4.")] = None,
    side_by_side: SideBySide = False,
    port: Port = None,
    host: Host = HOST,
    no_browser: NoBrowser = False,
) -> None:
    """Steer a policy that ships with the package: nothing is trained, and JAX is not needed.

    Demos of one robot are policies to switch between, the first at first.
    """
    found = {path.stem: path for path in sorted(data_dir("demos").glob("*.zip"), key=_first)}
    for name in names or ():
        if name not in found:
            raise WildRobotError(f"There is no demo {name!r}.", where="demo", hint=nearest(name, found))
    chosen = [found[name] for name in names or found]
    if film is not None:
        play(chosen[0], ask=None, seconds=10.0, video=film, force=False, signer=None)
        return
    need_view()
    _show([f"bundle:{path}" for path in chosen], side_by_side, port, host, no_browser)


def _first(path: Path) -> tuple[bool, str]:
    """A key to sort by: `walk` comes first."""
    return path.stem != "walk", path.stem


def _show(
    sources: Sequence[str],
    side_by_side: bool,
    port: int | None,
    host: str,
    no_browser: bool,
    signer: str | None = None,
    trust: bool = False,
) -> None:
    """Open and serve the sources until Ctrl-C."""
    from ..view.opening import open_simulation
    from ..view.serve import free_port, is_local, opened, serve
    from ..view.stage import arrange

    port = free_port(host, port)
    if not is_local(host):
        _log.warning(f"Whoever reaches {host}, port {port}, can steer this view: nobody is asked for a password.")
    session = arrange([open_simulation(source, trust, signer) for source in sources], side_by_side)
    here = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    address = f"http://{here}:{port}"
    with opened(session, host, port, PROGRAM) as (page, watched):
        _log.info(f"{address} (Ctrl-C ends it)")
        if not no_browser and _has_screen():
            webbrowser.open(address)
        with contextlib.suppress(KeyboardInterrupt):
            serve(session, page, threading.Event(), watched, time.monotonic)


def _has_screen() -> bool:
    """A browser that is opened can be seen: without a screen a text browser would take the terminal."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def need_view() -> None:
    """Refuse to go on without the `view` extra.

    Raises:
        WildRobotError: it is not installed.
    """
    from ..deploy.bundle.extra import require

    for library in ("viser", "mjviser"):
        require(library, "view", "Live views")


@contextlib.contextmanager
def beside(run: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """Meanwhile a view of a run, in a process of its own, from the moment on that it is `ready`."""
    over, views = threading.Event(), []

    def wait() -> None:
        while not over.wait(_LOOK):
            if ready():
                views.append(subprocess.Popen([sys.executable, "-m", __package__, "view", f"run:{run}"]))
                return

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    try:
        yield
    finally:
        over.set()
        waiting.join()
        for one in views:
            one.terminate()
            one.wait()
            _log.info(f"the view has ended with the training; open it again: {PROGRAM} view {run}")
