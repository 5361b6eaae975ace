"""The robot as an MJCF of its own: links, soles, sites, actuators, sensors and the home pose."""

import dataclasses
import re

import mujoco
import numpy as np
from jaxtyping import Float

from .bodies import add_links, new_spec, quaternion
from .gains import Gain
from .skeleton import Link, Shape
from .stance import Stand

FLOOR = "floor"
_KINDS, _OBJ, _SENS = mujoco.mjtGeom, mujoco.mjtObj, mujoco.mjtSensor
_SHOWN = {int(getattr(_KINDS, f"mjGEOM_{kind}")) for kind in ("BOX", "SPHERE", "CAPSULE", "CYLINDER", "ELLIPSOID")}
_LEAST = 1e-3  # m, half the thickness of what is drawn
_STEP, _EXPLICIT = 0.005, 0.9  # s; share of a joint's speed that its damping may take in such a step of Euler's method
_SHELL, _SOLE, _MARK = (0.62, 0.67, 0.72, 1.0), (0.15, 0.15, 0.16, 1.0), (0.9, 0.1, 0.1, 1.0)


@dataclasses.dataclass(frozen=True)
class Imported:
    """All that the two files of a robot say."""

    name: str
    about: str
    stand: Stand
    home: dict[str, float]  # rad, by joint
    height: float  # m, of the root
    gains: tuple[Gain, ...]
    feet: tuple[str, ...]
    imu: tuple[int, Float[np.ndarray, " 3"]]  # link, place


def robot_spec(robot: Imported, source: mujoco.MjModel, comment: str) -> mujoco.MjSpec:
    """The MJCF, not compiled yet, with a comment at its head."""
    skeleton = robot.stand.body.skeleton
    spec = new_spec(robot.name)
    spec.comment = re.sub("-(?=-)", "- ", comment)  # XML has no two dashes in a comment
    _scene(spec, robot)
    armature = {gain.joint: gain.armature for gain in robot.gains}
    damping = {gain.joint: gain.damping for gain in robot.gains}
    frictionloss = {gain.joint: gain.frictionloss for gain in robot.gains}
    bodies = add_links(spec, skeleton, source, armature, damping, frictionloss)
    bodies[0].pos = [0.0, 0.0, robot.height]
    for body, part in zip(bodies, skeleton.links):
        _draw(body, part)
    for name, sole in zip(robot.feet, robot.stand.soles):
        geom = bodies[sole.link].add_geom(
            name=f"{name}_foot", type=_KINDS(sole.kind), size=sole.size, pos=sole.pos, quat=quaternion(sole.mat)
        )
        geom.mass, geom.contype, geom.conaffinity, geom.condim = 0.0, 1, 0, 3
        geom.friction, geom.priority, geom.group, geom.rgba = sole.friction, sole.priority, 2, _SOLE
    _foot_sites(robot, bodies)
    link, place = robot.imu
    robot.stand.body.pose({})
    axes = robot.stand.body.data.xmat[link + 1].reshape(3, 3).T
    site = bodies[link].add_site(name="imu", pos=place, quat=quaternion(axes), group=4)
    site.type, site.size, site.rgba = _KINDS.mjGEOM_BOX, [0.008, 0.008, 0.002], (0.1, 0.8, 0.3, 1.0)
    for gain in robot.gains:
        actuator = spec.add_actuator(name=gain.joint, target=gain.joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_position(kp=gain.kp, kv=gain.kv)
        actuator.ctrlrange, actuator.ctrllimited = gain.target, True
        actuator.forcerange, actuator.forcelimited = (-gain.torque, gain.torque), True
    _sensors(spec, robot.feet)
    full = robot.stand.body.complete(robot.home)
    held = [full.get(joint.name) for part in skeleton.links for joint in part.joints]
    if None not in held:
        qpos = [0.0, 0.0, robot.height, 1.0, 0.0, 0.0, 0.0, *held]
        spec.add_key(name="home", qpos=qpos, ctrl=[robot.home[gain.joint] for gain in robot.gains])
    spec.option.integrator = _integrator(spec, robot.gains)
    return spec


def _scene(spec: mujoco.MjSpec, robot: Imported) -> None:
    """Floor, light and camera, and the settings of the engine."""
    option = spec.option
    option.timestep, option.integrator, option.iterations, option.ls_iterations = 0.002, 0, 100, 50
    option.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_EULERDAMP)
    spec.stat.center, spec.stat.extent = [0.0, 0.0, 0.6 * robot.height], _extent(robot)
    spec.visual.global_.offwidth, spec.visual.global_.offheight = 1280, 720
    spec.visual.headlight.ambient, spec.visual.headlight.diffuse = [0.35] * 3, [0.45] * 3
    world = spec.worldbody
    light = world.add_light(name="sun", pos=[0, 0, 4], dir=[0.2, 0.3, -1])
    light.type, light.diffuse = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, [0.6] * 3
    sky = spec.add_texture(name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, width=256, height=1536)
    sky.builtin, sky.rgb1, sky.rgb2 = mujoco.mjtBuiltin.mjBUILTIN_GRADIENT, [0.62, 0.74, 0.86], [0.93, 0.95, 0.97]
    tiles = spec.add_texture(name="chequer", type=mujoco.mjtTexture.mjTEXTURE_2D, width=256, height=256)
    tiles.builtin, tiles.rgb1, tiles.rgb2 = mujoco.mjtBuiltin.mjBUILTIN_CHECKER, [0.78, 0.8, 0.82], [0.66, 0.69, 0.72]
    material = spec.add_material(name="floor", texrepeat=[5, 5], texuniform=True)
    material.textures[int(mujoco.mjtTextureRole.mjTEXROLE_RGB)] = "chequer"
    floor = world.add_geom(name=FLOOR, type=_KINDS.mjGEOM_PLANE, size=[0, 0, 0.05], material="floor")
    floor.contype, floor.conaffinity, floor.condim = 1, 1, 3


