"""What a gate measures of one robot at one control step."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ... import rotation
from ...env import EnvState, Timestep
from ...locomotion import velocity_in
from ...robots import Ground, Robot, above


class Measurement(eqx.Module):
    """One sample, at the end of a control step; forces and torques are those of its last substep."""

    position: Float[Array, "*batch 2"]  # m, of the base: along the commanded heading, and to its left
    heading: Float[Array, "*batch"]  # rad, in the world
    heading_error: Float[Array, "*batch"]  # rad, measured minus commanded
    pitch: Float[Array, "*batch"]  # rad, of the trunk that carries the first IMU, positive nose down
    tilt: Float[Array, "*batch"]  # rad, of the same trunk's up axis from the vertical
    base_speed: Float[Array, "*batch"]  # m/s, horizontal
    foot_height: Float[Array, "*batch nfoot"]  # m, of each sole site above the floor under it
    foot_load: Float[Array, "*batch nfoot"]  # N, vertical force of the floor
    foot_speed: Float[Array, "*batch nfoot"]  # m/s, horizontal speed of each sole site
    torque: Float[Array, "*batch nu"]  # N m
    joint_speed: Float[Array, "*batch nu"]  # rad/s
    action: Float[Array, "*batch nu"]
    fallen: Bool[Array, "*batch"]

    @property
    def finite(self) -> Bool[Array, ""]:
        """No figure of this sample is NaN or infinite."""
        floats = (getattr(self, name) for name in Measurement.__dataclass_fields__ if name != "fallen")
        return jnp.stack([jnp.all(jnp.isfinite(value)) for value in floats]).all()


def measure(robot: Robot, state: EnvState, timestep: Timestep, ground: Ground | None = None) -> Measurement:
    """Measure one robot after `reset` or `step`; heights are those above the `ground`, where it has any."""
    physics, command = state.physics, velocity_in(state.commands)
    angle = command.origin + command.target
    place = physics.xpos[robot.need("base", "the gate").body]
    trunk = robot.imu().quat.read(physics.sensordata)
    foot_linvel = jnp.stack([foot.linvel.read(physics.sensordata) for foot in robot.need("feet", "the gate")])
    return Measurement(
        position=rotation.rotate_z_inverse(angle, place)[:2],
        heading=rotation.yaw(trunk),
        heading_error=rotation.wrap_angle(rotation.yaw(trunk) - angle),
        pitch=rotation.pitch(trunk),
        tilt=jnp.arccos(jnp.clip(1.0 - 2.0 * (trunk[1] ** 2 + trunk[2] ** 2), -1.0, 1.0)),
        base_speed=jnp.linalg.norm(robot.need("base.linvel", "the gate").read(physics.sensordata)[:2]),
        foot_height=jnp.stack([above(ground, physics.site_xpos[foot.site]) for foot in robot.feet]),
        foot_load=physics.foot_force[:, 2],
        foot_speed=jnp.linalg.norm(foot_linvel[:, :2], axis=-1),
        torque=physics.actuator_force,
        joint_speed=robot.joint_velocities(physics.qvel),
        action=state.action,
        fallen=timestep.terminated,
    )
