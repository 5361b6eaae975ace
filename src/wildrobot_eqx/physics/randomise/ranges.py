"""Each joint and body within a range of its own: what is known of one robot, and how well."""

from collections.abc import Mapping

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ...arrays import Pair, f32, named_key
from ...errors import WildRobotError, nearest
from ...robots import Robot
from ..params import PhysicsParams
from .base import AbstractRandomiser
from .bodies import body_index

_ONE: Pair = (1.0, 1.0)


class MemberRanges(AbstractRandomiser):
    """Scales joints and bodies, and shifts centres of mass, each by a draw from a range of its own.

    Ratios are to the parameters that come in. Who is not named stays as it is. A body's inertia is scaled with its
    mass; a shift leaves its inertia about its centre of mass.

    Args:
        robot: whose joints and bodies they are.
        stiffness: ratio of a position servo's stiffness and damping, by joint.
        strength: ratio of all torque limits.
        damping: ratio of viscous friction, by joint.
        friction: ratio of dry friction, by joint.
        armature: ratio of the inertia of all motors and gears.
        mass: ratio, by body.
        shift: of the centre of mass in the body's frame, m, by "BODY.AXIS" with the axes x, y and z.
        sole_friction: ratio of all sliding friction.

    Raises:
        WildRobotError: the robot has no such joint or body.
    """

    stiffness: Float[Array, "nu 2"]
    strength: Float[Array, " 2"]
    damping: Float[Array, "nv 2"]
    friction: Float[Array, "nv 2"]
    armature: Float[Array, "nv 2"]
    mass: Float[Array, "nbody 2"]
    shift: Float[Array, "nbody 3 2"]  # m
    sole_friction: Float[Array, " 2"]

    def __init__(
        self,
        robot: Robot,
        stiffness: Mapping[str, Pair] | None = None,
        strength: Pair = _ONE,
        damping: Mapping[str, Pair] | None = None,
        friction: Mapping[str, Pair] | None = None,
        armature: Pair = _ONE,
        mass: Mapping[str, Pair] | None = None,
        shift: Mapping[str, Pair] | None = None,
        sole_friction: Pair = _ONE,
    ):
        nv, nbody, names = robot.nv, robot.model.mj.nbody, robot.joint_names
        dof = dict(zip(names, robot.joint_dof))
        self.stiffness = f32(_filled(np.ones((robot.nu, 2)), stiffness, dict(zip(names, range(robot.nu)))))
        self.damping = f32(_filled(np.ones((nv, 2)), damping, dof))
        self.friction = f32(_filled(np.ones((nv, 2)), friction, dof))
        self.armature = f32(_filled(np.ones((nv, 2)), dict.fromkeys(names, armature), dof))
        self.strength, self.sole_friction = f32(strength), f32(sole_friction)
        bodies = {name: body_index(robot, name, self) for name in mass or {}}
        self.mass = f32(_filled(np.ones((nbody, 2)), mass, bodies))
        moved = np.zeros((nbody, 3, 2))
        for name, span in (shift or {}).items():
            body, _, axis = name.rpartition(".")
            if axis not in ("x", "y", "z"):
                raise WildRobotError(
                    f"A shift is of a body along x, y or z, got {name!r}.", where="MemberRanges", hint='"waist.x"'
                )
            moved[body_index(robot, body, self), "xyz".index(axis)] = span
        self.shift = f32(moved)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        def draw(name: str, span: Float[Array, "*shape 2"]) -> Float[Array, "*shape"]:
            low, high = span[..., 0], span[..., 1]
            return low + (high - low) * jax.random.uniform(named_key(key, name), low.shape, low.dtype)

        gain, mass = draw("stiffness", self.stiffness)[:, None], draw("mass", self.mass)
        slide = draw("sole_friction", self.sole_friction)
        return eqx.tree_at(
            lambda p: (
                *(p.actuator_gainprm, p.actuator_biasprm, p.actuator_forcerange, p.dof_damping, p.dof_frictionloss),
                *(p.dof_armature, p.body_mass, p.body_inertia, p.body_ipos, p.geom_friction, p.pair_friction),
            ),
            params,
            (
                params.actuator_gainprm * gain,
                params.actuator_biasprm * gain,
                params.actuator_forcerange * draw("strength", self.strength),
                params.dof_damping * draw("damping", self.damping),
                params.dof_frictionloss * draw("friction", self.friction),
                params.dof_armature * draw("armature", self.armature),
                params.body_mass * mass,
                params.body_inertia * mass[:, None],
                params.body_ipos + draw("shift", self.shift),
                params.geom_friction.at[:, 0].multiply(slide),
                params.pair_friction.at[:, :2].multiply(slide),
            ),
        )


def _filled(
    values: Float[np.ndarray, "n 2"], ranges: Mapping[str, Pair] | None, place: Mapping[str, int]
) -> Float[np.ndarray, "n 2"]:
    for name, span in (ranges or {}).items():
        if name not in place:
            raise WildRobotError(f"The robot has no member {name!r}.", where="MemberRanges", hint=nearest(name, place))
        values[place[name]] = span
    return values
