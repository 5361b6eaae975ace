"""One robot.toml and its compiled model, joined into a Robot: every name is held against the model."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import jax.numpy as jnp
import mujoco
import numpy as np

from ..errors import MistakesError, WildRobotError, nearest
from .actuators import Actuators, read_actuators
from .legs import joints_above
from .mirrors import joint_mirror
from .model import Model
from .parts import Base, Foot, FreeBody, Imu, Sensor, SensorSum, Servo
from .robot import Robot
from .sensors import SensorCheck
from .spec import Spec
from .stand import check_sides, home_pose, rising

_SIZES = {"gyro": 3, "accel": 3, "quat": 4, "force": 3, "linvel": 3, "angvel": 3, "tracker": 3}
_FREE = int(mujoco.mjtJoint.mjJNT_FREE)
_NO_LOAD_SPEED = 1e3  # rad/s, of a servo without a datasheet
_ACTION_SCALE = 0.4  # rad, of joints that robot.toml leaves out where it scales others

T = TypeVar("T")


class Builder:
    """Joins one robot.toml with its compiled model, and keeps all that does not fit in `mistakes`."""

    def __init__(self, spec: Spec, model: Model):
        self.spec, self.model = spec, model
        self.mistakes: list[WildRobotError] = []

    def attempt(self, part: Callable[[], T]) -> T | None:
        """What `part` returns, or None and its mistakes."""
        try:
            return part()
        except MistakesError as several:
            self.mistakes += several.errors
        except WildRobotError as error:
            self.mistakes.append(error)
        return None

    def id(self, kind: str, name: str, key: str) -> int | None:
        """The id of the element `name` that robot.toml mentions under `key`."""
        mj = self.model.mj
        obj = getattr(mujoco.mjtObj, f"mjOBJ_{kind.upper()}")
        found = mujoco.mj_name2id(mj, obj, name)
        if found < 0:
            count = {"joint": mj.njnt, "site": mj.nsite, "sensor": mj.nsensor, "body": mj.nbody}[kind]
            known = [mujoco.mj_id2name(mj, obj, i) or "" for i in range(count)]
            self.wrong(
                f"[{key}] names the {kind} {name!r}, which {self.spec.model} does not have.",
                key,
                nearest(name, [k for k in known if k]),
            )
            return None
        return int(found)

    def wrong(self, what: str, table: str, hint: str) -> None:
        """Keep a mistake in `table`."""
        self.mistakes.append(self.spec.error(what, table, hint))

    def sensor(self, name: str, field: str, key: str) -> Sensor | None:
        """The sensor that robot.toml names by the key `field` of the table `key`, of that key's size."""
        i = self.id("sensor", name, key)
        if i is None:
            return None
        sensor = Sensor(name, int(self.model.mj.sensor_adr[i]), int(self.model.mj.sensor_dim[i]))
        if sensor.size == _SIZES[field]:
            return sensor
        self.wrong(
            f"The key {field!r} of [{key}] takes a sensor of {_SIZES[field]} numbers, "
            f"{sensor.name!r} has {sensor.size}.",
            key,
            f"name another sensor of {self.spec.model}",
        )
        return None

    def build(self) -> Robot | None:
        """The robot; where `mistakes` are left, it may be None."""
        mj, spec = self.model.mj, self.spec
        feet = [foot for foot in map(self.foot, spec.feet) if foot is not None]
        imus = [imu for imu in map(self.imu, spec.imu) if imu is not None]
        pairs = [name for pair in spec.mirror_pairs or () for name in pair]
        paired = [self.id("joint", name, "mirror_pairs") for name in pairs]
        known = {name: joint for name in spec.home if (joint := self.id("joint", name, "home")) is not None}
        driven = self.attempt(lambda: read_actuators(mj, str(spec.path.parent / spec.model)))
        if driven is None:
            self.check_parts(None, feet, imus)
            return None
        joints = list(driven.joints)
        names = tuple(mj.joint(j).name for j in joints)
        root = self.root(joints)
        if root is None:
            self.check_parts(None, feet, imus)
            return None
        base = self.base(root, joints)
        home = self.attempt(lambda: home_pose(spec, mj, known, base, tuple(feet)))
        bodies = self.bodies(base, home) if home is not None else {}
        before = len(self.mistakes)
        self.check_parts(base, feet, imus, tuple(bodies.values()))
        servo = self.attempt(lambda: self.servo(names, driven))
        scale = self.attempt(lambda: self.action_scale(names))
        if home is None:
            return None
        self.attempt(lambda: check_sides(spec, tuple(feet), home))
        if len(self.mistakes) == before and len(feet) == len(spec.feet):  # else its cause is told already
            lowers = [] if base is None else rising(mj, base.body)[:1]
            self.attempt(lambda: SensorCheck(spec, self.model).weight(tuple(feet), home.qpos, lowers))
        mirror = None
        if None not in paired:
            mirror = self.attempt(
                lambda: joint_mirror(spec, self.model, names, driven.joints, home.qpos[mj.jnt_qposadr[joints]])
            )
        if servo is None:
            return None
        least = spec.min_root_height
        return self.attempt(
            lambda: Robot(
                name=spec.name,
                description=spec.description,
                model=self.model,
                control_dt=spec.control_dt,
                joint_names=names,
                joint_qpos=tuple(int(mj.jnt_qposadr[j]) for j in joints),
                joint_dof=tuple(int(mj.jnt_dofadr[j]) for j in joints),
                actuator_kind=driven.kind,
                base=base,
                feet=tuple(feet),
                imus=tuple(imus),
                bodies=bodies,
                servo=servo,
                mirror=mirror,
                min_root_height=None if least is None else jnp.asarray(least, jnp.float32),
                home_qpos=jnp.asarray(home.qpos, jnp.float32),
                home_height=jnp.asarray(home.xpos[root, 2], jnp.float32),
                joint_range=jnp.asarray(driven.joint_range, jnp.float32),
                ctrl_range=jnp.asarray(driven.ctrl_range, jnp.float32),
                torque_limit=jnp.asarray(driven.torque_limit, jnp.float32),
                action_scale=None if scale is None else jnp.asarray(scale, jnp.float32),
            )
        )

    def foot(self, name: str) -> Foot | None:
        """The foot called `name`, its force the sum of its sensors."""
        table, key = self.spec.feet[name], f"feet.{name}"
        site = self.id("site", table["site"], key) if "site" in table else None
        forces = [self.sensor(sensor, "force", key) for sensor in table.get("force", ())]
        found = tuple(sensor for sensor in forces if sensor is not None)
        linvel = self.sensor(table["linvel"], "linvel", key) if "linvel" in table else None
        if site is None or linvel is None or not found or len(found) < len(forces):
            return None
        force = found[0] if len(found) == 1 else SensorSum(found)
        return Foot(name, site, force, linvel, table.get("switch", False))

    def imu(self, name: str) -> Imu | None:
        """The IMU called `name`."""
        table = self.spec.imu[name]
        found = {field: self.sensor(sensor, field, f"imu.{name}") for field, sensor in table.items()}
        gyro, accel, quat = found.get("gyro"), found.get("accel"), found.get("quat")
        return None if gyro is None or accel is None or quat is None else Imu(name, gyro, accel, quat)

    def root(self, joints: list[int]) -> int | None:
        """The body that [base] names, or the root of the kinematic tree that the actuators drive."""
        mj, named = self.model.mj, self.spec.base or {}
        if "body" in named:
            body = self.id("body", named["body"], "base")
            driven = [] if body is None else [mj.joint(j).name for j in joints_above(mj, body) if j in joints]
            if body is not None and driven:
                self.wrong(
                    f"[base] names the body {named['body']!r}, which the driven joint {driven[0]!r} moves.",
                    "base",
                    f"name {mj.body(mj.body_rootid[body]).name!r}, the root of its kinematic tree",
                )
                return None
            return body
        roots = sorted({int(mj.body_rootid[mj.jnt_bodyid[j]]) for j in joints})
        if len(roots) == 1:
            return roots[0]
        bodies = ", ".join(mj.body(body).name for body in roots)
        self.wrong(
            f"The actuators of {self.spec.model} drive several kinematic trees, with the root bodies {bodies}.",
            "base",
            'say which is the base: body = "..." in the table [base]',
        )
        return None

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
            linvel=self.sensor(table["linvel"], "linvel", "base") if "linvel" in table else None,
            angvel=self.sensor(table["angvel"], "angvel", "base") if "angvel" in table else None,
        )

    def bodies(self, base: Base | None, home: mujoco.MjData) -> dict[str, FreeBody]:
        """The free bodies beside the robot: those that robot.toml names, and all others by the MJCF's own names."""
        mj = self.model.mj
        free = {int(mj.jnt_bodyid[j]): j for j in range(mj.njnt) if mj.jnt_type[j] == _FREE}
        if base is not None and base.floating:
            free.pop(base.body)
        named: dict[int, str] = {}
        trackers: dict[str, Sensor | None] = {}
        for name, table in self.spec.bodies.items():
            key = f"bodies.{name}"
            if "tracker" in table:
                trackers[name] = self.sensor(table["tracker"], "tracker", key)
            body = self.id("body", table["body"], key) if "body" in table else None
            if body in free:
                named[body] = name
            elif body is not None:
                self.wrong(
                    f"[{key}] names the body {table['body']!r}, which is no free body beside the robot.",
                    key,
                    nearest(table["body"], [mj.body(b).name for b in free]),
                )
        names = {body: named.get(body) or mj.body(body).name or f"body{body}" for body in free}
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

    def check_parts(
        self, base: Base | None, feet: Iterable[Foot], imus: Iterable[Imu], bodies: Iterable[FreeBody] = ()
    ) -> None:
        """The sensors of all parts, each held against the model by itself."""
        check = SensorCheck(self.spec, self.model)
        looks: list[Callable[[], None]] = []
        looks += [] if base is None else [partial(check.linvel, base), partial(check.angvel, base)]
        for foot in feet:
            looks += [partial(check.foot_velocity, foot), partial(check.foot_force, foot)]
        looks += [partial(check.imu, imu) for imu in imus]
        looks += [partial(check.body, body) for body in bodies]
        for look in looks:
            self.attempt(look)

    def servo(self, names: tuple[str, ...], driven: Actuators) -> Servo:
        """The figures of each joint: its own in [servo.JOINT], else those of [servo], else what the actuator can do."""
        of = self.by_joint("servo", self.spec.servo, self.spec.servos, names)
        continuous = tuple(figures["continuous_torque"] for figures in of if "continuous_torque" in figures)
        return Servo(
            tuple(figures.get("stall_torque", float(limit)) for figures, limit in zip(of, driven.torque_limit)),
            tuple(figures.get("no_load_speed", _NO_LOAD_SPEED) for figures in of),
            continuous if len(continuous) == len(of) else None,
        )

    def action_scale(self, names: tuple[str, ...]) -> Any:
        """rad per unit of action by joint; None where robot.toml says nothing of it."""
        if not self.spec.control and not self.spec.controls:
            return None
        of = self.by_joint("control", self.spec.control, self.spec.controls, names)
        return np.array([figures.get("action_scale", _ACTION_SCALE) for figures in of])

    def by_joint(
        self, table: str, common: dict[str, float], own: dict[str, dict[str, float]], names: tuple[str, ...]
    ) -> list[dict[str, float]]:
        """The figures of each driven joint: its own, else those of all."""
        for joint in own:
            if joint not in names:
                what = f"[{table}.{joint}] is of the joint {joint!r}, which no actuator drives."
                self.wrong(what, f"{table}.{joint}", nearest(joint, names))
        return [{**common, **own.get(name, {})} for name in names]
