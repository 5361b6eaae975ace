"""The parts of a page that holds everything: its style, escaped text, and files as data."""

import base64
import html
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: #fff; color: #1b2a3a;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.5rem; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #d8dee4; padding-bottom: .25rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
.verdict { border-left: .4rem solid; padding: .5rem 1rem; background: #f4f7fa; }
.passed { border-color: #1e8449; } .failed { border-color: #c0392b; } .unknown { border-color: #8795a1; }
.verdict strong { font-size: 1.2rem; }
.verdict ul { margin: .25rem 0; padding-left: 1.2rem; }
img, video { display: block; max-width: 100%; height: auto; }
video { width: 100%; max-width: 40rem; background: #dde5ec; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid #e6ebf0; text-align: right; white-space: nowrap; }
th:first-child { position: sticky; left: 0; background: #fff; }
th[scope=row], .limit { text-align: left; font-weight: normal; }
.limit, .note { color: #56646f; }
td.passed { background: #d5f0dd; } td.failed { background: #f6c6c0; font-weight: bold; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .85rem; }
dt { color: #56646f; } dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 0; } .wide { grid-column: 1 / -1; } figcaption { font-weight: bold; }
pre { overflow-x: auto; font-size: .8rem; line-height: 1.35; background: #f4f7fa; padding: .5rem; }
"""

_POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"


def text(value: Any) -> str:
    """Anything as escaped text."""
    return html.escape(str(value), quote=True)


def data(path: Path, kind: str) -> str:
    """A file as a URL that holds it."""
    try:
        content = path.read_bytes()
    except OSError:  # it is there, and may not be read: an empty picture says so
        content = b""
    return encoded(content, kind)


def encoded(content: bytes, kind: str) -> str:
    """Bytes as a URL that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def image(path: Path, alt: str) -> str:
    """A PNG file as an element."""
    return f'<img alt="{text(alt)}" src="{data(path, "image/png")}">'


def page(title: str, body: Iterable[str]) -> str:
    """A whole page; `body` is HTML, line by line."""
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            f"<title>{text(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{text(title)}</h1>",
            *body,
            "</body></html>\n",
        )
    )
