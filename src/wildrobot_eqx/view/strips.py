"""The page's strips as plain HTML and as series of numbers: nothing here knows of a browser."""

import html
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .session import Sample

_BAR = "#2e74e6"
_FULL = "#d64541"
_SANS = "ui-sans-serif,system-ui,sans-serif"
_STYLE = (
    f"font:12px/1.3 {_SANS};display:grid;"
    "grid-template-columns:minmax(0,9.5em) 1fr 5.2em;gap:3px 8px;align-items:center;padding:2px 4px"
)


def bars(rows: Sequence[tuple[str, float, float, str]], signed: bool = True) -> str:
    """A table of bars.

    Args:
        rows: a name, a value, the value of a full bar (no bar where it is not finite), and the value as a text.
        signed: whether bars begin in the middle.
    """
    return f'<div style="{_STYLE}">' + "".join(_bar(*row, signed) for row in rows) + "</div>"


def _bar(name: str, value: float, most: float, text: str, signed: bool) -> str:
    share = min(abs(value) / most, 1.0) if math.isfinite(most) and most > 0.0 and math.isfinite(value) else 0.0
    width = share * (50.0 if signed else 100.0)
    left = 0.0 if not signed else 50.0 - width if value < 0.0 else 50.0
    colour = _FULL if share > 0.95 and math.isfinite(most) else _BAR
    middle = '<i style="position:absolute;left:50%;top:0;bottom:0;width:1px;background:#0003"></i>' if signed else ""
    return (
        f'<span style="overflow:hidden;text-overflow:ellipsis;white-space:nowrap" title="{_safe(name)}">'
        f"{_safe(name)}</span>"
        '<span style="position:relative;height:9px;border-radius:3px;background:#8882;overflow:hidden">'
        f'<i style="position:absolute;top:0;bottom:0;left:{left:.1f}%;width:{width:.1f}%;background:{colour}"></i>'
        f"{middle}</span>"
        f'<span style="text-align:right;font-variant-numeric:tabular-nums">{_safe(text)}</span>'
    )


def torques(joints: Sequence[str], torque: NDArray[np.float64], limit: NDArray[np.float64]) -> str:
    """Each joint's torque against its limit."""
    texts = [f"{t:.2f}" if not math.isfinite(m) else f"{t:.2f}/{m:.3g}" for t, m in zip(torque, limit)]
    return bars([(n, float(t), float(m), text) for n, t, m, text in zip(joints, torque, limit, texts)])


def rewards(terms: Mapping[str, float]) -> str:
    """Each reward term, weighted and per second, and their sum."""
    most = max((abs(value) for value in terms.values()), default=1.0) or 1.0
    rows = [(name, value, most, f"{value:+.3f}") for name, value in sorted(terms.items(), key=lambda item: -item[1])]
    total = sum(terms.values())
    return bars([*rows, ("sum", total, math.inf, f"{total:+.3f}")])


def observation(parts: Mapping[str, NDArray[np.float32]]) -> str:
    """Each part of the observation, its numbers behind its name."""
    cells = "".join(
        f'<span style="color:#888;white-space:nowrap;overflow:hidden;text-overflow:ellipsis" title="{_safe(name)}">'
        f"{_safe(name)}</span><span>{' '.join(f'{value:+.2f}' for value in values.tolist())}</span>"
        for name, values in parts.items()
    )
    style = (
        "font:11.5px/1.35 ui-monospace,monospace;display:grid;grid-template-columns:9em 1fr;gap:2px 8px;padding:2px 4px"
    )
    return f'<div style="{style}">{cells}</div>'


def keys(rows: Sequence[tuple[str, str]]) -> str:
    """A table of keys and what they do."""
    cells = "".join(f"<kbd>{_safe(key)}</kbd><span>{_safe(does)}</span>" for key, does in rows)
    style = f"font:12.5px/1.5 {_SANS};display:grid;grid-template-columns:4.5em 1fr;gap:2px 8px;padding:2px 4px"
    return f'<div style="{style}">{cells}<span></span><span>The mouse moves the camera.</span></div>'


def line(text: str, warn: bool = False) -> str:
    """A line of text."""
    colour = "#d64541" if warn else "inherit"
    style = f"font:13px/1.4 {_SANS};padding:2px 4px;color:{colour}"
    return f'<div style="{style}">{_safe(text)}</div>'


def series(samples: Sequence[Sample], name: str) -> tuple[NDArray[np.float64], ...]:
    """Times (s, back from now), what was asked of a channel, and what was measured; the latter NaN where it was not."""
    if not samples:
        return np.zeros(1), np.zeros(1), np.full(1, np.nan)
    times = np.array([sample.time for sample in samples])
    asked = np.array([sample.asked.get(name, math.nan) for sample in samples])
    measured = np.array([sample.measured.get(name, math.nan) for sample in samples])
    return times - times[-1], asked, measured


def foot_series(samples: Sequence[Sample], feet: Sequence[str]) -> tuple[NDArray[np.float64], ...]:
    """Times (s, back from now), and the force (N) on each foot."""
    if not samples:
        return np.zeros(1), *(np.zeros(1) for _ in feet)
    times = np.array([sample.time for sample in samples])
    forces = [np.array([sample.feet.get(foot, 0.0) for sample in samples]) for foot in feet]
    return times - times[-1], *forces


def plain(name: str) -> str:
    """A name of a user's or a bundle's for a chart's labels: letters, digits and a few signs, the rest as `_`."""
    return re.sub(r"[^\w .,:/()+-]", "_", name)


def _safe(text: str) -> str:
    """Text of a user's or a bundle's, which must not become markup."""
    return html.escape(text, quote=True)
