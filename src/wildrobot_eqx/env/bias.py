"""What is wrong with one robot for as long as it stands, and does not average out."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import f32, named_key, uniform
from ..control import RandomCalibrationError
from ..physics import AbstractRandomiser, PhysicsParams, TiltGravity
from ..robots import Robot
from ..robots.legs import lift_of, soles_at
from .disturbances import Disturbances

_ANKLE = 0.25  # share of the leg's length, below which a joint is one of the ankle


class PersistentBias(AbstractRandomiser):
    """Errors of one robot that last for an episode: a policy that has met none of them leans until it falls.

    A stand trained without them held 20 s in simulation and fell after 48 s on the robot, leaning by 0.2 degrees per
    second. Each is drawn once per episode:

    | error | what is drawn |
    |---|---|
    | servo zeros | an encoder offset of each joint |
    | centre of mass | a shift of that of the base, and of what it carries, along each axis |
    | IMU tilt | a rotation about any axis |
    | floor tilt | an even slope towards any side |
    | uneven legs | by how much each leg is too short or too long, as zeros of its joints that keep the sole level |
    | soft soles | a factor of the stiffness and damping of each leg's lowest joints: a sole is a spring behind them |
    | weak side | a factor of the stiffness and damping of all joints of the left or of the right legs |

    The defaults are those of a small biped that was built by hand; lengths are shares of the leg's length. What a
    robot lacks, such as feet, is left out.

    As a randomiser it draws parameters of the physics; encoders and IMU are errors of its `calibration`. `added_to`
    puts both into their places.

    Args:
        robot: whose sizes, legs and joints they are.
        scale: times all ranges: 1.2 is a fifth beyond.
        servo_zero: of each encoder, rad, to either side.
        centre_of_mass: along each axis, share of the leg's length, to either side.
        imu_tilt: the greatest angle, rad.
        floor_tilt: the greatest angle, rad.
        uneven_legs: of each leg, share of its length, to either side.
        soft_soles: the share of the ankles' stiffness that the softest sole takes away.
        weak_side: the share of a side's stiffness that is missing at most.
    """

    bodies: Float[Array, " nbody"]  # 1 for those whose centre of mass moves
    shift: Float[Array, " 2"]  # m
    floor: Float[Array, " 2"]  # rad
    ankles: Float[Array, "leg nu"]  # 1 for the joints of each leg that turn its foot
    soft: Float[Array, " 2"]  # share of their stiffness
    sides: Float[Array, "2 nu"]  # 1 for the joints of the legs on the left, and on the right
    weak: Float[Array, " 2"]  # share of their stiffness
    zeros: Float[Array, " 2"]  # rad
    tilt: Float[Array, " 2"]  # rad
    lifts: Float[Array, "leg nu"] | None  # rad per m, joints that lift a sole and keep it level
    uneven: Float[Array, " 2"]  # m

    def __init__(
        self,
        robot: Robot,
        scale: float = 1.0,
        servo_zero: float = 0.026,
        centre_of_mass: float = 0.02,
        imu_tilt: float = 0.026,
        floor_tilt: float = 0.026,
        uneven_legs: float = 0.005,
        soft_soles: float = 0.3,
        weak_side: float = 0.15,
    ):
        mj, length = robot.model.mj, robot.leg_length
        home, sole = np.asarray(robot.home_qpos, np.float64), {foot.name: foot.site for foot in robot.feet}
        legs = [leg for leg in robot.legs if leg.joints]
        place = {name: i for i, name in enumerate(robot.joint_names)}
        ankles, sides, lifts = np.zeros((len(legs), robot.nu)), np.zeros((2, robot.nu)), np.zeros((len(legs), robot.nu))
        for i, leg in enumerate(legs):
            (where,) = soles_at(mj, home, (sole[leg.foot],))
            own = [place[joint.name] for joint in leg.joints]
            sides[0 if where[1] > 0.0 else 1, own] = 1.0
            ankles[i, own] = [float(joint.height < _ANKLE * leg.length) for joint in leg.joints]
            lift = lift_of(mj, home, sole[leg.foot], [robot.joint_dof[k] for k in own], leg.length)
            lifts[i, own] = 0.0 if lift is None else lift
        bodies = np.zeros(mj.nbody)
        if robot.base is not None:
            carries = {int(mj.jnt_bodyid[mj.joint(joint.name).id]) for leg in legs for joint in leg.joints}
            for body in range(robot.base.body, mj.nbody):
                bodies[body] = float(mj.body_mass[body] > 0.0 and not carries & set(_above(mj, body)))
        shift = scale * centre_of_mass * length
        self.bodies, self.shift = f32(bodies), f32((-shift, shift))
        self.floor = f32((0.0, scale * floor_tilt))
        self.ankles, self.soft = f32(ankles), f32((max(0.1, 1.0 - scale * soft_soles), 1.0))
        self.sides, self.weak = f32(sides), f32((max(0.1, 1.0 - scale * weak_side), 1.0))
        self.zeros, self.tilt = f32((-scale * servo_zero, scale * servo_zero)), f32((0.0, scale * imu_tilt))
        self.lifts = f32(lifts) if lifts.any() else None
        self.uneven = f32((-scale * uneven_legs * length, scale * uneven_legs * length))

    @property
    def calibration(self) -> RandomCalibrationError:
        """Zeros of servos, uneven legs among them, and the IMU's mounting."""
        return RandomCalibrationError(self.zeros, self.tilt, together=self.lifts, together_size=self.uneven)

    def __call__(self, key: PRNGKeyArray, params: PhysicsParams) -> PhysicsParams:
        shift = uniform(named_key(key, "centre_of_mass"), self.shift, (3,))
        params = TiltGravity(self.floor)(named_key(key, "floor"), params)
        soft = uniform(named_key(key, "soft"), self.soft, self.ankles.shape[:1])
        weak = uniform(named_key(key, "weak"), self.weak)
        side = self.sides[jax.random.bernoulli(named_key(key, "side")).astype(jnp.int32)]
        gain = jnp.prod(1.0 - self.ankles * (1.0 - soft[:, None]), axis=0) * (1.0 - side * (1.0 - weak))
        return eqx.tree_at(
            lambda p: (p.body_ipos, p.actuator_gainprm, p.actuator_biasprm),
            params,
            (
                params.body_ipos + self.bodies[:, None] * shift,
                params.actuator_gainprm * gain[:, None],
                params.actuator_biasprm * gain[:, None],
            ),
        )

    def added_to(self, disturbances: Disturbances | None = None) -> Disturbances:
        """Disturbances with these errors, too: as the last randomiser, and calibration errors in place of theirs."""
        old = Disturbances() if disturbances is None else disturbances
        return dataclasses.replace(old, randomisers=(*old.randomisers, self), calibration=self.calibration)


def _above(mj: Any, body: int) -> list[int]:
    found = []
    while body:
        found.append(body)
        body = int(mj.body_parentid[body])
    return found
