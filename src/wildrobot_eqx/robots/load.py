"""Load a robot: robot.toml names what the MJCF cannot."""

import os
from pathlib import Path

import jax.numpy as jnp
import mujoco

from ..errors import WildRobotError, nearest
from ..paths import data_dir
from ..plugins import plugin_names, plugin_path
from .actuators import Actuators, read_actuators
from .inside import check_inside, check_model
from .legs import joints_above
from .mirrors import joint_mirror
from .model import Model, compile_mjcf
from .parts import Base, Foot, FreeBody, Imu, Sensor, Servo
from .robot import Robot
from .sensors import SensorCheck
from .spec import Spec, read_spec

_SIZES = {"gyro": 3, "accel": 3, "quat": 4, "force": 3, "linvel": 3, "angvel": 3, "tracker": 3}
_FREE, _BALL, _SLIDE = (int(getattr(mujoco.mjtJoint, f"mjJNT_{kind}")) for kind in ("FREE", "BALL", "SLIDE"))
_SAME = 1e-4  # m
_NO_LOAD_SPEED = 1e3  # rad/s, of a servo without a datasheet


def robot_names() -> list[str]:
    """The names of the robots that ship with the package, and of those that other packages offer."""
    shipped = {path.parent.name for path in data_dir("robots").glob("*/robot.toml")}
    return sorted(shipped | set(plugin_names("robots")))


def load_robot(robot: str | os.PathLike[str]) -> Robot:
    """Load a robot by its name, or from a folder that holds a robot.toml.

    A name is that of a robot that ships with the package, or of one that another package offers
    by the entry point `wildrobot_eqx.robots`.

    Nothing outside of that folder is read, and nothing in it is executed.

    Raises:
        WildRobotError: no such robot, its files do not fit together, or one refers to something outside.
    """
    folder = Path(robot)
    if not (folder / "robot.toml").is_file():
        folder = data_dir("robots") / str(robot)
    if not (folder / "robot.toml").is_file():
        folder = plugin_path("robots", str(robot)) or folder
    path = folder / "robot.toml"
    if not path.is_file():
        raise WildRobotError(
            f"There is no robot {str(robot)!r}.",
            where="robots that ship with this or another package, and folders with a robot.toml",
            hint=nearest(str(robot), robot_names()),
        )
    ours = folder.parent == data_dir("robots")  # it came with the package, whose installer may link files
    if not ours:
        check_inside(folder, path, str(path))
    spec = read_spec(path)
    if not ours:
        check_model(folder, folder / spec.model, f"{path}, model")
    return _Builder(spec, compile_mjcf(folder / spec.model)).build()


