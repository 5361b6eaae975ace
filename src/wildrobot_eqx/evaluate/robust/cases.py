"""What the judged robots are told: speeds ahead, and sideways and turns where the policy knows them."""

import dataclasses
from typing import Literal

import numpy as np
from jaxtyping import Float

from ...env import Env
from ...locomotion import velocities, velocity_of
from ..gate import AbstractGate

AXES = ("ahead", "left", "turn")


@dataclasses.dataclass(frozen=True)
class Told:
    """One command: so many m/s ahead or to the left, or a turn of so many rad/s to the left."""

    axis: Literal["ahead", "left", "turn"]
    command: float

    @property
    def row(self) -> tuple[float, float, float]:
        """Speed ahead, speed to the left (m/s) and turn to the left (rad/s)."""
        ahead, left, turn = (self.command * (self.axis == axis) for axis in AXES)
        return ahead, left, turn

    def __str__(self) -> str:
        if self.axis == "ahead":
            return f"{self.command:g} m/s"
        unit = "m/s" if self.axis == "left" else "rad/s"
        return f"{abs(self.command):g} {unit} {'left' if self.command >= 0.0 else 'right'}"


def by_velocity(env: Env, gate: AbstractGate | None) -> bool:
    """Whether a policy is judged as one that walks: on feet, and told a velocity by its env and, if any, its gate."""
    found = velocities(env.commands)
    if len(found) != 1 or not env.physics.robot.feet:
        return False
    (name,) = found
    return gate is None or all(name in case.values for case in gate.cases(env))


def why_not(env: Env, gate: AbstractGate | None) -> str | None:
    """Why a policy cannot be judged so, in a sentence; None where it can: by its gate, or by its velocity."""
    if gate is not None or by_velocity(env, gate):
        return None
    return "A robust evaluation judges by a gate, which the recipe does not have, or a walk at a commanded velocity."


def speeds_of(env: Env, gate: AbstractGate | None) -> tuple[float, ...]:
    """The speeds that are judged, m/s: those that the gate requires; without a gate, five of the recipe's own."""
    if gate is not None:
        return tuple(told.command for told in _required(env, gate) if told.axis == "ahead")
    low, high = (float(bound) for bound in velocity_of(env.commands)[1].lin_vel_x)
    return tuple(round(float(speed), 6) for speed in np.linspace(low, high, 5))


def commands_of(env: Env, gate: AbstractGate | None) -> tuple[Told, ...]:
    """The speeds, then the motions that the gate requires; without a gate, the ends of the recipe's own ranges."""
    if gate is not None:
        return _required(env, gate)
    told = [Told("ahead", speed) for speed in speeds_of(env, gate)]
    command = velocity_of(env.commands)[1]
    told += [] if command.lin_vel_y is None else [Told("left", round(float(b), 6)) for b in command.lin_vel_y]
    told += [] if command.ang_vel_z is None else [Told("turn", round(float(b), 6)) for b in command.ang_vel_z]
    return tuple(told)


def _required(env: Env, gate: AbstractGate) -> tuple[Told, ...]:
    """What the gate's required cases ask for, each once, along the first axis that is not zero."""
    name, command = velocity_of(env.commands)
    axes: dict[str, Literal["ahead", "left", "turn"]] = {"lin_vel_x": "ahead", "lin_vel_y": "left", "ang_vel_z": "turn"}
    told = []
    for case in gate.cases(env):
        if case.required:
            along = [(axes[channel.name], value) for channel, value in zip(command.channels, case.values[name])]
            told.append(Told(*next((pair for pair in along if pair[1]), along[0])))
    return tuple(dict.fromkeys(told))


def rows_of(commands: tuple[Told, ...], count: int) -> tuple[Float[np.ndarray, "count 3"], list[int]]:
    """The commands of `count` episodes, which take them in turn: each one's row, and which command it is."""
    which = [i % len(commands) for i in range(count)]
    return np.asarray([commands[i].row for i in which], np.float32), which
