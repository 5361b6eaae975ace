"""Figures of a walking env that cannot fit its robot: thresholds, widths and weights sized for another one.

Standing still is what such figures teach. It is the commonest way in which a training fails,
and it shows only after minutes; these are told before.
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from ..env import Env
from ..locomotion import (
    FeetClearance,
    FeetSlip,
    Gait,
    GaitContacts,
    IdleFeet,
    Scales,
    TrackLinVelX,
    velocities,
)
from ..task import BaseHeightError, Torque

_BORNE = 0.8  # share of what a foot bears while all stand, up to which a threshold of contact may be
_NOISE = 0.005  # share of the weight below which a threshold counts what is no stance
_STANDING_PAYS = 0.4  # share of a term's greatest pay that a robot may get of it by standing still
_PEAK_PAYS = 0.25  # the same, at the peak of a swing, by a foot on the ground
_HIGH, _LOW = 0.35, 0.02  # shares of the leg length that a swing may rise
_FAST = 0.7  # share of sqrt(g L): faster than any walk or trot
_SHORT, _LONG = 1.5, 8.0  # of a gait's period over sqrt(L / g)
_STRAIN = 0.5  # share of its torque limit that each joint may have to give in a step
_SINK = 0.1  # share of the leg length that a base rises and sinks by in a step


@dataclasses.dataclass(frozen=True)
class Misfit:
    """One figure that does not fit the robot.

    Args:
        leaf: where it stands, such as "env.rewards['foot'].width".
        seen: what it is, and what the robot has.
        fix: what to try.
        problem: a robot can hardly learn to walk by it.
    """

    leaf: str
    seen: str
    fix: str
    problem: bool = True


def misfits(env: Env) -> tuple[Misfit, ...]:
    """What of an env's figures cannot fit its robot; nothing of an env that asks for no velocity, or of no feet."""
    robot = env.physics.robot
    if not robot.feet or not velocities(env.commands) or not robot.leg_length > 0.0:
        return ()
    scales = Scales.of(robot)
    return tuple(misfit for look in (_commands, _gait, _loads, _kernels, _costs) for misfit in look(env, scales))


def standing_share(term: TrackLinVelX, low: float, high: float) -> float:
    """Share of its greatest pay that a term gives a robot that stands still, asked for speeds from `low` to `high`.

    The mean of `exp(-(v / width)^2) - slope |v|` over the speeds (m/s), of which a kernel of 1 is the most.
    """
    width, slope = float(term.width), float(term.slope)
    if high - low < 1e-9:
        return math.exp(-((high / width) ** 2)) - slope * abs(high)
    kernel = 0.5 * math.sqrt(math.pi) * width * (math.erf(high / width) - math.erf(low / width)) / (high - low)
    mean_size = (high * abs(high) - low * abs(low)) / (2.0 * (high - low))
    return kernel - slope * mean_size


def _commands(env: Env, scales: Scales) -> Iterator[Misfit]:
    for name, command in velocities(env.commands).items():
        where = f"env.commands[{name!r}].lin_vel_x"
        low, high = (float(bound) for bound in command.lin_vel_x)
        fastest, deadband = max(abs(low), abs(high)), float(command.deadband)
        if 0.0 < fastest <= deadband:
            seen = f"the fastest command is {fastest:.3g} m/s, and below {deadband:.3g} m/s a command means to stand"
            yield Misfit(where, seen, "raise lin_vel_x, or lower the deadband")
        if fastest > _FAST * scales.speed:
            seen = f"it asks for {fastest:.3g} m/s, {fastest / scales.speed:.2g} of sqrt(g L) = {scales.speed:.3g} m/s"
            yield Misfit(where, seen, f"ask for at most {_FAST * scales.speed:.2g} m/s: beyond that it is a run", False)


def _gait(env: Env, scales: Scales) -> Iterator[Misfit]:
    for name, gait in env.commands.items():
        if not isinstance(gait, Gait):
            continue
        period = float(gait.period)
        if not _SHORT * scales.time <= period <= _LONG * scales.time:
            seen = f"a cycle of {period:.3g} s is {period / scales.time:.2g} sqrt(L / g)"
            fix = f"take {_SHORT * scales.time:.2g} to {_LONG * scales.time:.2g} s, such as {3.29 * scales.time:.2g} s"
            yield Misfit(f"env.commands[{name!r}].period", seen, fix, False)