def _extent(robot: Imported) -> float:
    """The size of the robot at home, m: that of a box around its joints and feet."""
    body = robot.stand.body
    data = body.pose(robot.home)
    points = np.concatenate([data.xanchor[1:], data.xipos[1:], *robot.stand.supports()])
    return 1.1 * float(np.linalg.norm(np.ptp(points, axis=0)))


def _draw(body: mujoco.MjsBody, link: Link) -> None:
    """What a link looks like: its primitives, and a box around each of its meshes; nothing of it collides.

    A mesh that is only drawn is left out where its body has a shape that touches.
    """
    touching = {shape.owner for shape in link.shapes if shape.collides}
    drawn: list[Shape] = []
    for shape in link.shapes:
        itself = shape.kind in _SHOWN or shape.owner not in touching
        if (shape.collides or itself) and not any(_alike(shape, other) for other in drawn):
            drawn.append(shape)
    for shape in drawn:
        kind, size, pos, mat = _box_around(shape) if shape.kind not in _SHOWN else (
            shape.kind, shape.size, shape.pos, shape.mat,
        )  # fmt: skip
        geom = body.add_geom(type=_KINDS(kind), size=size, pos=pos, quat=quaternion(mat))
        geom.mass, geom.contype, geom.conaffinity, geom.group, geom.rgba = 0.0, 0, 0, 2, _SHELL


def _alike(a: Shape, b: Shape) -> bool:
    """Whether two primitives are one, drawn and touched."""
    sizes = ((a.size, b.size), (a.pos, b.pos), (a.mat, b.mat))
    return a.kind == b.kind and a.kind in _SHOWN and all(np.allclose(x, y, atol=1e-6) for x, y in sizes)


