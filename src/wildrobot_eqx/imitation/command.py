"""A command that plays a motion clip: its state is the time in the clip, and what the clip asks for then."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import Pair, f32, uniform
from ..observe import Channel
from ..physics import PhysicsState
from ..robots import Robot
from ..task import AbstractCommand
from .clip import ClipFrame, MotionClip


class ClipState(eqx.Module):
    """How far the clip has been played, and what it asks for now; velocities are those at `speed`."""

    phase: Float[Array, ""]  # 0 at the first frame, 1 at the end, which a clip that loops never reaches
    speed: Float[Array, ""]  # 1: as recorded
    frame: ClipFrame


class ClipCommand(AbstractCommand):
    """Plays a clip, from a drawn moment of it and at a drawn speed.

    The moment is drawn before any pose is known, so that a `ClipReset` begins the episode there
    (reference state initialisation: Peng et al. 2018, DeepMimic).

    A policy sees the joints' positions, from home, and velocities that are asked for, and sine
    and cosine of the phase: a full turn where the clip loops, else half a turn. A left-right
    mirror image would be another clip, so learn from it with `symmetric=False`.

    What can be asked for is the speed: 0 holds a pose. `hold` plays from the first frame.

    Args:
        robot: whose joints the clip moves.
        clip: what is played.
        start: from which to which fraction of the clip an episode begins, such as (0, 1): anywhere.
        speed: range of the speed, drawn for each episode; 1 plays the clip as it is.
    """

    clip: MotionClip
    home: Float[Array, " nu"]  # rad
    start_phase: Float[Array, " 2"]
    speed: Float[Array, " 2"]
    joint_qpos: tuple[int, ...] = eqx.field(static=True)
    joint_names: tuple[str, ...] = eqx.field(static=True)

    def __init__(self, robot: Robot, clip: MotionClip, start: Pair = (0.0, 0.0), speed: Pair = (1.0, 1.0)):
        self.clip, self.home = clip, robot.home_joints
        self.start_phase, self.speed = f32(start), f32(speed)
        self.joint_qpos, self.joint_names = robot.joint_qpos, robot.joint_names

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The speed at which the clip is played."""
        return (Channel("speed", "1", 1.0),)

    @property
    def observed(self) -> tuple[Channel, ...]:
        """Each joint's position from home, each joint's velocity, and the phase."""
        positions = tuple(Channel(name, "rad", None) for name in self.joint_names)
        velocities = tuple(Channel(f"{name}_vel", "rad/s", None) for name in self.joint_names)
        return (*positions, *velocities, Channel("phase_sin", "1", None), Channel("phase_cos", "1", None))

    @property
    def needs(self) -> tuple[str, ...]:
        """It reads no other command."""
        return ()

    def bounds(self) -> Float[Array, "channels 2"]:
        return self.speed[None]

    def sample(self, key: PRNGKeyArray) -> ClipState:
        key_phase, key_speed = jax.random.split(key)
        return self._at(uniform(key_phase, self.start_phase), uniform(key_speed, self.speed))

    def start(self, state: ClipState, physics: PhysicsState, others: Mapping[str, Any]) -> ClipState:
        return state

    def step(
        self, key: PRNGKeyArray, state: ClipState, physics: PhysicsState, dt: float, others: Mapping[str, Any]
    ) -> ClipState:
        return self._at(state.phase + dt * state.speed / self.clip.duration, state.speed)

    def observe(self, state: ClipState) -> Float[Array, " observed"]:
        angle = state.phase * (2.0 * jnp.pi if self.clip.loop else jnp.pi)
        phase = jnp.stack([jnp.sin(angle), jnp.cos(angle)])
        return jnp.concatenate([state.frame.joint_pos - self.home, state.frame.joint_vel, phase])

    def hold(self, value: Float[Array, " channels"]) -> "ClipCommand":
        """From the first frame, at the speed `value`."""
        speed = jnp.stack([value[0], value[0]])
        return eqx.tree_at(lambda c: (c.start_phase, c.speed), self, (jnp.zeros_like(self.start_phase), speed))

    def set(self, state: ClipState, value: Float[Array, " channels"]) -> ClipState:
        """The clip goes on from where it is, at the speed `value`."""
        return self._at(state.phase, value[0])

    def asked(self, state: ClipState) -> Float[Array, " channels"]:
        return state.speed[None]

    def metrics(self, state: ClipState, physics: PhysicsState) -> dict[str, Float[Array, ""]]:
        """The mean distance of the joints from the clip, rad."""
        joints = physics.qpos[np.array(self.joint_qpos, int)]
        return {"joint_error": jnp.mean(jnp.abs(joints - state.frame.joint_pos))}

    def constants(self) -> dict[str, Float[Array, ""]]:
        return {"duration": self.clip.duration}

    def _at(self, phase: Float[Array, ""], speed: Float[Array, ""]) -> ClipState:
        """The state at a phase; at its end a clip that does not loop stands still."""
        phase = phase % 1.0 if self.clip.loop else jnp.clip(phase, 0.0, 1.0)
        frame = self.clip.at(phase * self.clip.duration)
        rate = speed if self.clip.loop else jnp.where(phase < 1.0, speed, 0.0)
        moving = (frame.joint_vel, frame.base_linvel, frame.base_angvel)
        scaled = jax.tree.map(lambda velocity: rate * velocity, moving)
        return ClipState(
            phase, speed, eqx.tree_at(lambda f: (f.joint_vel, f.base_linvel, f.base_angvel), frame, scaled)
        )
