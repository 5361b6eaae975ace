"""Whether the sensors that robot.toml names measure what they are named for: type, object, frame and sign.

A sensor of the right size is not enough: a velocimeter reads in the body's frame, a contact
sensor with its geoms swapped reads the force on the floor, and neither shows before a policy
has been trained on it.
"""

import mujoco
import numpy as np
from jaxtyping import Float

from ..errors import WildRobotError, together
from .model import Model
from .parts import Base, Foot, FreeBody, Imu, Sensor
from .spec import Spec

_TYPE, _OBJECT = mujoco.mjtSensor, mujoco.mjtObj
_FORCE, _NETFORCE = 1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3  # `data` and `reduce` of a contact sensor
_GEOM, _SITE, _BODY, _XBODY = (int(getattr(_OBJECT, f"mjOBJ_{kind}")) for kind in ("GEOM", "SITE", "BODY", "XBODY"))
_SAME_FRAME = 1e-3  # greatest part of a quaternion's vector between two frames that count as one
_SHARE = 0.1  # of what the floor bears of a foot, which its sensors may miss
_DEPTHS = (0.001, 0.003, 0.01, 0.03)  # m, how far the robot is let down to make its feet touch


class SensorCheck:
    """Holds the sensors of one robot against its model.

    Each method raises a WildRobotError that names the sensor, what it is, and what to write.
    """

    def __init__(self, spec: Spec, model: Model):
        self.spec, self.mj = spec, model.mj

    def linvel(self, base: Base) -> None:
        """The base's linear velocity is that of the base body in the world's frame."""
        if base.linvel is not None:
            self._in_world(base.linvel, _TYPE.mjSENS_FRAMELINVEL, "linvel", "base")
            self._on(base.linvel, base.body, "linvel", "base")

    def angvel(self, base: Base) -> None:
        """The base's angular velocity is that of the base body in the world's frame."""
        if base.angvel is not None:
            self._in_world(base.angvel, _TYPE.mjSENS_FRAMEANGVEL, "angvel", "base")
            self._on(base.angvel, base.body, "angvel", "base")

    def foot_velocity(self, foot: Foot) -> None:
        """A foot's velocity is that of its own body in the world's frame."""
        key, body = f"feet.{foot.name}", int(self.mj.site_bodyid[foot.site])
        self._in_world(foot.linvel, _TYPE.mjSENS_FRAMELINVEL, "linvel", key)
        self._on(foot.linvel, body, "linvel", key)

    def foot_force(self, foot: Foot) -> None:
        """A foot's force is that of the floor on it, and no part of it is counted twice."""
        seen: dict[tuple[int, int], str] = {}
        for sensor in foot.force.parts:
            self._on_foot(sensor, foot)
            i = self._id(sensor)
            second = (int(self.mj.sensor_reftype[i]), int(self.mj.sensor_refid[i]))
            if second in seen:
                what = f"reads the same contacts as {seen[second]!r}, so their sum counts them twice"
                raise self._error(sensor, "force", f"feet.{foot.name}", what, "give each its own geom2")
            seen[second] = sensor.name

    def _on_foot(self, sensor: Sensor, foot: Foot) -> None:
        key, body = f"feet.{foot.name}", int(self.mj.site_bodyid[foot.site])
        i = self._is(sensor, _TYPE.mjSENS_CONTACT, "force", key)
        data, reduce, _ = self.mj.sensor_intprm[i]
        if data != _FORCE or reduce != _NETFORCE:
            raise self._error(sensor, "force", key, "does not give the net force", 'data="force" reduce="netforce"')
        first = self._body(int(self.mj.sensor_objtype[i]), int(self.mj.sensor_objid[i]))
        second = self._body(int(self.mj.sensor_reftype[i]), int(self.mj.sensor_refid[i]))
        if first is not None and self._within(first, body):
            what = "gives the force of the foot on the floor"
            raise self._error(sensor, "force", key, what, "swap its geom1 and geom2")
        if second is None or not self._within(second, body):
            name = self.mj.body(body).name
            raise self._error(
                sensor,
                "force",
                key,
                f"does not give the force on the body {name!r} of the foot's site",
                'give it the floor as geom1 and the foot\'s own geom as geom2, or body2="..."',
            )

    def imu(self, imu: Imu) -> None:
        """Gyro, accelerometer and orientation of an IMU lie on one body, in one frame, the last against the world."""
        key = f"imu.{imu.name}"
        gyro = self._is(imu.gyro, _TYPE.mjSENS_GYRO, "gyro", key)
        accel = self._is(imu.accel, _TYPE.mjSENS_ACCELEROMETER, "accel", key)
        quat = self._in_world(imu.quat, _TYPE.mjSENS_FRAMEQUAT, "quat", key)
        body, frame = self._frame(gyro)
        for sensor, field, i in ((imu.accel, "accel", accel), (imu.quat, "quat", quat)):
            other, its = self._frame(i)
            if self.mj.body_weldid[other] != self.mj.body_weldid[body]:
                what = f"is on the body {self.mj.body(other).name!r}, its gyro on {self.mj.body(body).name!r}"
            elif other == body and _apart(frame, its) > _SAME_FRAME:
                what = "has another frame than its gyro"
            else:
                continue
            raise self._error(sensor, field, key, what, "put all three on one site")

    def body(self, body: FreeBody) -> None:
        """A free body's tracker is its own place in the world's frame."""
        if body.tracker is not None:
            key = f"bodies.{body.name}"
            self._in_world(body.tracker, _TYPE.mjSENS_FRAMEPOS, "tracker", key)
            self._on(body.tracker, body.body, "tracker", key)

    def weight(self, feet: tuple[Foot, ...], home: Float[np.ndarray, " nq"], rising: list[int]) -> None:
        """Let down onto its feet in the home pose, the robot is pushed up through them; their sensors read all of it.

        Args:
            feet: all of them.
            home: the home pose.
            rising: the entries of qpos that let the robot down; none for a fixed base, which is not tested.
        """
        if not feet or not rising:
            return
        data = mujoco.MjData(self.mj)
        for depth in _DEPTHS:
            mujoco.mj_resetData(self.mj, data)
            data.qpos[:] = home
            data.qpos[rising] -= depth
            data.ctrl[:] = self._holding(home)
            mujoco.mj_forward(self.mj, data)
            up = {foot.name: sum(float(data.sensordata[one.address + 2]) for one in foot.force.parts) for foot in feet}
            if sum(up.values()) > 0.0 and min(up.values()) >= 0.0:
                self._all_of_it(feet, up, data)
                return
        told = ", ".join(f"{name} {force:.3g} N" for name, force in up.items())
        raise self.spec.error(
            f"Let down by {1e3 * _DEPTHS[-1]:g} mm in the home pose, the robot does not stand on its feet; "
            f"their sensors read {told} upwards.",
            "feet",
            hint="let the feet's geoms collide with the floor (contype, conaffinity), and put each site on its sole",
        )

    def _all_of_it(self, feet: tuple[Foot, ...], up: dict[str, float], data: mujoco.MjData) -> None:
        """What the floor bears of a foot is what the foot's sensors read: none of its geoms is left out."""
        wrong = []
        for foot in feet:
            borne = self._borne(int(self.mj.site_bodyid[foot.site]), data)
            if abs(up[foot.name] - borne) > _SHARE * borne + 1e-6:
                what = (
                    f"Let down onto the floor in the home pose, the foot {foot.name!r} bears {borne:.3g} N, of which "
                    f"{foot.force.name!r} reads {up[foot.name]:.3g} N upwards."
                )
                hint = (
                    'list a contact sensor of each of its geoms, force = ["...", "..."], or take one with body2="..."'
                )
                wrong.append(self.spec.error(what, f"feet.{foot.name}", hint))
        if wrong:
            raise together("[feet]", wrong, where=str(self.spec.path), hint="list a sensor of each geom")

    def _borne(self, body: int, data: mujoco.MjData) -> float:
        """The upward force of all that stands still on a body and what hangs from it, N."""
        total, force = 0.0, np.zeros(6)
        for i in range(data.ncon):
            bodies = [int(self.mj.geom_bodyid[geom]) if geom >= 0 else 0 for geom in data.contact.geom[i]]
            fixed = [self.mj.body_weldid[one] == 0 for one in bodies]
            if sum(fixed) == 1 and self._within(bodies[fixed.index(False)], body):
                mujoco.mj_contactForce(self.mj, data, i, force)
                up = float(data.contact.frame[i].reshape(3, 3)[:, 2] @ force[:3])
                total += -up if fixed[1] else up
        return total

    def _holding(self, home: Float[np.ndarray, " nq"]) -> Float[np.ndarray, " nu"]:
        """The command that holds the home pose: its angles of position servos, which else would pull the feet away."""
        servo = (self.mj.actuator_biasprm[:, 1] < 0.0) & (self.mj.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT)
        return np.where(servo, home[self.mj.jnt_qposadr[np.maximum(self.mj.actuator_trnid[:, 0], 0)]], 0.0)

    def _id(self, sensor: Sensor) -> int:
        return mujoco.mj_name2id(self.mj, _OBJECT.mjOBJ_SENSOR, sensor.name)

    def _error(self, sensor: Sensor, field: str, key: str, what: str, hint: str) -> WildRobotError:
        kind = _TYPE(int(self.mj.sensor_type[self._id(sensor)])).name.removeprefix("mjSENS_").lower()
        text = f"The sensor {sensor.name!r} ({kind}), {field!r} of [{key}], {what}."
        return self.spec.error(text, key, hint=f"{hint} in {self.spec.model}")

    def _is(self, sensor: Sensor, kind: mujoco.mjtSensor, field: str, key: str) -> int:
        i = self._id(sensor)
        if int(self.mj.sensor_type[i]) != int(kind):
            wanted = kind.name.removeprefix("mjSENS_").lower()
            raise self._error(sensor, field, key, f"is no <{wanted}>", f"name a <{wanted}>, or add one")
        return i

    def _in_world(self, sensor: Sensor, kind: mujoco.mjtSensor, field: str, key: str) -> int:
        i = self._is(sensor, kind, field, key)
        if self.mj.sensor_refid[i] >= 0:
            raise self._error(sensor, field, key, "does not read in the world's frame", "drop its reftype and refname")
        return i

    def _on(self, sensor: Sensor, body: int, field: str, key: str) -> None:
        other, _ = self._frame(self._id(sensor))
        if self.mj.body_weldid[other] != self.mj.body_weldid[body]:
            names = self.mj.body(other).name, self.mj.body(body).name
            raise self._error(
                sensor, field, key, f"is of the body {names[0]!r}, not of {names[1]!r}", "give it the right object"
            )

    def _body(self, kind: int, index: int) -> int | None:
        """The body of an object that a sensor names; None for what has none, or is not named."""
        if index < 0:
            return None
        if kind == _GEOM:
            return int(self.mj.geom_bodyid[index])
        if kind == _SITE:
            return int(self.mj.site_bodyid[index])
        return index if kind in (_BODY, _XBODY) else None

    def _within(self, body: int, top: int) -> bool:
        """Whether `body` moves with `top`, or hangs from it."""
        while body and self.mj.body_weldid[body] != self.mj.body_weldid[top]:
            body = int(self.mj.body_parentid[body])
        return body != 0

    def _frame(self, i: int) -> tuple[int, Float[np.ndarray, " 4"]]:
        """The body of a sensor's object, and the object's orientation in it."""
        kind, index = int(self.mj.sensor_objtype[i]), int(self.mj.sensor_objid[i])
        body = self._body(kind, index)
        if kind == _SITE:
            return int(self.mj.site_bodyid[index]), self.mj.site_quat[index]
        if kind == _GEOM:
            return int(self.mj.geom_bodyid[index]), self.mj.geom_quat[index]
        if kind == _BODY:
            return index, self.mj.body_iquat[index]
        return body or 0, np.array([1.0, 0.0, 0.0, 0.0])


def _apart(a: Float[np.ndarray, " 4"], b: Float[np.ndarray, " 4"]) -> float:
    """How far two orientations are from each other: the vector part of the turn between them."""
    inverse, turn = np.zeros(4), np.zeros(4)
    mujoco.mju_negQuat(inverse, a)
    mujoco.mju_mulQuat(turn, inverse, b)
    return float(np.abs(turn[1:]).max())
