"""Sensors. Source: MuJoCo's documentation, XML reference, "sensor", and Computation, "Sensors"."""

import dataclasses
import functools
from typing import Any

import mujoco

from ...robots import Model
from .actuation import actuator_length, actuator_velocity
from .cones import Axes
from .constraints import Touch
from .contact_sensors import Side, net_force, sides, touch_force
from .kinematics import Poses, Velocities, centre_of_mass
from .model import Place
from .scalar import Scalar, clip, minimum, total
from .spatial import (
    IDENTITY,
    ZERO,
    Mat,
    Quat,
    Spatial,
    Vec,
    add,
    apply,
    apply_transposed,
    at,
    column,
    cross,
    quat_multiply,
    quat_unit,
    sub,
)

_SENSOR, _OBJECT, _STAGE = mujoco.mjtSensor, mujoco.mjtObj, mujoco.mjtStage
_REAL, _POSITIVE = int(mujoco.mjtDataType.mjDATATYPE_REAL), int(mujoco.mjtDataType.mjDATATYPE_POSITIVE)
LATE = int(_STAGE.mjSTAGE_ACC)
Readings = dict[int, Scalar]  # by address in sensordata

_KINDS = (
    "MAGNETOMETER",
    *("JOINTPOS", "JOINTVEL", "JOINTACTFRC", "ACTUATORPOS", "ACTUATORVEL", "ACTUATORFRC", "BALLQUAT", "BALLANGVEL"),
    *("FRAMEPOS", "FRAMEQUAT", "FRAMEXAXIS", "FRAMEYAXIS", "FRAMEZAXIS", "FRAMELINVEL", "FRAMEANGVEL"),
    *("FRAMELINACC", "FRAMEANGACC", "ACCELEROMETER", "GYRO", "VELOCIMETER", "SUBTREECOM", "SUBTREELINVEL"),
    *("TOUCH", "CONTACT", "CLOCK"),
)
NAMES = {int(getattr(_SENSOR, f"mjSENS_{name}")): name for name in _KINDS}
OBJECTS = {int(getattr(_OBJECT, f"mjOBJ_{name}")): name for name in ("BODY", "XBODY", "GEOM", "SITE")}


@dataclasses.dataclass(frozen=True)
class TreeSensor:
    """One sensor as the model defines it."""

    kind: str
    address: int
    objects: tuple[tuple[str, int], ...]  # what it reads, and in which frame, by kind and index
    cutoff: float
    positive: bool
    stage: int
    size: int
    sides: tuple[Side | None, Side | None] = (None, None)  # of a contact sensor: what it matches


@functools.lru_cache(maxsize=32)
def read_sensors(model: Model) -> tuple[TreeSensor, ...]:
    """The model's sensors; the class check has passed."""
    mj, out = model.mj, []
    for i in range(mj.nsensor):
        pairs = [(mj.sensor_objtype[i], mj.sensor_objid[i]), (mj.sensor_reftype[i], mj.sensor_refid[i])]
        objects = tuple((OBJECTS.get(int(kind), ""), int(index)) for kind, index in pairs if index >= 0)
        kind = NAMES[int(mj.sensor_type[i])]
        real = int(mj.sensor_datatype[i]) in (_REAL, _POSITIVE)
        positive = int(mj.sensor_datatype[i]) == _POSITIVE
        cutoff = float(mj.sensor_cutoff[i]) if real and kind != "CONTACT" else 0.0
        out.append(
            TreeSensor(
                kind,
                int(mj.sensor_adr[i]),
                objects,
                cutoff,
                positive,
                int(mj.sensor_needstage[i]),
                int(mj.sensor_dim[i]),
                sides(mj, i),
            )
        )
    return tuple(out)


