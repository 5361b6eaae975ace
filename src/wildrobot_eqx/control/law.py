"""What servo models shape: the law by which each joint is driven, in actuator order."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import WildRobotError
from ..physics import PhysicsParams, PhysicsState
from ..robots import Robot


class Joints(eqx.Module):
    """The actuated joints as their servos see them."""

    position: Float[Array, " nu"]  # rad, the encoder's reading: the true angle plus its offset
    velocity: Float[Array, " nu"]  # rad/s
    torque: Float[Array, " nu"]  # N m, what the actuator gave in the last substep, drag and friction not included
    armature: Float[Array, " nu"]  # kg m^2, of motor and gears, at the joint


class ServoLaw(eqx.Module):
    """The law that holds for one stretch of time, evaluated by the engine in every substep.

    `torque = clip(stiffness * (target - position) - damping * velocity, -limit, limit)
    - drag * velocity`, and dry friction of at most `friction` against the motion. These are
    the terms of MuJoCo's position actuator and joint (Computation, "Actuation model" and
    "Friction loss"), so every engine has them, at the accuracy of its own timestep.
    """

    target: Float[Array, " nu"]  # rad, as the encoders read it
    stiffness: Float[Array, " nu"]  # N m/rad
    damping: Float[Array, " nu"]  # N m s/rad, inside the limit
    limit: Float[Array, " nu"]  # N m
    drag: Float[Array, " nu"]  # N m s/rad, outside of the limit: back-EMF and viscous friction
    friction: Float[Array, " nu"]  # N m, Coulomb


class ServoParams(eqx.Module):
    """The servos' entries of `PhysicsParams`: laws are read from them and written to them.

    Raises:
        WildRobotError: an actuator is no position servo, which is what a `ServoLaw` describes.
    """

    robot: Robot

    def __check_init__(self) -> None:
        mj = self.robot.model.mj
        for i, name in enumerate(self.robot.joint_names):
            gain, bias = mj.actuator_gainprm[i], mj.actuator_biasprm[i]
            if gain[0] != -bias[1] or gain[0] <= 0.0 or bias[0] != 0.0 or mj.actuator_gear[i, 0] != 1.0:
                raise WildRobotError(
                    f"The actuator of joint {name!r} is no plain position servo, so no servo model can drive it.",
                    where=f"<actuator> of robot {self.robot.name!r}",
                    hint='use <position joint="..." kp="..." kv="..." forcerange="..."/> with gear 1',
                )

    def joints(self, params: PhysicsParams, state: PhysicsState, offset: Float[Array, " nu"]) -> Joints:
        """The joints of `state`, whose encoders read `offset` (rad) too much."""
        dofs = np.array(self.robot.joint_dof)
        return Joints(
            position=self.robot.joints(state.qpos) + offset,
            velocity=self.robot.joint_velocities(state.qvel),
            torque=state.actuator_force,
            armature=params.dof_armature[dofs],
        )

    def read(self, params: PhysicsParams, target: Float[Array, " nu"]) -> ServoLaw:
        """The law that `params` alone describes: MuJoCo's own position servo."""
        dofs = np.array(self.robot.joint_dof)
        return ServoLaw(
            target=target,
            stiffness=params.actuator_gainprm[:, 0],
            damping=-params.actuator_biasprm[:, 2],
            limit=params.actuator_forcerange[:, 1],
            drag=params.dof_damping[dofs],
            friction=params.dof_frictionloss[dofs],
        )

    def write(self, params: PhysicsParams, law: ServoLaw) -> PhysicsParams:
        """`params` with the law in place; the target is the engine's command."""
        dofs = np.array(self.robot.joint_dof)
        bias = params.actuator_biasprm.at[:, 1].set(-law.stiffness).at[:, 2].set(-law.damping)
        return dataclasses.replace(
            params,
            actuator_gainprm=params.actuator_gainprm.at[:, 0].set(law.stiffness),
            actuator_biasprm=bias,
            actuator_forcerange=jnp.stack([-law.limit, law.limit], axis=1),
            dof_damping=params.dof_damping.at[dofs].set(law.drag),
            dof_frictionloss=params.dof_frictionloss.at[dofs].set(law.friction),
        )
