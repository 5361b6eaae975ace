"""Motions that tell a robot's parameters apart: steps, chirps and squats within safe limits."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..bundle.contract import Contract

Motion = Callable[[float], NDArray[np.float32]]  # of the time since it began, s: targets
_REST, _SQUAT, _CHIRP = 1.0, 8.0, 12.0  # s
_STEP = 1.0  # s, of a step there and of one back
_SLOWEST, _FASTEST = 0.3, 4.0  # Hz, of a chirp
_SQUAT_DEPTH = 0.25  # share of the home pose
_PACE = 0.5  # share of the no-load speed that a target moves with at most


def excitation(contract: Contract, amplitude: float, seconds: float) -> Motion:
    """Rest, squats, a step of every joint and a chirp of every joint, again and again for `seconds`, about home.

    The home pose stands on bent knees: a squat goes along the line from straight joints to it, by a quarter of it to
    either side. Every joint steps by `amplitude`, one after the other. Then all of them sweep through frequencies
    together with a third of the amplitude, every other one from the fast end, each begun at another phase, so that
    their parts can be told apart. All of it stays within the joints' limits, and no target moves faster than half of
    the servo's no-load speed.

    Args:
        contract: whose joints they are; what is no position servo rests.
        amplitude: rad.
        seconds: s.
    """
    home, rest = contract.home.astype(np.float64), contract.target_rest.astype(np.float64)
    servos, count = contract.servos, len(contract.joints)
    driven = np.flatnonzero(servos)
    steps = 2.0 * _STEP * len(driven)
    cycle = _REST + _SQUAT + steps + _CHIRP
    fastest = np.array([_PACE * joint["no_load_speed"] for joint in contract.document["joints"]])
    low, high = contract.target_low.astype(np.float64), contract.target_high.astype(np.float64)

    def motion(t: float) -> NDArray[np.float32]:
        off = np.zeros(count)
        if t < seconds:
            at = t % cycle - _REST
            if 0.0 <= at < _SQUAT:
                off = _SQUAT_DEPTH * math.sin(2.0 * math.pi * 2.0 * at / _SQUAT) * home
            elif _SQUAT <= at < _SQUAT + steps:
                which, part = divmod(at - _SQUAT, 2.0 * _STEP)
                off[driven[int(which)]] = amplitude if part < _STEP else 0.0
            elif at >= _SQUAT + steps:
                off = _chirp(at - _SQUAT - steps, amplitude / 3.0, fastest)
        target = np.where(servos, np.clip(home + off, low, high), rest)
        return np.asarray(target, np.float32)

    return motion


def _chirp(t: float, size: float, fastest: NDArray[np.float64]) -> NDArray[np.float64]:
    """All joints, at frequencies that grow or fall evenly; smaller where it would be too fast."""
    count = len(fastest)
    index = np.arange(count)
    own = np.where(index % 2, _CHIRP - t, t)  # every other joint runs through it backwards
    grows = (_FASTEST - _SLOWEST) / _CHIRP
    now = _SLOWEST + grows * own
    phase = 2.0 * math.pi * (_SLOWEST + 0.5 * grows * own) * own
    apart = math.pi / max(1, (count + 1) // 2)
    fade = min(1.0, t, _CHIRP - t)  # begins and ends at home
    most = np.minimum(size, 0.9 * fastest / (2.0 * math.pi * now))
    return fade * most * np.sin(phase + apart * (index // 2))
