"""Load a robot: robot.toml names what the MJCF cannot."""

import os
from pathlib import Path

import jax.numpy as jnp
import mujoco
import numpy as np

from ..errors import WildRobotError, nearest
from ..paths import data_dir
from .inside import check_inside, check_model
from .model import Model, compile_mjcf
from .robot import Base, Foot, Imu, Mirror, Robot, Sensor, Servo
from .spec import Spec, read_spec

_SIZES = {"gyro": 3, "accel": 3, "quat": 4, "force": 3, "linvel": 3, "angvel": 3}
_ANGLES = {int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)}
_SAME = 1e-4  # of angles in rad, and of lengths in m


def robot_names() -> list[str]:
    """The names of the robots that ship with the package."""
    return sorted(path.parent.name for path in data_dir("robots").glob("*/robot.toml"))


def load_robot(robot: str | os.PathLike) -> Robot:
    """Load a robot by its name, or from a folder that holds a robot.toml.

    Nothing outside of that folder is read, and nothing in it is executed.

    Raises:
        WildRobotError: no such robot, its files do not fit together, or one refers to something outside.
    """
    folder = Path(robot)
    if not (folder / "robot.toml").is_file():
        folder = data_dir("robots") / str(robot)
    path = folder / "robot.toml"
    if not path.is_file():
        raise WildRobotError(
            f"There is no robot {str(robot)!r}.",
            where="robots that ship with the package, and folders with a robot.toml",
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

    def mjcf_error(self, what: str, hint: str) -> WildRobotError:
        return WildRobotError(what, where=f"{self.spec.path.parent / self.spec.model}, <actuator>", hint=hint)

    def id(self, kind: str, name: str, key: str) -> int:
        """The id of the element `name` that robot.toml mentions under `key`."""
        mj = self.model.mj
        obj = getattr(mujoco.mjtObj, f"mjOBJ_{kind.upper()}")
        found = mujoco.mj_name2id(mj, obj, name)
        if found < 0:
            count = {"joint": mj.njnt, "site": mj.nsite, "sensor": mj.nsensor}[kind]
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
        joints = self.actuated()
        names = tuple(mj.joint(j).name for j in joints)
        feet = tuple(
            Foot(name, self.id("site", table["site"], f"feet.{name}"), *self.sensors(table, f"feet.{name}"))
            for name, table in spec.feet.items()
        )
        imus = tuple(Imu(name, *self.sensors(table, f"imu.{name}")) for name, table in spec.imu.items())
        root = int(mj.jnt_bodyid[0])
        home = self.home(root, feet)
        self.check_sides(feet, home)
        joint_mirror = self.mirror(names, joints)
        self.check_home_mirrors(names, home.qpos[mj.jnt_qposadr[joints]], joint_mirror)
        return Robot(
            name=spec.name,
            description=spec.description,
            model=self.model,
            control_dt=spec.control_dt,
            joint_names=names,
            joint_qpos=tuple(int(mj.jnt_qposadr[j]) for j in joints),
            joint_dof=tuple(int(mj.jnt_dofadr[j]) for j in joints),
            base=Base(root, bool(mj.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE), *self.sensors(spec.base, "base")),
            feet=feet,
            imus=imus,
            servo=Servo(
                spec.servo.get("stall_torque", float(mj.actuator_forcerange[:, 1].max())),
                spec.servo.get("no_load_speed", 1e3),
            ),
            joint_mirror=joint_mirror,
            min_root_height=jnp.asarray(spec.min_root_height, jnp.float32),
            home_qpos=jnp.asarray(home.qpos, jnp.float32),
            home_height=jnp.asarray(home.xpos[root, 2], jnp.float32),
            joint_range=jnp.asarray(mj.actuator_ctrlrange, jnp.float32),
            torque_limit=jnp.asarray(mj.actuator_forcerange[:, 1], jnp.float32),
        )

    def sensors(self, table: dict[str, str], key: str) -> list[Sensor]:
        """The sensors of one table, in its own order of keys."""
        return [self.sensor(table, field, key) for field in table if field in _SIZES]

    def actuated(self) -> list[int]:
        """The joint of each actuator, each actuator with a range and a limit."""
        mj, model = self.model.mj, self.spec.model
        if mj.nu == 0 or (mj.actuator_trntype != mujoco.mjtTrn.mjTRN_JOINT).any():
            raise self.mjcf_error(
                f"{model} must drive its joints with actuators on joints.", "use <position joint=...>"
            )
        if mj.na:
            raise self.mjcf_error(f"{model} has actuators with activation states.", "use stateless actuators")
        joints = [int(j) for j in mj.actuator_trnid[:, 0]]
        for flag, name in ((mj.actuator_ctrllimited, "ctrlrange"), (mj.actuator_forcelimited, "forcerange")):
            if not flag.all():
                free = [mj.joint(j).name for j, ok in zip(joints, flag) if not ok]
                raise self.mjcf_error(f"Actuators without a {name}: {free}.", f'give them {name}="LOW HIGH"')
        return joints

    def home(self, root: int, feet: tuple[Foot, ...]) -> mujoco.MjData:
        """Kinematics of the home pose, the lowest foot site on the floor (z = 0)."""
        mj = self.model.mj
        data = mujoco.MjData(mj)
        for name, angle in self.spec.home.items():
            joint = self.id("joint", name, "home")
            if int(mj.jnt_type[joint]) not in _ANGLES:
                raise self.spec.error(f"[home] gives the joint {name!r} one angle; it has none.", "home", "drop it")
            data.qpos[mj.jnt_qposadr[joint]] = angle
        mujoco.mj_kinematics(mj, data)
        lowest = min(data.site_xpos[foot.site, 2] for foot in feet)
        for j in range(mj.njnt):
            if mj.jnt_bodyid[j] != root:
                continue
            if mj.jnt_type[j] == mujoco.mjtJoint.mjJNT_FREE:
                data.qpos[mj.jnt_qposadr[j] + 2] -= lowest
            elif mj.jnt_type[j] == mujoco.mjtJoint.mjJNT_SLIDE and mj.jnt_axis[j, 2] == 1.0:
                data.qpos[mj.jnt_qposadr[j]] -= lowest
        mujoco.mj_kinematics(mj, data)
        return data

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

    def mirror(self, names: tuple[str, ...], joints: list[int]) -> Mirror:
        """Reflection of joint vectors in the x-z plane, signs from the axes at the zero pose.

        A rotation axis is a pseudovector: reflecting y sends (x, y, z) to (-x, y, -z).
        """
        mj = self.model.mj
        pairs: dict[str, str] = {}
        for pair in self.spec.mirror_pairs:
            for name in pair:
                self.id("joint", name, "mirror_pairs")
                if name not in names:
                    raise self.spec.error(
                        f"'mirror_pairs' names the joint {name!r}, which no actuator drives.",
                        hint="pair actuated joints only",
                    )
            pairs |= {pair[0]: pair[1], pair[1]: pair[0]}
        data = mujoco.MjData(mj)
        mujoco.mj_kinematics(mj, data)
        axis = {name: data.xaxis[j] for name, j in zip(names, joints)}
        reflect = np.array([-1.0, 1.0, -1.0])
        source = tuple(names.index(pairs.get(name, name)) for name in names)
        along = [float(axis[name] @ (reflect * axis[names[s]])) for name, s in zip(names, source)]
        for name, s, cosine in zip(names, source, along):
            if abs(cosine) < 0.9:
                raise self.spec.error(
                    f"The axes of the joints {name!r} and {names[s]!r} are no mirror images of each other.",
                    hint="pair each joint that lies left or right with its image in 'mirror_pairs'",
                )
        return Mirror(source, tuple(float(np.sign(cosine)) for cosine in along))

    def check_home_mirrors(self, names: tuple[str, ...], home: np.ndarray, mirror: Mirror) -> None:
        """A home pose is its own mirror image: symmetric policies count their actions from it."""
        for i, (source, sign) in enumerate(zip(mirror.source, mirror.sign)):
            image = sign * home[source]
            if abs(home[i] - image) > _SAME:
                raise self.spec.error(
                    f"The home pose is not left-right symmetric: joint {names[i]!r} is at {home[i]:.3f} rad, "
                    f"the mirror image of {names[source]!r} at {image:.3f} rad.",
                    "home",
                    hint="make the angles mirror images (mind the signs of the axes), or mend 'mirror_pairs'",
                )
