"""A gait without a clock of its own: the feet themselves say whose turn it is."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import Number, f32
from ..errors import WildRobotError
from ..observe import Channel
from ..physics import PhysicsState
from ..robots import Robot
from ..task import AbstractCommand
from .feet import load_threshold
from .gaits import Gait, GaitState, two_beat

_MIDDLE, _LATE = 0.5, 0.95  # shares of a beat: by then the foot must be up, and by then it should come down


class FootTimedGait(AbstractCommand):
    """Two feet in turn, the clock of `two_beat` set by their touch-downs, for policies that see no clock.

    A free-running clock asks of a policy what it cannot know unless it sees the phase. This
    one follows the robot. A beat belongs to one foot; in its middle the clock waits for that
    foot to be off the ground, near its end for it to come down, and as soon as it does after
    the middle, the beat of the other begins. Asked to move, the foot with less load begins; asked to stand, the
    clock rests from the next touch-down on, whatever the feet do then.
    Rewards read it as they read a `Gait`; its phase is for the critic.

    Args:
        robot: of two feet, whose load it reads.
        period: of a cycle when nothing waits, s; by default that of `two_beat`.
        swing: share of the cycle that each foot is in the air.
        load: force from which a foot counts as loaded, N; a tenth of the robot's weight by default.
        command: the command that it follows; its state is an `AbstractMotionState`.

    Raises:
        WildRobotError: the robot has not two feet.
    """

    clock: Gait
    load: Float[Array, ""]  # N

    def __init__(
        self,
        robot: Robot,
        period: float | None = None,
        swing: float = 0.4,
        load: Number | None = None,
        command: str = "velocity",
    ):
        if len(robot.feet) != 2:
            raise WildRobotError(
                f"A gait that the feet time is one of two feet in turn; robot {robot.name!r} has {len(robot.feet)}.",
                where="FootTimedGait",
                hint="take a gait with a clock of its own, such as trot",
            )
        self.clock = two_beat(robot, period=period, swing=swing, command=command)
        self.load = f32(load_threshold(robot) if load is None else load)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """None: it follows another command."""
        return ()

    @property
    def observed(self) -> tuple[Channel, ...]:
        """Sine and cosine of the phase, of which a robot without foot switches knows nothing."""
        return self.clock.observed

    @property
    def needs(self) -> tuple[str, ...]:
        """The command that it follows."""
        return self.clock.needs

    def bounds(self) -> Float[Array, "channels 2"]:
        return self.clock.bounds()

    def sample(self, key: PRNGKeyArray) -> GaitState:
        return self.clock.sample(key)

    def start(self, state: GaitState, physics: PhysicsState, others: Mapping[str, Any]) -> GaitState:
        return self.clock.start(state, physics, others)

    def step(
        self, key: PRNGKeyArray, state: GaitState, physics: PhysicsState, dt: float, others: Mapping[str, Any]
    ) -> GaitState:
        """The clock `dt` seconds later."""
        moving = self.clock.start(state, physics, others).moving > 0.0
        force = physics.foot_force[:, 2]
        beat = jnp.floor(state.phase / jnp.pi)  # 0: the first foot's, 1: the last one's
        resting = state.phase == 0.0
        beat = jnp.where(resting, (force[0] > force[-1]).astype(jnp.float32), beat)
        along = jnp.where(resting, 0.0, state.phase / jnp.pi - beat)
        down = jnp.where(beat > 0.0, force[-1], force[0]) > self.load
        on = along + 2.0 * dt / self.clock.period
        waits = jnp.where(down & (along <= _MIDDLE), jnp.minimum(on, _MIDDLE), jnp.minimum(on, _LATE))
        lands = down & (along > _MIDDLE)
        rests = ~moving & (resting | (down & (lands | (along <= _MIDDLE))))
        phase = jnp.pi * jnp.where(lands, 1.0 - beat + 1e-3, beat + waits)
        phase = jnp.where(rests, 0.0, phase)
        return GaitState(phase, moving.astype(jnp.float32), self.clock.mid_swing, self.clock.swing)

    def observe(self, state: GaitState) -> Float[Array, " observed"]:
        return self.clock.observe(state)

    def hold(self, value: Float[Array, " channels"]) -> "FootTimedGait":
        return self

    def set(self, state: GaitState, value: Float[Array, " channels"]) -> GaitState:
        return state

    def asked(self, state: GaitState) -> Float[Array, " channels"]:
        return self.clock.asked(state)

    def metrics(self, state: GaitState, physics: PhysicsState) -> dict[str, Float[Array, ""]]:
        """How many feet the clock has in the air, and how many of these nothing bears, as of a `Gait`."""
        return self.clock.metrics(state, physics)

    def constants(self) -> dict[str, Float[Array, ""]]:
        return self.clock.constants()
