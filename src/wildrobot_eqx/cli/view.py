"""`view`: robots in a page of the browser, steered by hand."""

import contextlib
import logging
import threading
import time
import webbrowser
from typing import Annotated

import typer

from .bundles import Signer
from .shared import PROGRAM, Trust

_log = logging.getLogger(__name__)


def view(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|BUNDLE|ROBOT|RECIPE...",
            help="What to show; policies of one robot can be switched between.",
            show_default=False,
        ),
    ],
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Show every policy on a robot of its own.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The page's port.", show_default="the first free one from 8080")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen at: 127.0.0.1 is this machine alone.")] = "127.0.0.1",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address only.")] = False,
    signer: Signer = None,
    trust: Trust = False,
) -> None:
    """Show robots in a page of the browser: steer, push, change the world, watch every signal. Ctrl-C ends it.

    A name stands for a run, a bundle, a robot or a recipe, in this order; say robot:NAME or recipe:NAME where it could
    be both. Recipes, and those of runs, are executed; bundles and robots are data.
    """
    from ..deploy.bundle.extra import require

    for library in ("viser", "mjviser"):
        require(library, "view", "Live views")
    from ..view.opening import open_simulation
    from ..view.serve import free_port, is_local, opened, serve
    from ..view.stage import arrange

    port = free_port(host, port)
    if not is_local(host):
        _log.warning(f"Whoever reaches {host}:{port} can steer this view: nobody is asked for a password.")
    session = arrange([open_simulation(source, trust, signer) for source in sources], side_by_side)
    address = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"
    with opened(session, host, port, PROGRAM) as (page, watched):
        _log.info(f"{address} (Ctrl-C ends it)")
        if not no_browser:
            webbrowser.open(address)
        with contextlib.suppress(KeyboardInterrupt):
            serve(session, page, threading.Event(), watched, time.monotonic)
