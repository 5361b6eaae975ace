"""Targets that shake a standing robot such that a log of it tells its parameters, within what is safe."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .stance import Stance, Ways

Motion = Callable[[float], NDArray[np.float32]]  # of the time since it began, s: targets
STEP = float(np.radians(2.5))  # rad, of one joint alone
_PART = 10.0  # s, of one kind of motion
_FADE = 1.0  # s, in which a part begins and ends at home
_MARGIN = 0.05  # of a joint's range, which is left beside its limits


def excitation(stance: Stance, seconds: float, seed: int = 0, amplitude: float = STEP) -> NDArray[np.float64]:
    """Targets of `seconds` s, (n, joints) rad, one for each control step; first and last is the home pose.

    Parts of 10 s take turns. In most, all joints move along the ways that leave both feet flat where they stand
    (squats, leans to all sides), with several slow and fast sines at once, while joints that bear no foot, such as a
    waist's, turn slowly and far. In one of three, single joints step by `amplitude` one after the other, and chirp
    from 0.5 to 4 Hz. The centre of mass stays within a third of the way to the edge of its support.

    Args:
        stance: whose targets they are; what is no position servo rests.
        seconds: s.
        seed: equal seeds give equal targets.
        amplitude: rad, of a single joint's step; all other motions grow and shrink with it.
    """
    n, rng, scale = round(seconds / stance.dt), np.random.default_rng([seed, 0xE4]), amplitude / STEP
    ways, part = Ways(stance), round(_PART / stance.dt)
    found = np.tile(stance.rest, (n, 1))
    for number, start in enumerate(range(0, n, part)):
        stop = min(start + part, n)
        t = np.asarray(stance.dt * np.arange(stop - start), np.float64)
        fade = np.clip(np.minimum(t, t[-1] - t) / _FADE, 0.0, 1.0)[:, None]
        if number % 3 == 2 or not ways.count:
            moved = np.flatnonzero(stance.servos)
            found[start:stop, moved] += scale * fade * _single(len(moved), t, rng)
        else:
            slow = number % 3 == 0
            motion = np.stack([_sines(t, rng, slow=slow) for _ in range(ways.count)], axis=1)
            turns = np.array([_turn(t, rng) for _ in ways.turned]).reshape(len(ways.turned), len(t)).T
            found[start:stop] = ways.along(scale * fade * motion, min(scale, 1.0) * fade * turns)
    span = _MARGIN * (stance.high - stance.low)
    low = stance.low + np.minimum(span, stance.rest - stance.low)
    high = stance.high - np.minimum(span, stance.high - stance.rest)
    return np.asarray(np.where(stance.servos, np.clip(found, low, high), stance.rest), np.float64)


def motion_of(targets: NDArray[np.float64], dt: float) -> Motion:
    """Targets (n, joints), one each control period `dt` (s), as a function of time; then the last one for ever."""
    rows = targets.astype(np.float32)

    def motion(t: float) -> NDArray[np.float32]:
        return rows[min(round(t / dt), len(rows) - 1)]

    return motion


def _sines(t: NDArray[np.float64], rng: np.random.Generator, *, slow: bool) -> NDArray[np.float64]:
    """A few sines, about 1 at most."""
    rates = rng.uniform(0.06, 0.3, 3) if slow else np.append(rng.uniform(0.2, 0.6, 2), rng.uniform(1.5, 4.0, 2))
    waves = np.sin(2.0 * np.pi * rates[:, None] * t + rng.uniform(0.0, 2.0 * np.pi, len(rates))[:, None])
    size = rng.uniform(0.5, 1.0, len(rates)) * np.where(rates > 1.0, 0.08, 1.0)  # small where a stance resonates
    return (size / (3.0 * 0.75)) @ waves


def _turn(t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """To one side and to the other in 10 s, with a little of something faster, 1 at most."""
    side = rng.choice([-1.0, 1.0])
    slow = np.sin(2.0 * np.pi * rng.uniform(0.1, 0.13) * t)
    return np.asarray(side * (0.85 * slow + 0.15 * np.sin(2.0 * np.pi * rng.uniform(0.5, 0.9) * t)))


def _single(joints: int, t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """One joint after the other: a step up, one down, and a chirp."""
    moved = np.zeros((len(t), joints))
    each = t[-1] / joints
    for turn, joint in enumerate(rng.permutation(joints)):
        s = (t - turn * each) / each
        at = (s >= 0.0) & (s < 1.0)
        steps = np.where(s < 0.2, 1.0, np.where(s < 0.4, -1.0, 0.0))
        u = np.clip((s - 0.4) / 0.6, 0.0, 1.0)
        chirp = np.sin(2.0 * np.pi * 0.6 * each * (0.5 * u + 0.5 * 3.5 * u * u)) * np.minimum(1.0, 8.0 * (1.0 - u))
        moved[at, joint] = STEP * np.where(s < 0.4, steps, 0.6 * chirp)[at]
    return moved