class _Frames:
    """Poses of what sensors are fixed to."""

    def __init__(self, model: Model, poses: Poses, centres: list[Vec]):
        self.mj, self.poses, self.centres = model.mj, poses, centres

    def place(self, target: tuple[str, int]) -> Place:
        kind, i = target
        if kind == "SITE":
            return self.poses.tree.sites[i]
        if kind == "GEOM":
            return self.poses.tree.geoms[i]
        if kind == "BODY":
            return Place(i, self.centres[i], _quat4(self.mj.body_iquat[i]))
        return Place(i, ZERO, (1.0, 0.0, 0.0, 0.0))

    def pose(self, target: tuple[str, int]) -> tuple[int, Vec, Mat]:
        """Body, offset from the tree's origin, rotation to the world."""
        place = self.place(target)
        offset, rotation = self.poses.place(place)
        return place.body, offset, rotation

    def position(self, target: tuple[str, int]) -> Vec:
        place = self.place(target)
        shift = apply(self.poses.rotation[place.body], place.pos)
        return add(self.poses.position(place.body), shift)

    def difference(self, a: tuple[str, int], b: tuple[str, int]) -> Vec:
        """The way from b to a, without the origin that they may share."""
        (body_a, at_a, _), (body_b, at_b, _) = self.pose(a), self.pose(b)
        bodies = self.poses.tree.bodies
        if bodies[body_a].tree == bodies[body_b].tree:
            return sub(at_a, at_b)
        return sub(self.position(a), self.position(b))


def _quat4(values: Any) -> Quat:
    w, x, y, z = values
    return (w, x, y, z) if isinstance(values, list) else (float(w), float(x), float(y), float(z))


def _cut(sensor: TreeSensor, values: list[Scalar]) -> Readings:
    if sensor.cutoff > 0.0:
        if sensor.positive:
            values = [minimum(v, sensor.cutoff) for v in values]
        else:
            values = [clip(v, -sensor.cutoff, sensor.cutoff) for v in values]
    return {sensor.address + k: v for k, v in enumerate(values)}


def position_sensors(
    model: Model, p: Poses, quats: list[Quat], qpos: list[Scalar], time: Scalar, mass: list[Scalar], centres: list[Vec]
) -> Readings:
    """Readings of the sensors that positions decide."""
    frames = _Frames(model, p, centres)
    out: Readings = {}
    for s in read_sensors(model):
        if s.stage == int(_STAGE.mjSTAGE_POS):
            out |= _cut(s, _position(model, frames, s, quats, qpos, time, mass))
    return out


def _position(
    model: Model,
    frames: _Frames,
    s: TreeSensor,
    quats: list[Quat],
    qpos: list[Scalar],
    time: Scalar,
    mass: list[Scalar],
) -> list[Scalar]:
    mj, p, index = model.mj, frames.poses, s.objects[0][1] if s.objects else 0
    if s.kind == "CLOCK":
        return [time]
    if s.kind == "JOINTPOS":
        return [qpos[mj.jnt_qposadr[index]]]
    if s.kind == "ACTUATORPOS":
        return [actuator_length(p.tree, index, qpos)]
    if s.kind == "BALLQUAT":
        first = int(mj.jnt_qposadr[index])
        return list(quat_unit(_quat4(qpos[first : first + 4])))
    if s.kind == "SUBTREECOM":
        return list(subtree_centre(p, index, mass, frames.centres))
    if s.kind == "MAGNETOMETER":
        return list(apply_transposed(frames.pose(("SITE", index))[2], p.tree.magnetic))
    target, reference = s.objects[0], s.objects[1] if len(s.objects) > 1 else None
    rotation = frames.pose(reference)[2] if reference else IDENTITY
    if s.kind == "FRAMEPOS":
        way = frames.difference(target, reference) if reference else frames.position(target)
        return list(apply_transposed(rotation, way))
    if s.kind == "FRAMEQUAT":
        quat = _quat(frames, quats, target)
        if reference:
            w, x, y, z = _quat(frames, quats, reference)
            quat = quat_multiply((w, -x, -y, -z), quat)
        return list(quat)
    axis = column(frames.pose(target)[2], "XYZ".index(s.kind[5]))
    return list(apply_transposed(rotation, axis))


def _quat(frames: _Frames, quats: list[Quat], target: tuple[str, int]) -> Quat:
    place = frames.place(target)
    return quat_multiply(quats[place.body], place.quat)


def subtree_centre(p: Poses, body: int, mass: list[Scalar], centres: list[Vec]) -> Vec:
    """The centre of mass of a body and its descendants, m, world frame."""
    world = [add(p.position(b), apply(p.rotation[b], centres[b])) for b in range(len(p.tree.bodies))]
    return centre_of_mass(p, body, mass, world)


