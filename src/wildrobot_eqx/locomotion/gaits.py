"""Gaits: when each foot swings, as data, and the clock that runs through them."""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import Number, Numbers, f32
from ..errors import WildRobotError, nearest
from ..observe import Channel
from ..physics import PhysicsState
from ..physics.mujoco_tools.kinematics import home_sites
from ..robots import Robot
from ..task import AbstractCommand
from ..task.commands import no_channels
from .base import AbstractMotionState


class GaitState(AbstractMotionState):
    """A gait's clock, and each foot's place in its swing."""

    phase: Float[Array, ""]  # rad in [0, 2 pi)
    moving: Float[Array, ""]  # 1 while a step is asked for
    mid_swing: Float[Array, " nfoot"]  # share of the cycle at which each foot is in mid-swing
    swing: Float[Array, ""]  # share of the cycle that each foot is in the air

    @property
    def is_moving(self) -> Float[Array, ""]:
        """1 while a step is asked for."""
        return self.moving

    @property
    def stepping(self) -> Float[Array, ""]:
        """1 while a step is asked for or still being finished, 0 while the robot should stand still."""
        return jnp.maximum(self.moving, (self.phase > 0.0).astype(jnp.float32))

    @property
    def from_mid_swing(self) -> Float[Array, " nfoot"]:
        """Share of the cycle since (or, negative, until) the middle of each foot's swing, -0.5 to 0.5."""
        return (self.phase / (2.0 * jnp.pi) - self.mid_swing + 0.5) % 1.0 - 0.5

    @property
    def aloft(self) -> Float[Array, " nfoot"]:
        """1 for each foot that the gait has in the air, 0 on the ground."""
        return self.stepping * (jnp.abs(self.from_mid_swing) < 0.5 * self.swing).astype(jnp.float32)

    def height(self, peak: Float[Array, ""]) -> Float[Array, " nfoot"]:
        """Height of each foot above the ground, m: a squared sine of the swing, at most `peak` (m).

        Its velocity is zero at lift-off and touch-down.
        """
        along = self.from_mid_swing
        inside = jnp.abs(along) < 0.5 * self.swing
        return self.stepping * jnp.where(inside, peak * jnp.square(jnp.cos(jnp.pi * along / self.swing)), 0.0)


