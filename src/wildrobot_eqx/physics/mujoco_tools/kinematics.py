"""Forward kinematics of one sensor, for those who move a state without asking the engine."""

import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float

from ...errors import WildRobotError
from ...robots import Mirror, Model, Robot, Sensor
from ...rotation import quat_multiply

_JOINT = mujoco.mjtJoint
_OBJECT = mujoco.mjtObj


def sensor_quat(model: Model, sensor: Sensor, qpos: Float[Array, " nq"]) -> Float[Array, " 4"]:
    """What the orientation sensor `sensor` (a framequat in the world) reads at `qpos`: wxyz, body to world.

    Only the bodies between the sensor and the world are gone through, so that it costs a
    few multiplications. Source: MuJoCo's documentation, Computation, "Forward kinematics".

    Raises:
        WildRobotError: the sensor does not read a body's or a site's orientation in the world.
    """
    mj = model.mj
    body, last = _place(model, sensor)
    chain = []
    while body:
        chain.append(body)
        body = int(mj.body_parentid[body])
    quat = jnp.asarray([1.0, 0.0, 0.0, 0.0], jnp.float32)
    for body in reversed(chain):
        quat = quat_multiply(quat, jnp.asarray(mj.body_quat[body], jnp.float32))
        first = int(mj.body_jntadr[body])
        for joint in range(first, first + int(mj.body_jntnum[body])):
            at = int(mj.jnt_qposadr[joint])
            kind = mj.jnt_type[joint]
            if kind == _JOINT.mjJNT_FREE:
                quat = _unit(qpos[at + 3 : at + 7])
            elif kind == _JOINT.mjJNT_BALL:
                quat = quat_multiply(quat, _unit(qpos[at : at + 4]))
            elif kind == _JOINT.mjJNT_HINGE:
                half = 0.5 * (qpos[at] - jnp.float32(mj.qpos0[at]))
                axis = jnp.asarray(mj.jnt_axis[joint], jnp.float32)
                quat = quat_multiply(quat, jnp.concatenate([jnp.cos(half)[None], jnp.sin(half) * axis]))
    return quat_multiply(quat, jnp.asarray(last, jnp.float32))


def base_translation(robot: Robot) -> Float[np.ndarray, "nv 3"]:
    """What a velocity of the base in the world adds to `qvel`: `qvel += result @ velocity`.

    A robot whose base moves on slides, its own or those of bodies above it, takes the part along their axes.

    Raises:
        WildRobotError: the robot has no base.
    """
    mj = robot.model.mj
    rows = np.zeros((mj.nv, 3))
    body = robot.need("base", "base_translation").body
    while body:
        for joint in range(mj.body_jntadr[body], mj.body_jntadr[body] + mj.body_jntnum[body]):
            dof = mj.jnt_dofadr[joint]
            if mj.jnt_type[joint] == _JOINT.mjJNT_FREE:
                rows[dof : dof + 3] = np.eye(3)
            elif mj.jnt_type[joint] == _JOINT.mjJNT_SLIDE:
                rows[dof] = mj.jnt_axis[joint]
        body = int(mj.body_parentid[body])
    return rows


def _place(model: Model, sensor: Sensor) -> tuple[int, Float[np.ndarray, " 4"]]:
    """The body that carries the sensor, and the sensor's orientation in it."""
    mj = model.mj
    entry = mj.sensor(sensor.name)
    kind, target = int(entry.objtype[0]), int(entry.objid[0])
    if entry.type[0] == mujoco.mjtSensor.mjSENS_FRAMEQUAT and entry.refid[0] < 0:
        if kind == _OBJECT.mjOBJ_SITE:
            return int(mj.site_bodyid[target]), mj.site_quat[target]
        if kind == _OBJECT.mjOBJ_XBODY:
            return target, np.array([1.0, 0.0, 0.0, 0.0])
        if kind == _OBJECT.mjOBJ_BODY:
            return target, mj.body_iquat[target]
    raise WildRobotError(
        f"The sensor {sensor.name!r} does not read the orientation of a body or a site in the world.",
        where="<sensor> of the robot's MJCF",
        hint="make it a <framequat> of a site, without a reference frame",
    )


def _unit(quat: Float[Array, " 4"]) -> Float[Array, " 4"]:
    return quat / jnp.linalg.norm(quat)


def feet_mirror(robot: Robot) -> Mirror:
    """Reflection of a vector with an entry per foot: each takes that of the foot nearest to its mirror image."""
    places = home_sites(robot)[[foot.site for foot in robot.feet]] if robot.feet else np.zeros((0, 3))
    images = places * np.array([1.0, -1.0, 1.0])
    source = tuple(int(np.argmin(np.linalg.norm(places - image, axis=1))) for image in images)
    return Mirror(source, (1.0,) * len(source))


def home_sites(robot: Robot) -> Float[np.ndarray, "nsite 3"]:
    """Where the robot's sites are in its home pose, m, world frame."""
    data = mujoco.MjData(robot.model.mj)
    data.qpos[:] = np.asarray(robot.home_qpos)
    mujoco.mj_kinematics(robot.model.mj, data)
    return data.site_xpos.copy()
