"""Whether an env ever asks for what a gate judges, checked before anybody trains for it."""

from collections.abc import Iterable

from ...env import Env
from ...locomotion import velocity_of
from ..gate import Unasked

_TOLERANCE = 1e-6


def speeds(env: Env, field: str, wanted: Iterable[float]) -> tuple[Unasked, ...]:
    """Speeds ahead (m/s, 0: stand) of a gate's `field` that the env's command never draws."""
    name, command = velocity_of(env.commands)
    where = f"env.commands[{name!r}]"
    low, high = (float(bound) for bound in command.lin_vel_x)
    deadband, stands = float(command.deadband), float(command.stand_probability) > 0.0
    found = []
    for i, speed in enumerate(wanted):
        inside = low - _TOLERANCE <= speed <= high + _TOLERANCE
        if speed == 0.0:
            possible = stands or (low < deadband and high > -deadband) or inside
        else:
            possible = inside and abs(speed) >= deadband - _TOLERANCE
        if not possible:
            judged = f"{speed:g} m/s" if speed else "0 m/s: to stand"
            fix = f"lower {where}.deadband" if inside else f"widen {where}.lin_vel_x"
            fix = fix if speed else f"give {where} a stand_probability"
            fix += f", or judge what is trained: leave {speed:g} out of {field}"
            asked = f"{where} asks for {low:g} to {high:g} m/s"
            found.append(Unasked(f"gate.{field}[{i}]", f"{asked}, none below {deadband:g} but 0", judged, fix))
    return tuple(found)


def beside(env: Env, wanted: Iterable[tuple[str, float, bool]]) -> tuple[Unasked, ...]:
    """Motions of a gate (axis, m/s or rad/s, required) that the env's command never draws."""
    name, command = velocity_of(env.commands)
    where = f"env.commands[{name!r}]"
    known = {
        "left": ("lin_vel_y", command.lin_vel_y, "m/s"),
        "turn": ("ang_vel_z", command.ang_vel_z, "rad/s"),
    }
    found = []
    for i, (axis, value, required) in enumerate(wanted):
        field, bounds, unit = known[axis]
        leaf, judged = f"gate.motions[{i}]", f"{value:g} {unit}, {axis}"
        if bounds is None:
            fix = f"give the command a {field}, or the gate no such motion"
            found.append(Unasked(leaf, f"{where} has no {field}: it never asks for it", judged, fix))
            continue
        low, high = (float(bound) for bound in bounds)
        possible = low - _TOLERANCE <= value <= high + _TOLERANCE and abs(value) >= float(command.deadband) - _TOLERANCE
        if required and not possible:
            fix = f"widen {where}.{field}, or judge what is trained"
            found.append(Unasked(leaf, f"{where} asks for {low:g} to {high:g} {unit}", judged, fix))
    return tuple(found)