class Gait(AbstractCommand):
    """A clock that runs once per gait cycle while the robot is asked to move, and where each foot swings in it.

    Asked to stand, it finishes the beat that it is in and rests at phase 0. A policy sees the
    sine and cosine of the phase, both 0 while it rests.

    Args:
        feet: names of the robot's feet, in its order.
        mid_swing: share of the cycle, 0 to 1, at which each foot is in mid-swing.
        period: of the cycle, s.
        swing: share of the cycle that each foot is in the air (1 minus the duty factor).
        beats: steps in a cycle: the clock may rest after each.
        alternates: left and right are half a cycle apart, so that a left-right reflection is half a cycle later;
            else left and right move alike.
        command: the command that it follows; its state is an `AbstractMotionState`.
        rests: the clock rests while the robot is asked to stand; else it never does, for a robot that
            cannot stand still on its feet and steps on the spot.

    Raises:
        WildRobotError: the figures are no gait.
    """

    feet: tuple[str, ...] = eqx.field(static=True)
    mid_swing: Float[Array, " nfoot"]
    period: Float[Array, ""]  # s
    swing: Float[Array, ""]
    beats: int = eqx.field(static=True)
    alternates: bool = eqx.field(static=True)
    command: str = eqx.field(static=True)
    rests: bool = eqx.field(static=True)

    def __init__(
        self,
        feet: Sequence[str],
        mid_swing: Numbers,
        period: Number,
        swing: Number = 0.4,
        beats: int = 2,
        alternates: bool = True,
        command: str = "velocity",
        rests: bool = True,
    ):
        if len(feet) != len(mid_swing) or not feet or not 0.0 < swing < 1.0 or not period > 0.0 or beats < 1:
            raise WildRobotError(
                f"No gait: {len(feet)} feet, mid-swings {tuple(mid_swing)}, a period of {period} s, "
                f"a swing of {swing} of the cycle, {beats} beats.",
                where="Gait",
                hint="one mid-swing per foot, a positive period, a swing between 0 and 1, at least one beat",
            )
        self.feet = tuple(feet)
        self.mid_swing, self.period, self.swing = f32(mid_swing), f32(period), f32(swing)
        self.beats, self.alternates, self.command, self.rests = beats, alternates, command, rests

    @property
    def channels(self) -> tuple[Channel, ...]:
        """None: it follows another command."""
        return ()

    @property
    def observed(self) -> tuple[Channel, ...]:
        """Sine and cosine of the phase; half a cycle apart, both change their sign in a mirror."""
        sign = -1.0 if self.alternates else 1.0
        return (Channel("phase_sin", "1", sign, side=self.alternates), Channel("phase_cos", "1", sign))

    @property
    def needs(self) -> tuple[str, ...]:
        """The command that it follows."""
        return (self.command,)

    def bounds(self) -> Float[Array, "channels 2"]:
        return no_channels()

    def sample(self, key: PRNGKeyArray) -> GaitState:
        zero = jnp.zeros((), jnp.float32)
        return GaitState(zero, zero, self.mid_swing, self.swing)

    def start(self, state: GaitState, physics: PhysicsState, others: Mapping[str, Any]) -> GaitState:
        return GaitState(state.phase, self._moving(others), self.mid_swing, self.swing)

    def step(
        self, key: PRNGKeyArray, state: GaitState, physics: PhysicsState, dt: float, others: Mapping[str, Any]
    ) -> GaitState:
        """The clock `dt` seconds later."""
        moving = self._moving(others)
        advanced = state.phase + 2.0 * jnp.pi * dt / self.period
        beat = 2.0 * jnp.pi / self.beats
        landed = jnp.floor(advanced / beat) > jnp.floor(state.phase / beat)
        resting = (moving == 0.0) & (landed | (state.phase == 0.0))
        phase = jnp.where(resting, 0.0, advanced % (2.0 * jnp.pi))
        return GaitState(phase, moving, self.mid_swing, self.swing)

    def observe(self, state: GaitState) -> Float[Array, " observed"]:
        return state.stepping * jnp.stack([jnp.sin(state.phase), jnp.cos(state.phase)])

    def hold(self, value: Float[Array, " channels"]) -> "Gait":
        return self

    def set(self, state: GaitState, value: Float[Array, " channels"]) -> GaitState:
        return state

    def asked(self, state: GaitState) -> Float[Array, " channels"]:
        return jnp.zeros((0,), jnp.float32)

    def metrics(self, state: GaitState, physics: PhysicsState) -> dict[str, Float[Array, ""]]:
        """Ratio of the feet that the gait has in the air, and of those that are there: nothing bears them.

        None of a clock whose beats are not those of the robot's feet.
        """
        if state.aloft.size != physics.foot_force.shape[0]:
            return {}
        free = (physics.foot_force[:, 2] <= 0.0).astype(jnp.float32)
        return {"feet_to_lift": jnp.mean(state.aloft), "feet_lifted": jnp.mean(state.aloft * free)}

    def constants(self) -> dict[str, Float[Array, ""]]:
        return {"period": self.period}

    def _moving(self, others: Mapping[str, Any]) -> Float[Array, ""]:
        """1 while a step is asked for, and always of a gait that never rests."""
        followed = others[self.command]
        if not isinstance(followed, AbstractMotionState):
            raise WildRobotError(
                f"A gait follows the command {self.command!r}, whose state ({type(followed).__name__}) does not say "
                "whether to move.",
                where="Gait, command",
                hint="name a command such as VelocityCommand, whose state is an AbstractMotionState",
            )
        return followed.is_moving if self.rests else jnp.ones((), jnp.float32)


def two_beat(
    robot: Robot, period: float | None = None, swing: float = 0.4, command: str = "velocity", rests: bool = True
) -> Gait:
    """Two feet in turn, or one alone: the left one swings in the first half of the cycle.

    `period` (s) is 4.15 sqrt(L / g) by default, L the leg length.
    """
    n = len(robot.feet)
    if n > 2:
        raise _feet(robot, "two_beat", "a gait of one or two feet", "trot, walk, pace or bound")
    names = tuple(foot.name for foot in robot.feet)
    return Gait(names, (0.25, 0.75)[:n], _period(robot, period), swing, 2, n == 2, command, rests)


