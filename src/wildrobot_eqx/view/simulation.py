"""What the view steps and shows: one simulated robot, whatever simulates it."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Literal

import mujoco
import numpy as np
from numpy.typing import NDArray

from ..deploy.bundle.contract import CommandChannel
from .curves import Curves

Terrain = Literal["flat", "bumps", "slope", "steps"]
TERRAINS: tuple[Terrain, ...] = ("flat", "bumps", "slope", "steps")


@dataclasses.dataclass(frozen=True)
class World:
    """What the view's dials say of the world around a robot."""

    friction: float = 1.0  # times the model's
    payload: float = 0.0  # kg, at the centre of mass of the base
    terrain: Terrain = "flat"
    engine: str = "native"


@dataclasses.dataclass(frozen=True)
class Pose:
    """One moment of a robot: what MuJoCo needs to work out all else. In the model's own order."""

    qpos: NDArray[np.float64]
    qvel: NDArray[np.float64]
    ctrl: NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Inside:
    """What a robot's controller, policy and task say of one control step.

    `observation` and `rewards` are empty where nobody computes them; `measured` holds figures of the
    task by the channel that asks for them, in its unit.
    """

    mode: str = "run"  # what the robot does, in a word
    note: str = ""  # why, where that needs to be said
    observation: Mapping[str, NDArray[np.float32]] = dataclasses.field(default_factory=dict)
    rewards: Mapping[str, float] = dataclasses.field(default_factory=dict)  # weighted, per second
    measured: Mapping[str, float] = dataclasses.field(default_factory=dict)


class AbstractSimulation(abc.ABC):
    """One robot that can be stepped, steered, pushed and put into another world."""

    @property
    @abc.abstractmethod
    def title(self) -> str:
        """What it is, in a few words: of a choice of policies, this one."""

    @property
    @abc.abstractmethod
    def robot(self) -> str:
        """The name of the robot; policies of one robot can follow each other."""

    @property
    @abc.abstractmethod
    def dt(self) -> float:
        """The control period, s."""

    @property
    @abc.abstractmethod
    def model(self) -> mujoco.MjModel:
        """What is drawn, and what forces are worked out with; another object after its ground has changed."""

    @property
    @abc.abstractmethod
    def base(self) -> int:
        """The body that moves without a motor; 0 of a robot that is fixed to the world."""

    @property
    @abc.abstractmethod
    def feet(self) -> Mapping[str, int]:
        """The bodies of the feet, by the feet's names."""

    @property
    @abc.abstractmethod
    def joints(self) -> tuple[str, ...]:
        """The driven joints, in the model's names."""

    @property
    @abc.abstractmethod
    def torque_limit(self) -> NDArray[np.float64]:
        """Of each driven joint, N m, N of a slide; infinite where nothing says it."""

    @property
    @abc.abstractmethod
    def channels(self) -> tuple[CommandChannel, ...]:
        """What it can be asked for."""

    @property
    @abc.abstractmethod
    def engines(self) -> tuple[str, ...]:
        """The engines that may simulate it; one where there is no choice."""

    @property
    @abc.abstractmethod
    def world(self) -> World:
        """The world that it is in."""

    @property
    @abc.abstractmethod
    def pose(self) -> Pose:
        """Where it is now."""

    @property
    @abc.abstractmethod
    def inside(self) -> Inside:
        """What its controller, policy and task say of the last step."""

    @property
    @abc.abstractmethod
    def ended(self) -> str | None:
        """Why it does not go on, such as "fell"; None while it does."""

    @abc.abstractmethod
    def reset(self) -> None:
        """Back to the beginning."""

    @abc.abstractmethod
    def take_over(self, pose: Pose) -> None:
        """Go on from another simulation's pose of the same robot."""

    @abc.abstractmethod
    def step(self, asked: Mapping[str, float]) -> None:
        """One control period; of `asked`, by channel, what it knows counts, of the others, nothing is asked."""

    @abc.abstractmethod
    def kick(self, velocity: NDArray[np.float64]) -> None:
        """The whole robot gets a velocity (m/s, in the world) on top of its own; nothing where it has no base."""

    @abc.abstractmethod
    def enter(self, world: World) -> None:
        """Put it into that world, where it is; into one of another ground or engine, at its beginning.

        Raises:
            WildRobotError: the engine, or the robot's model, does not allow it; then nothing has changed.
        """

    @property
    @abc.abstractmethod
    def curves(self) -> Curves | None:
        """How its training goes, or went; None of what is no run."""

    @abc.abstractmethod
    def refresh(self) -> str | None:
        """Take up what has changed outside, such as a newer checkpoint; what to say of it, or None."""