def _loads(env: Env, scales: Scales) -> Iterator[Misfit]:
    each = scales.weight / scales.legs
    for name, term in env.rewards.items():
        if not isinstance(term, (GaitContacts, FeetSlip, IdleFeet)):
            continue
        load, where = float(term.load), f"env.rewards[{name!r}].load"
        fix = f"a tenth of the weight is {0.1 * scales.weight:.3g} N"
        if load >= _BORNE * each:
            seen = f"a foot counts as loaded from {load:.3g} N, and on all {scales.legs} feet it bears {each:.3g} N"
            yield Misfit(where, seen, fix)
        elif load < _NOISE * scales.weight:
            seen = f"a foot counts as loaded from {load:.3g} N, {100 * load / scales.weight:.2g}% of the weight"
            yield Misfit(where, seen, fix, False)


def _kernels(env: Env, scales: Scales) -> Iterator[Misfit]:
    for name, term in env.rewards.items():
        where = f"env.rewards[{name!r}]"
        if isinstance(term, (FeetClearance, TrackLinVelX)) and not float(term.width) > 0.0:
            yield Misfit(f"{where}.width", f"a width of {float(term.width):.3g} pays nothing", "take one above 0")
            continue
        if isinstance(term, FeetClearance):
            height, width = float(term.height), float(term.width)
            pays = math.exp(-((height / width) ** 2))
            if pays > _PEAK_PAYS:
                seen = f"at the peak of a swing of {height:.3g} m a foot on the ground still gets {100 * pays:.0f}%"
                yield Misfit(f"{where}.width", seen, f"narrow the width to {height / 1.7:.2g} m, or raise the height")
            if not _LOW <= height / scales.length <= _HIGH:
                seen = (
                    f"feet are to rise {height:.3g} m, {height / scales.length:.2g} of the legs' {scales.length:.3g} m"
                )
                fix = f"such as {0.124 * scales.length:.2g} m, an eighth of the leg length"
                yield Misfit(f"{where}.height", seen, fix, height > _HIGH * scales.length)
        if isinstance(term, TrackLinVelX):
            for command in velocities(env.commands).values():
                low, high = (float(bound) for bound in command.lin_vel_x)
                pays, fastest = standing_share(term, low, high), max(abs(low), abs(high))
                if pays > _STANDING_PAYS and fastest > 0.0:
                    seen = f"standing still gets {100 * pays:.0f}% of it over commands of {low:.3g} to {high:.3g} m/s"
                    yield Misfit(
                        f"{where}.width", seen, f"narrow the width to {0.23 * fastest:.2g} m/s, or add a slope"
                    )


def _costs(env: Env, scales: Scales) -> Iterator[Misfit]:
    """A penalty that outweighs all that is paid in an ordinary step."""
    robot = env.physics.robot
    paid = sum(max(float(term.weight), 0.0) for term in env.rewards.values())
    for name, term in env.rewards.items():
        weight = float(term.weight)
        if isinstance(term, Torque):
            cost = -weight * float(np.sum(np.square(_STRAIN * np.asarray(robot.torque_limit))))
            what = f"joints at half of their torque limits cost {cost:.3g} per second"
        elif isinstance(term, FeetSlip):
            cost = -weight * (_SINK * scales.speed) ** 2
            what = f"a foot that slips by {_SINK * scales.speed:.2g} m/s costs {cost:.3g} per second"
        elif isinstance(term, BaseHeightError):
            cost = -weight * (_SINK * scales.length) ** 2
            what = f"a base that is off by {_SINK * scales.length:.2g} m costs {cost:.3g} per second"
        else:
            continue
        if cost > paid > 0.0:
            fix = f"such as {0.1 * weight * paid / cost:.2g}"
            yield Misfit(f"env.rewards[{name!r}].weight", f"{what}, and all rewards together are {paid:.3g}", fix)
