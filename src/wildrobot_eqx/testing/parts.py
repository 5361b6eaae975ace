"""Conformance of what a robot is made of: observation terms, sensing, controllers, servos and the robot itself."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from ..arrays import f32
from ..check import mirror_stage
from ..control import AbstractController, AbstractServo, RandomCalibrationError, Servos
from ..env import Disturbances, Env
from ..observe import AbstractSensing, AbstractTerm, JointPositions, ObservationStack
from ..robots import Robot
from .common import env_around, prove, require, require_finite, require_mirror, require_same, run

NAME = "tested"


def check_term(term: AbstractTerm, on: Robot | Env) -> None:
    """An observation term is as long as it says, is finite, and its reflection is that of what it reads.

    Args:
        term: the term under test.
        on: a robot, or an env with the commands and the disturbances that the term reads.

    Raises:
        AssertionError: it does not.
    """
    check_terms({NAME: term}, on)


def check_terms(terms: Mapping[str, AbstractTerm], on: Robot | Env) -> None:
    """As `check_term`, for several terms by name in one env: quicker.

    Raises:
        AssertionError: one of them does not keep to the contract.
    """
    measured = {name: term for name, term in terms.items() if term.measurable}
    stacks = {"policy": ObservationStack(measured)} if measured else {}
    env = env_around(on, observations={**stacks, "critic": ObservationStack(terms, policy=False)})
    prove(env)
    for name, term in terms.items():
        _check_term(term, f"{type(term).__name__} {name!r}")
    wrong = mirror_stage(env)
    require(not wrong, "\n".join(str(finding) for finding in wrong))
    for _, timestep in run(env):
        for part in env.observations["critic"].layout:
            require_finite(timestep.obs["critic"][part.start : part.stop], part.name)


def _check_term(term: AbstractTerm, what: str) -> None:
    for field in ("unit", "frame", "source"):
        require(getattr(term, field), f"{what}: its {field} is empty")
    require_mirror(term.mirror, term.size, f"{what}: its mirror")
    if (side := term.side) is not None:
        require(0 <= side < term.size, f"{what}: its side is {side}, of {term.size} numbers")
        mirror = term.mirror
        turned = mirror is not None and mirror.source[side] == side and mirror.sign[side] == -1.0
        require(turned, f"{what}: its side is {side}, whose sign the reflection does not change")
    require_finite(term.constants, f"{what}: its constants")


def check_sensing(sensing: AbstractSensing, on: Robot | Env, term: AbstractTerm | None = None) -> None:
    """A sensing part keeps a reading's length, is finite, and draws the same from the same key.

    Args:
        sensing: the part under test.
        on: a robot, or an env with the disturbances that the part reads.
        term: whose reading it is; the joints' positions if None.

    Raises:
        AssertionError: it does not.
    """
    kind = type(sensing).__name__
    robot = on.physics.robot if isinstance(on, Env) else on
    read = JointPositions(robot) if term is None else term
    parts = {} if isinstance(on, Env) else {"disturbances": Disturbances(calibration=RandomCalibrationError())}
    env = env_around(on, observations={"policy": ObservationStack({NAME: read}, sensing={NAME: (sensing,)})}, **parts)
    prove(env)
    first, second = run(env), run(env)
    for (_, timestep), (_, again) in zip(first, second):
        require_finite(timestep.obs, kind)
        require_same(timestep.obs, again.obs, f"{kind} reads two things in one episode")


def check_controller(controller: AbstractController, on: Robot | Env) -> None:
    """A controller commands finite values for any action, and the mirrored command for the mirrored action.

    Args:
        controller: the controller under test.
        on: a robot, or an env.

    Raises:
        AssertionError: it does not.
    """
    kind, size = type(controller).__name__, controller.action_size
    env = env_around(on, controller=controller)
    prove(env)
    robot = env.physics.robot
    require_mirror(controller.mirror, size, f"{kind}.mirror")
    low, high = np.asarray(robot.ctrl_range).T
    rest = np.asarray(controller.rest())
    require(np.isfinite(rest).all(), f"{kind}.rest is not finite: {rest}")
    require((low - 1e-5 <= rest).all() and (rest <= high + 1e-5).all(), f"{kind}.rest {rest} is outside of ctrl_range")
    actions = jax.random.normal(jax.random.key(0), (4, size), jnp.float32) * f32((0.0, 0.5, 2.0, 1000.0))[:, None]
    for action in actions:
        ctrl, state = controller(controller.init(), action)
        require_finite((ctrl, state), f"{kind}({action})")
        if controller.mirror is not None and robot.mirror is not None:
            mirrored, _ = controller(controller.init(), controller.mirror(action))
            expected = robot.mirror(ctrl)
            require(
                np.allclose(mirrored, expected, rtol=1e-4, atol=1e-4),
                f"{kind} makes {mirrored} of the mirrored action, its mirrored command is {expected}",
            )


def check_servo(servo: AbstractServo, on: Robot | Env) -> None:
    """A servo effect keeps to the contract, and the robot that it drives stays finite.

    Args:
        servo: the part under test.
        on: a robot with position servos, or an env of one.

    Raises:
        AssertionError: it does not.
    """
    kind = type(servo).__name__
    robot = on.physics.robot if isinstance(on, Env) else on
    env = env_around(on, disturbances=Disturbances(servos=Servos(robot, {NAME: servo})))
    prove(env)
    for state, _ in run(env):
        require_finite((state.physics.qpos, state.physics.qvel), kind)
        require_finite(state.disturbances.servo, f"{kind}, state")


def check_robot(robot: Robot) -> None:
    """A robot's names are unique, its addresses lie in its model, its home pose is its own mirror image, and it runs.

    Raises:
        AssertionError: it does not.
    """
    mj = robot.model.mj
    groups = {"joint": robot.joint_names, "foot": [f.name for f in robot.feet], "IMU": [i.name for i in robot.imus]}
    for what, names in groups.items():
        require(len(set(names)) == len(names), f"robot {robot.name!r} has a {what} twice: {', '.join(names)}")
    sensors = [sensor for imu in robot.imus for sensor in (imu.gyro, imu.accel, imu.quat)]
    sensors += [sensor for foot in robot.feet for sensor in (*foot.force.parts, foot.linvel)]
    for sensor in sensors:
        inside = sensor.address >= 0 and sensor.address + sensor.size <= mj.nsensordata
        require(inside, f"robot {robot.name!r}: the sensor {sensor.name!r} lies outside of sensordata")
    require_mirror(robot.mirror, robot.nu, f"robot {robot.name!r}, mirror")
    if robot.mirror is not None:
        home = robot.home_joints
        reflected = robot.mirror(home)
        require(np.allclose(reflected, home, atol=1e-4), f"robot {robot.name!r}: home {home} mirrors to {reflected}")
    low, high = np.asarray(robot.ctrl_range).T
    require((low <= high).all(), f"robot {robot.name!r}: ctrl_range has a low end above its high end")
    require((np.asarray(robot.torque_limit) > 0.0).all(), f"robot {robot.name!r}: a torque limit is not positive")
    env = env_around(robot)
    prove(env)
    for state, _ in run(env):
        require_finite((state.physics.qpos, state.physics.qvel, state.physics.sensordata), f"robot {robot.name!r}")