class _Builder:
    """Joins one robot.toml with its compiled model, checking every name against it."""

    def __init__(self, spec: Spec, model: Model):
        self.spec, self.model = spec, model

    def id(self, kind: str, name: str, key: str) -> int:
        """The id of the element `name` that robot.toml mentions under `key`."""
        mj = self.model.mj
        obj = getattr(mujoco.mjtObj, f"mjOBJ_{kind.upper()}")
        found = mujoco.mj_name2id(mj, obj, name)
        if found < 0:
            count = {"joint": mj.njnt, "site": mj.nsite, "sensor": mj.nsensor, "body": mj.nbody}[kind]
            known = [mujoco.mj_id2name(mj, obj, i) or "" for i in range(count)]
            raise self.spec.error(
                f"[{key}] names the {kind} {name!r}, which {self.spec.model} does not have.",
                key,
                hint=nearest(name, [k for k in known if k]),
            )
        return found

    def sensor(self, table: dict[str, str], field: str, key: str) -> Sensor:
        i = self.id("sensor", table[field], key)
        sensor = Sensor(table[field], int(self.model.mj.sensor_adr[i]), int(self.model.mj.sensor_dim[i]))
        if sensor.size != _SIZES[field]:
            raise self.spec.error(
                f"The key {field!r} of [{key}] takes a sensor of {_SIZES[field]} numbers, "
                f"{sensor.name!r} has {sensor.size}.",
                key,
                hint=f"name another sensor of {self.spec.model}",
            )
        return sensor

    def build(self) -> Robot:
        mj, spec = self.model.mj, self.spec
        driven = read_actuators(mj, str(spec.path.parent / spec.model))
        joints = list(driven.joints)
        names = tuple(mj.joint(j).name for j in joints)
        feet = tuple(
            Foot(
                name,
                self.id("site", table["site"], f"feet.{name}"),
                self.sensor(table, "force", f"feet.{name}"),
                self.sensor(table, "linvel", f"feet.{name}"),
                name in spec.switches,
            )
            for name, table in spec.feet.items()
        )
        imus = tuple(Imu(name, *self.sensors(table, f"imu.{name}")) for name, table in spec.imu.items())
        root = self.root(joints)
        base = self.base(root, joints)
        home = self.home(base, feet)
        self.check_sides(feet, home)
        bodies = self.bodies(base, home)
        self.check_sensors(base, feet, imus, tuple(bodies.values()), home)
        for name in (name for pair in spec.mirror_pairs or () for name in pair):
            self.id("joint", name, "mirror_pairs")
        mirror = joint_mirror(spec, self.model, names, driven.joints, home.qpos[mj.jnt_qposadr[joints]])
        least = spec.min_root_height
        return Robot(
            name=spec.name,
            description=spec.description,
            model=self.model,
            control_dt=spec.control_dt,
            joint_names=names,
            joint_qpos=tuple(int(mj.jnt_qposadr[j]) for j in joints),
            joint_dof=tuple(int(mj.jnt_dofadr[j]) for j in joints),
            actuator_kind=driven.kind,
            base=base,
            feet=feet,
            imus=imus,
            bodies=bodies,
            servo=self.servo(names, driven),
            mirror=mirror,
            min_root_height=None if least is None else jnp.asarray(least, jnp.float32),
            home_qpos=jnp.asarray(home.qpos, jnp.float32),
            home_height=jnp.asarray(home.xpos[root, 2], jnp.float32),
            joint_range=jnp.asarray(driven.joint_range, jnp.float32),
            ctrl_range=jnp.asarray(driven.ctrl_range, jnp.float32),
            torque_limit=jnp.asarray(driven.torque_limit, jnp.float32),
        )

    def sensors(self, table: dict[str, str], key: str) -> list[Sensor]:
        """The sensors of one table, in its own order of keys."""
        return [self.sensor(table, field, key) for field in table if field in _SIZES]

    def root(self, joints: list[int]) -> int:
        """The body that [base] names, or the root of the kinematic tree that the actuators drive."""
        mj, named = self.model.mj, self.spec.base or {}
        if "body" in named:
            body = self.id("body", named["body"], "base")
            driven = [mj.joint(j).name for j in joints_above(mj, body) if j in joints]
            if driven:
                raise self.spec.error(
                    f"[base] names the body {named['body']!r}, which the driven joint {driven[0]!r} moves.",
                    "base",
                    hint=f"name {mj.body(mj.body_rootid[body]).name!r}, the root of its kinematic tree",
                )
            return body
        roots = sorted({int(mj.body_rootid[mj.jnt_bodyid[j]]) for j in joints})
        if len(roots) > 1:
            bodies = ", ".join(mj.body(body).name for body in roots)
            raise self.spec.error(
                f"The actuators of {self.spec.model} drive several kinematic trees, with the root bodies {bodies}.",
                "base",
                hint='say which is the base: body = "..." in the table [base]',
            )
        return roots[0]

    def base(self, root: int, joints: list[int]) -> Base | None:
        """The base: the root body, where robot.toml has a [base] or joints without an actuator move it."""
        mj, table = self.model.mj, self.spec.base
        own = joints_above(mj, root)
        if table is None and all(j in joints for j in own):
            return None
        table = table or {}
        return Base(
            body=root,
            floating=bool(own and mj.jnt_type[own[0]] == _FREE),
            qpos_address=int(mj.jnt_qposadr[own[0]]) if own else -1,
            dof_address=int(mj.jnt_dofadr[own[0]]) if own else -1,
            linvel=self.sensor(table, "linvel", "base") if "linvel" in table else None,
            angvel=self.sensor(table, "angvel", "base") if "angvel" in table else None,
        )

    def bodies(self, base: Base | None, home: mujoco.MjData) -> dict[str, FreeBody]:
        """The free bodies beside the robot: those that robot.toml names, and all others by the MJCF's own names."""
        mj = self.model.mj
        free = {int(mj.jnt_bodyid[j]): j for j in range(mj.njnt) if mj.jnt_type[j] == _FREE}
        if base is not None and base.floating:
            free.pop(base.body)
        named = {self.id("body", body, f"bodies.{name}"): name for name, body in self.spec.bodies.items()}
        for body, name in named.items():
            if body not in free:
                raise self.spec.error(
                    f"[bodies.{name}] names the body {mj.body(body).name!r}, which is no free body beside the robot.",
                    f"bodies.{name}",
                    hint=nearest(self.spec.bodies[name], [mj.body(b).name for b in free]),
                )
        names = {body: named.get(body) or mj.body(body).name or f"body{body}" for body in free}
        trackers = {
            name: self.sensor({"tracker": sensor}, "tracker", f"bodies.{name}")
            for name, sensor in self.spec.trackers.items()
        }
        return {
            name: FreeBody(
                name=name,
                body=body,
                qpos_address=int(mj.jnt_qposadr[free[body]]),
                dof_address=int(mj.jnt_dofadr[free[body]]),
                home=jnp.asarray(home.qpos[mj.jnt_qposadr[free[body]] :][:7], jnp.float32),
                tracker=trackers.get(name),
            )
            for body, name in sorted(names.items(), key=lambda item: item[1])
        }

    def servo(self, names: tuple[str, ...], driven: Actuators) -> Servo:
        """The figures of each joint: its own in [servo.JOINT], else those of [servo], else what the actuator can do."""
        for joint in self.spec.servos:
            if joint not in names:
                raise self.spec.error(
                    f"[servo.{joint}] is of the joint {joint!r}, which no actuator drives.",
                    f"servo.{joint}",
                    hint=nearest(joint, names),
                )
        of = [{**self.spec.servo, **self.spec.servos.get(name, {})} for name in names]
        continuous = tuple(figures["continuous_torque"] for figures in of if "continuous_torque" in figures)
        return Servo(
            tuple(figures.get("stall_torque", float(limit)) for figures, limit in zip(of, driven.torque_limit)),
            tuple(figures.get("no_load_speed", _NO_LOAD_SPEED) for figures in of),
            continuous if len(continuous) == len(of) else None,
        )

    def home(self, base: Base | None, feet: tuple[Foot, ...]) -> mujoco.MjData:
        """Kinematics of the home pose; the lowest foot on the floor (z = 0), where the base can move up and down."""
        mj = self.model.mj
        data = mujoco.MjData(mj)
        for name, angle in self.spec.home.items():
            joint = self.id("joint", name, "home")
            if mj.jnt_type[joint] in (_FREE, _BALL):
                raise self.spec.error(f"[home] gives the joint {name!r} one angle; it has none.", "home", "drop it")
            data.qpos[mj.jnt_qposadr[joint]] = angle
        mujoco.mj_kinematics(mj, data)
        if base is not None and feet:
            lowest = min(data.site_xpos[foot.site, 2] for foot in feet)
            for at in _rising(mj, base.body)[:1]:
                data.qpos[at] -= lowest
            mujoco.mj_kinematics(mj, data)
        return data

    def check_sensors(
        self,
        base: Base | None,
        feet: tuple[Foot, ...],
        imus: tuple[Imu, ...],
        bodies: tuple[FreeBody, ...],
        home: mujoco.MjData,
    ) -> None:
        check = SensorCheck(self.spec, self.model)
        if base is not None:
            check.base(base)
        for foot in feet:
            check.foot(foot)
        for imu in imus:
            check.imu(imu)
        for body in bodies:
            check.body(body)
        check.weight(feet, home.qpos, [] if base is None else _rising(self.model.mj, base.body)[:1])

    def check_sides(self, feet: tuple[Foot, ...], home: mujoco.MjData) -> None:
        """Feet stand in robot.toml from left to right: the gait clock and the mirror count on it."""
        y = [float(home.site_xpos[foot.site, 1]) for foot in feet]
        for foot, at in zip(feet, y):
            if ("left" in foot.name and at < -_SAME) or ("right" in foot.name and at > _SAME):
                raise self.spec.error(
                    f"The foot {foot.name!r} lies at y = {at:+.3f} m in the home pose, and y points to the left.",
                    f"feet.{foot.name}",
                    hint="give it the site and the sensors of its own side",
                )
        for i in range(len(feet) // 2):
            first, last = feet[i].name, feet[-1 - i].name
            if y[i] < y[-1 - i] - _SAME or ("right" in first and "left" in last):
                raise self.spec.error(
                    f"The foot {first!r} stands before {last!r} but lies to its right.",
                    "feet",
                    hint=f"list the feet from left to right: [feet.{last}] before [feet.{first}]",
                )


def _rising(mj: mujoco.MjModel, body: int) -> list[int]:
    """The entries of qpos that move a body straight up and down."""
    found = []
    for j in joints_above(mj, body):
        if mj.jnt_type[j] == _FREE:
            found.append(int(mj.jnt_qposadr[j]) + 2)
        elif mj.jnt_type[j] == _SLIDE and mj.jnt_axis[j, 2] == 1.0:
            found.append(int(mj.jnt_qposadr[j]))
    return found