def trot(
    robot: Robot, period: float | None = None, swing: float = 0.5, command: str = "velocity", rests: bool = True
) -> Gait:
    """Four feet, diagonal pairs in turn: front left with hind right first."""
    return _four(robot, "trot", (0.25, 0.75, 0.75, 0.25), period, swing, 2, True, command, rests)


def pace(
    robot: Robot, period: float | None = None, swing: float = 0.5, command: str = "velocity", rests: bool = True
) -> Gait:
    """Four feet, the pairs of each side in turn: the left ones first."""
    return _four(robot, "pace", (0.25, 0.75, 0.25, 0.75), period, swing, 2, True, command, rests)


def bound(
    robot: Robot, period: float | None = None, swing: float = 0.5, command: str = "velocity", rests: bool = True
) -> Gait:
    """Four feet, front and hind pairs in turn: the front ones first."""
    return _four(robot, "bound", (0.25, 0.25, 0.75, 0.75), period, swing, 2, False, command, rests)


def pronk(
    robot: Robot, period: float | None = None, swing: float = 0.5, command: str = "velocity", rests: bool = True
) -> Gait:
    """Four feet at once."""
    return _four(robot, "pronk", (0.5, 0.5, 0.5, 0.5), period, swing, 1, False, command, rests)


def walk(
    robot: Robot, period: float | None = None, swing: float = 0.25, command: str = "velocity", rests: bool = True
) -> Gait:
    """Four feet one after the other: hind left, front left, hind right, front right."""
    return _four(robot, "walk", (0.375, 0.875, 0.125, 0.625), period, swing, 4, True, command, rests)


def tripod(
    robot: Robot, period: float | None = None, swing: float = 0.5, command: str = "velocity", rests: bool = True
) -> Gait:
    """Six feet, three in turn: the front and the hind foot of one side with the middle one of the other."""
    if len(robot.feet) != 6:
        raise _feet(robot, "tripod", "a gait of six feet", "two_beat or trot")
    left, right = _sides(robot)
    at = {foot: 0.25 if i % 2 == 0 else 0.75 for i, foot in enumerate(left)}
    at |= {foot: 0.75 if i % 2 == 0 else 0.25 for i, foot in enumerate(right)}
    names = tuple(foot.name for foot in robot.feet)
    return Gait(names, [at[i] for i in range(6)], _period(robot, period), swing, 2, True, command, rests)


def _sides(robot: Robot) -> tuple[list[int], list[int]]:
    """The feet of the left and of the right half, each from front to hind."""
    places = foot_places(robot)
    order = sorted(range(len(places)), key=lambda i: -places[i, 1])
    half = len(places) // 2
    return sorted(order[:half], key=lambda i: -places[i, 0]), sorted(order[half:], key=lambda i: -places[i, 0])


def _four(
    robot: Robot,
    name: str,
    mid_swing: tuple[float, float, float, float],
    period: float | None,
    swing: float,
    beats: int,
    alternates: bool,
    command: str,
    rests: bool,
) -> Gait:
    """A gait of four feet, `mid_swing` given for front left, front right, hind left, hind right."""
    if len(robot.feet) != 4:
        raise _feet(robot, name, "a gait of four feet", "two_beat")
    places = foot_places(robot)
    order = sorted(range(4), key=lambda i: -places[i, 0])
    front, hind = sorted(order[:2], key=lambda i: -places[i, 1]), sorted(order[2:], key=lambda i: -places[i, 1])
    by_foot = dict(zip((*front, *hind), mid_swing))
    names = tuple(foot.name for foot in robot.feet)
    return Gait(names, [by_foot[i] for i in range(4)], _period(robot, period), swing, beats, alternates, command, rests)


def foot_places(robot: Robot) -> Float[np.ndarray, "nfoot 3"]:
    """Where the robot's feet are in its home pose, m, world frame: x ahead, y to the left."""
    return home_sites(robot)[[foot.site for foot in robot.feet]]


def _period(robot: Robot, period: float | None) -> float:
    return 4.15 * robot.time_scale if period is None else period


def _feet(robot: Robot, name: str, what: str, others: str) -> WildRobotError:
    return WildRobotError(
        f"{name} is {what}; robot {robot.name!r} has {len(robot.feet)}.",
        where=f"gaits.{name}",
        hint=f"such as {others}, or a Gait of its own: {nearest('', [foot.name for foot in robot.feet])}",
    )