def _box_around(
    shape: Shape,
) -> tuple[int, Float[np.ndarray, " 3"], Float[np.ndarray, " 3"], Float[np.ndarray, "3 3"]]:
    """The smaller of two boxes around a mesh: along its link's axes, or along its own."""
    centred = shape.points - shape.points.mean(axis=0)
    own = np.linalg.svd(centred, full_matrices=False)[2].T if len(centred) > 2 else np.eye(3)
    own[:, 2] *= np.sign(np.linalg.det(own))
    boxes = []
    for mat in (np.eye(3), own):
        turned = shape.points @ mat
        low, high = turned.min(axis=0), turned.max(axis=0)
        size = np.maximum(0.5 * (high - low), _LEAST)
        boxes.append((float(size.prod()), size, mat @ (0.5 * (low + high)), mat))
    _, size, pos, mat = boxes[0] if boxes[0][0] <= 1.1 * boxes[1][0] else boxes[1]
    return int(_KINDS.mjGEOM_BOX), size, pos, mat


def _foot_sites(robot: Imported, bodies: list[mujoco.MjsBody]) -> None:
    """A site under each foot, where it touches the floor in the home pose."""
    body = robot.stand.body
    body.pose(robot.home)
    for name, sole, points in zip(robot.feet, robot.stand.soles, robot.stand.supports()):
        axes, origin = body.data.xmat[sole.link + 1].reshape(3, 3), body.data.xpos[sole.link + 1]
        site = bodies[sole.link].add_site(name=f"{name}_foot", pos=axes.T @ (points.mean(axis=0) - origin))
        site.size, site.rgba, site.group, site.quat = [0.005] * 3, _MARK, 4, quaternion(axes.T)


def _sensors(spec: mujoco.MjSpec, feet: tuple[str, ...]) -> None:
    on_imu = {"gyro": _SENS.mjSENS_GYRO, "accel": _SENS.mjSENS_ACCELEROMETER, "quat": _SENS.mjSENS_FRAMEQUAT}
    world = {"global_linvel": _SENS.mjSENS_FRAMELINVEL, "global_angvel": _SENS.mjSENS_FRAMEANGVEL}
    root = spec.worldbody.first_body().name
    for name, kind in on_imu.items():
        spec.add_sensor(name=f"imu_{name}", type=kind, objtype=_OBJ.mjOBJ_SITE, objname="imu")
    for name, kind in world.items():
        spec.add_sensor(name=f"base_{name}", type=kind, objtype=_OBJ.mjOBJ_XBODY, objname=root)
    for foot in feet:
        spec.add_sensor(
            name=f"{foot}_foot_linvel", type=_SENS.mjSENS_FRAMELINVEL, objtype=_OBJ.mjOBJ_SITE, objname=f"{foot}_foot"
        )
        force = spec.add_sensor(name=f"{foot}_foot_force", type=_SENS.mjSENS_CONTACT, objname=FLOOR)
        force.objtype, force.reftype, force.refname = _OBJ.mjOBJ_GEOM, _OBJ.mjOBJ_GEOM, f"{foot}_foot"
        force.intprm[0], force.intprm[1], force.intprm[2] = 1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3, 1


def _integrator(spec: mujoco.MjSpec, gains: tuple[Gain, ...]) -> int:
    """Euler's method where it is stable at physics steps of 5 ms, else implicitfast, which heeds damping."""
    mj = spec.compile()
    data = mujoco.MjData(mj)
    if mj.nkey:
        mujoco.mj_resetDataKeyframe(mj, data, 0)
    mujoco.mj_forward(mj, data)
    full = np.zeros((mj.nv, mj.nv))
    mujoco.mj_fullM(mj, data, full)
    drag = mj.dof_damping.copy()
    for gain in gains:
        drag[mj.jnt_dofadr[mj.joint(gain.joint).id]] += gain.kv
    # The greatest rate of decay, 1/s: the largest eigenvalue of M^-1 D.
    rate = float(np.abs(np.linalg.eigvals(np.linalg.solve(full, np.diag(drag)))).max())
    return int(
        mujoco.mjtIntegrator.mjINT_EULER if rate * _STEP < _EXPLICIT else mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    )
