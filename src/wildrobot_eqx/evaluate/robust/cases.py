"""What the judged robots are told: speeds ahead, and sideways and turns where the policy knows them."""

import dataclasses
from typing import Literal

import numpy as np
from jaxtyping import Float

from ...env import Env
from ...locomotion import velocity_of
from ..gate import AbstractGate
from ..walking.stand_gate import StandGate
from ..walking.walk_gate import WalkGate

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


def speeds_of(env: Env, gate: AbstractGate | None) -> tuple[float, ...]:
    """The speeds that are judged, m/s: those that the gate requires; without a gate, five of the recipe's own."""
    if isinstance(gate, WalkGate):
        return gate.required
    if isinstance(gate, StandGate):
        return (0.0,)
    low, high = (float(bound) for bound in velocity_of(env.commands)[1].lin_vel_x)
    return tuple(round(float(speed), 6) for speed in np.linspace(low, high, 5))


def commands_of(env: Env, gate: AbstractGate | None) -> tuple[Told, ...]:
    """The speeds, then the motions that the gate requires; without a gate, the ends of the recipe's own ranges."""
    told = [Told("ahead", speed) for speed in speeds_of(env, gate)]
    if isinstance(gate, WalkGate):
        told += [Told(motion.axis, motion.command) for motion in gate.motions if motion.required]
    elif gate is None:
        command = velocity_of(env.commands)[1]
        told += [] if command.lin_vel_y is None else [Told("left", round(float(b), 6)) for b in command.lin_vel_y]
        told += [] if command.ang_vel_z is None else [Told("turn", round(float(b), 6)) for b in command.ang_vel_z]
    return tuple(told)


def rows_of(commands: tuple[Told, ...], count: int) -> tuple[Float[np.ndarray, "count 3"], list[int]]:
    """The commands of `count` episodes, which take them in turn: each one's row, and which command it is."""
    which = [i % len(commands) for i in range(count)]
    return np.asarray([commands[i].row for i in which], np.float32), which
