"""Commands of a robust evaluation: speeds ahead, and where the policy takes them lateral speeds and turns."""

import dataclasses
from typing import Literal

import numpy as np
from jaxtyping import Float

from ...env import Env
from ...locomotion import velocities, velocity_of
from ..gate import AbstractGate

AXES = ("ahead", "left", "turn")


@dataclasses.dataclass(frozen=True)
class AxisCommand:
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
    """Whether a policy is judged as one that walks: feet, and a velocity command in its env and its gate, if any."""
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
        return tuple(c.command for c in _required(env, gate) if c.axis == "ahead")
    low, high = (float(bound) for bound in velocity_of(env.commands)[1].lin_vel_x)
    return tuple(round(float(speed), 6) for speed in np.linspace(low, high, 5))


def commands_of(env: Env, gate: AbstractGate | None) -> tuple[AxisCommand, ...]:
    """The speeds, then the motions that the gate requires; without a gate, the ends of the recipe's own ranges."""
    if gate is not None:
        return _required(env, gate)
    commands = [AxisCommand("ahead", speed) for speed in speeds_of(env, gate)]
    velocity = velocity_of(env.commands)[1]
    if velocity.lin_vel_y is not None:
        commands += [AxisCommand("left", round(float(bound), 6)) for bound in velocity.lin_vel_y]
    if velocity.ang_vel_z is not None:
        commands += [AxisCommand("turn", round(float(bound), 6)) for bound in velocity.ang_vel_z]
    return tuple(commands)


def _required(env: Env, gate: AbstractGate) -> tuple[AxisCommand, ...]:
    """What the gate's required cases ask for, each once, along the first axis that is not zero."""
    name, command = velocity_of(env.commands)
    axes: dict[str, Literal["ahead", "left", "turn"]] = {"lin_vel_x": "ahead", "lin_vel_y": "left", "ang_vel_z": "turn"}
    commands = []
    for case in gate.cases(env):
        if case.required:
            along = [(axes[channel.name], value) for channel, value in zip(command.channels, case.values[name])]
            commands.append(AxisCommand(*next((pair for pair in along if pair[1]), along[0])))
    return tuple(dict.fromkeys(commands))


def rows_of(commands: tuple[AxisCommand, ...], count: int) -> tuple[Float[np.ndarray, "count 3"], list[int]]:
    """The commands of `count` episodes, which take them in turn: each one's row, and which command it is."""
    which = [i % len(commands) for i in range(count)]
    return np.asarray([commands[i].row for i in which], np.float32), which