def velocity_sensors(
    model: Model, p: Poses, v: Velocities, qvel: list[Scalar], mass: list[Scalar], centres: list[Vec]
) -> Readings:
    """Readings of the sensors that velocities decide."""
    frames = _Frames(model, p, centres)
    out: Readings = {}
    for s in read_sensors(model):
        if s.stage == int(_STAGE.mjSTAGE_VEL):
            out |= _cut(s, _velocity(model, frames, s, v, qvel, mass))
    return out


def _velocity(
    model: Model, frames: _Frames, s: TreeSensor, v: Velocities, qvel: list[Scalar], mass: list[Scalar]
) -> list[Scalar]:
    mj, tree, (target, *rest) = model.mj, frames.poses.tree, s.objects
    index = target[1]
    if s.kind == "JOINTVEL":
        return [qvel[mj.jnt_dofadr[index]]]
    if s.kind == "ACTUATORVEL":
        return [actuator_velocity(tree, index, qvel)]
    if s.kind == "BALLANGVEL":
        first = int(mj.jnt_dofadr[index])
        return qvel[first : first + 3]
    if s.kind == "SUBTREELINVEL":
        return list(_subtree_velocity(frames, v, index, mass))
    body, offset, rotation = frames.pose(("SITE", index) if s.kind in ("GYRO", "VELOCIMETER") else target)
    spin, speed = v.body[body][0], at(v.body[body], offset)
    if s.kind in ("GYRO", "VELOCIMETER"):
        return list(apply_transposed(rotation, spin if s.kind == "GYRO" else speed))
    if not rest:
        return list(spin if s.kind == "FRAMEANGVEL" else speed)
    base, base_offset, base_rotation = frames.pose(rest[0])
    base_spin = v.body[base][0]
    if s.kind == "FRAMEANGVEL":
        return list(apply_transposed(base_rotation, sub(spin, base_spin)))
    way = frames.difference(target, rest[0])
    relative = sub(sub(speed, at(v.body[base], base_offset)), cross(base_spin, way))
    return list(apply_transposed(base_rotation, relative))


def _subtree_velocity(frames: _Frames, v: Velocities, root: int, mass: list[Scalar]) -> Vec:
    tree, inside = frames.poses.tree, [root]
    for b in range(root + 1, len(tree.bodies)):
        if tree.bodies[b].parent in inside:
            inside.append(b)
    speeds = {b: at(v.body[b], frames.pose(("BODY", b))[1]) for b in inside}
    whole = total(mass[b] for b in inside)
    x, y, z = (total(mass[b] * speeds[b][k] for b in inside) / whole for k in range(3))
    return (x, y, z)


@dataclasses.dataclass
class Forces:
    """What the sensors of accelerations and forces read from."""

    acceleration: list[Spatial]  # of bodies, the world falling up
    touches: list[Touch]
    contact: list[Axes]
    actuator: list[Scalar]
    joint: list[Scalar]  # of the actuators


def acceleration_sensors(model: Model, p: Poses, v: Velocities, f: Forces, centres: list[Vec]) -> Readings:
    """Readings of the sensors that accelerations and forces decide."""
    frames = _Frames(model, p, centres)
    out: Readings = {}
    for s in read_sensors(model):
        if s.stage == LATE:
            out |= _cut(s, _acceleration(model, frames, s, v, f))
    return out


def _acceleration(model: Model, frames: _Frames, s: TreeSensor, v: Velocities, f: Forces) -> list[Scalar]:
    mj = model.mj
    if s.kind == "CONTACT":
        return list(net_force(mj, f.touches, f.contact, s.sides))
    target = s.objects[0]
    index = target[1]
    if s.kind == "ACTUATORFRC":
        return [f.actuator[index]]
    if s.kind == "JOINTACTFRC":
        return [f.joint[mj.jnt_dofadr[index]]]
    if s.kind == "TOUCH":
        body, offset, rotation = frames.pose(("SITE", index))
        shape = int(mj.site_type[index]), tuple(float(x) for x in mj.site_size[index])
        return [touch_force(f.touches, f.contact, body, offset, rotation, shape)]
    body, offset, rotation = frames.pose(("SITE", index) if s.kind == "ACCELEROMETER" else target)
    if s.kind == "FRAMEANGACC":
        return list(f.acceleration[body][0])
    speed, spin = at(v.body[body], offset), v.body[body][0]
    felt = add(at(f.acceleration[body], offset), cross(spin, speed))
    return list(apply_transposed(rotation, felt) if s.kind == "ACCELEROMETER" else felt)
