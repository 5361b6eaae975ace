"""Load a robot: robot.toml names what the MJCF cannot."""

import os
import tomllib
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import mujoco
import numpy as np

from ..errors import WildRobotError, nearest
from ..paths import data_dir
from .model import Model, compile_mjcf
from .robot import Base, Foot, Imu, Mirror, Robot, Sensor, Servo


def robot_names() -> list[str]:
    """The names of the robots that ship with the package."""
    return sorted(path.parent.name for path in data_dir("robots").glob("*/robot.toml"))


def load_robot(robot: str | os.PathLike) -> Robot:
    """Load a robot by its name, or from a folder that holds a robot.toml.

    Raises:
        WildRobotError: no such robot, or its files do not fit together.
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
    try:
        spec = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WildRobotError(
            f"robot.toml is not valid TOML: {error}", where=str(path), hint="mend that line"
        ) from error
    return _Builder(path, spec).build()


_REQUIRED = {"name": str, "model": str, "control_dt": float, "home": dict, "feet": dict, "imu": dict, "base": dict}


class _Builder:
    """Joins one robot.toml with its compiled model, checking every name against it."""

    def __init__(self, path: Path, spec: dict[str, Any]):
        self.path, self.spec = path, spec
        for key, kind in _REQUIRED.items():
            if not isinstance(spec.get(key), kind):
                raise self.error(f"The key {key!r} must be a {kind.__name__}, got {spec.get(key)!r}.")
        self.model: Model = compile_mjcf(path.parent / spec["model"])

    def error(self, what: str, hint: str = "mend robot.toml") -> WildRobotError:
        return WildRobotError(what, where=str(self.path), hint=hint)

    def id(self, kind: str, name: str, key: str) -> int:
        """The id of the element `name` that robot.toml mentions under `key`."""
        mj = self.model.mj
        obj = getattr(mujoco.mjtObj, f"mjOBJ_{kind.upper()}")
        found = mujoco.mj_name2id(mj, obj, str(name))
        if found < 0:
            count = {"joint": mj.njnt, "site": mj.nsite, "sensor": mj.nsensor}[kind]
            known = [mujoco.mj_id2name(mj, obj, i) or "" for i in range(count)]
            raise self.error(
                f"[{key}] names the {kind} {name!r}, which {self.spec['model']} does not have.",
                hint=nearest(str(name), [k for k in known if k]),
            )
        return found

    def sensor(self, table: dict[str, Any], field: str, key: str) -> Sensor:
        if field not in table:
            raise self.error(f"[{key}] lacks the key {field!r}, the name of a sensor.")
        i = self.id("sensor", table[field], key)
        return Sensor(str(table[field]), int(self.model.mj.sensor_adr[i]), int(self.model.mj.sensor_dim[i]))

    def build(self) -> Robot:
        mj, spec = self.model.mj, self.spec
        if mj.nu == 0 or (mj.actuator_trntype != mujoco.mjtTrn.mjTRN_JOINT).any():
            raise self.error(f"{spec['model']} must drive its joints with actuators on joints.")
        if mj.na:
            raise self.error(f"{spec['model']} has actuators with activation states.", "use stateless actuators")
        joints = [int(j) for j in mj.actuator_trnid[:, 0]]
        names = tuple(mj.joint(j).name for j in joints)
        limited = mj.actuator_ctrllimited.astype(bool)
        if not limited.all():
            raise self.error(f"Actuators without a ctrlrange: {[n for n, ok in zip(names, limited) if not ok]}.")
        feet = tuple(
            Foot(
                name,
                self.id("site", table.get("site", ""), f"feet.{name}"),
                self.sensor(table, "force", f"feet.{name}"),
                self.sensor(table, "linvel", f"feet.{name}"),
            )
            for name, table in spec["feet"].items()
        )
        imus = tuple(
            Imu(name, *(self.sensor(table, field, f"imu.{name}") for field in ("gyro", "accel", "quat")))
            for name, table in spec["imu"].items()
        )
        servo = spec.get("servo", {})
        root = int(mj.jnt_bodyid[0])
        home = self.home(root, [foot.site for foot in feet])
        return Robot(
            name=spec["name"],
            description=spec.get("description", ""),
            model=self.model,
            control_dt=spec["control_dt"],
            joint_names=names,
            joint_qpos=tuple(int(mj.jnt_qposadr[j]) for j in joints),
            joint_dof=tuple(int(mj.jnt_dofadr[j]) for j in joints),
            base=Base(
                root,
                bool(mj.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE),
                *(self.sensor(spec["base"], field, "base") for field in ("linvel", "angvel")),
            ),
            feet=feet,
            imus=imus,
            servo=Servo(
                float(servo.get("stall_torque", mj.actuator_forcerange[:, 1].max())),
                float(servo.get("no_load_speed", 1e3)),
            ),
            joint_mirror=self.mirror(names, joints),
            min_root_height=jnp.asarray(spec.get("min_root_height", 0.0), jnp.float32),
            home_qpos=jnp.asarray(home.qpos, jnp.float32),
            home_height=jnp.asarray(home.xpos[root, 2], jnp.float32),
            joint_range=jnp.asarray(mj.actuator_ctrlrange, jnp.float32),
            torque_limit=jnp.asarray(mj.actuator_forcerange[:, 1], jnp.float32),
        )

    def home(self, root: int, foot_sites: list[int]) -> mujoco.MjData:
        """Kinematics of the home pose, the lowest foot site on the floor (z = 0)."""
        mj = self.model.mj
        data = mujoco.MjData(mj)
        for name, angle in self.spec["home"].items():
            if not isinstance(angle, (int, float)):
                raise self.error(f"[home] must give joint {name!r} an angle in rad, got {angle!r}.")
            data.qpos[mj.jnt_qposadr[self.id("joint", name, "home")]] = float(angle)
        mujoco.mj_kinematics(mj, data)
        lowest = min(data.site_xpos[site, 2] for site in foot_sites)
        for j in range(mj.njnt):
            if mj.jnt_bodyid[j] != root:
                continue
            if mj.jnt_type[j] == mujoco.mjtJoint.mjJNT_FREE:
                data.qpos[mj.jnt_qposadr[j] + 2] -= lowest
            elif mj.jnt_type[j] == mujoco.mjtJoint.mjJNT_SLIDE and mj.jnt_axis[j, 2] == 1.0:
                data.qpos[mj.jnt_qposadr[j]] -= lowest
        mujoco.mj_kinematics(mj, data)
        return data

    def mirror(self, names: tuple[str, ...], joints: list[int]) -> Mirror:
        """Reflection of joint vectors in the x-z plane, signs from the axes at the zero pose.

        A rotation axis is a pseudovector: reflecting y sends (x, y, z) to (-x, y, -z).
        """
        mj = self.model.mj
        pairs: dict[str, str] = {}
        for pair in self.spec.get("mirror_pairs", []):
            for name in pair:
                self.id("joint", name, "mirror_pairs")
            pairs |= {pair[0]: pair[1], pair[1]: pair[0]}
        data = mujoco.MjData(mj)
        mujoco.mj_kinematics(mj, data)
        axis = {name: data.xaxis[j] for name, j in zip(names, joints)}
        reflect = np.array([-1.0, 1.0, -1.0])
        source = tuple(names.index(pairs.get(name, name)) for name in names)
        sign = tuple(float(np.sign(axis[name] @ (reflect * axis[names[s]]))) for name, s in zip(names, source))
        return Mirror(source, sign)
