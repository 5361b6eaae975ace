"""Sensors of one unit in different frames, and sensors whose cutoff clips what they are to read."""

from collections.abc import Iterator

import mujoco
import numpy as np

from .finding import Finding
from .subject import Subject

_SENSOR = mujoco.mjtSensor
_UNIT = {
    int(_SENSOR.mjSENS_ACCELEROMETER): "accelerometer",
    int(_SENSOR.mjSENS_GYRO): "gyro",
    int(_SENSOR.mjSENS_FRAMEQUAT): "framequat",
}
_LEAST = {  # what a walking robot's sensor must be able to read
    int(_SENSOR.mjSENS_ACCELEROMETER): (20.0, "m/s^2, twice gravity"),
    int(_SENSOR.mjSENS_GYRO): (2.0, "rad/s"),
}
_SAME = 1e-3


def check_sensing(subject: Subject) -> Iterator[Finding]:
    """Frames of the inertial sensors of each body, and cutoffs."""
    mj = subject.mj
    by_body: dict[int, dict[str, list[tuple[int, np.ndarray]]]] = {}
    for i in range(mj.nsensor):
        kind = int(mj.sensor_type[i])
        name = f"sensor {mj.sensor(i).name or i!r}"
        if kind in _LEAST and 0.0 < mj.sensor_cutoff[i] < _LEAST[kind][0]:
            least, unit = _LEAST[kind]
            yield Finding(
                "sensors",
                "fault",
                "A sensor's cutoff clips what it is to read.",
                name,
                f"{mj.sensor_cutoff[i]:.3g}, a walking robot reads {least:g} {unit}",
                "drop its cutoff, or take that of the datasheet",
            )
        if kind in _UNIT and mj.sensor_objtype[i] == mujoco.mjtObj.mjOBJ_SITE and mj.sensor_refid[i] < 0:
            site = int(mj.sensor_objid[i])
            of = by_body.setdefault(int(mj.site_bodyid[site]), {})
            of.setdefault(_UNIT[kind], []).append((i, mj.site_quat[site]))
    for body, kinds in by_body.items():
        for other in ("accelerometer", "framequat"):
            gyros, others = kinds.get("gyro", []), kinds.get(other, [])
            if len(gyros) == len(others) == 1 and _apart(gyros[0][1], others[0][1]) > _SAME:
                yield Finding(
                    "sensors",
                    "note" if subject.robot is None else "fault",
                    f"The {other} of a body reads in another frame than its gyro.",
                    f"sensors {mj.sensor(gyros[0][0]).name!r} and {mj.sensor(others[0][0]).name!r} "
                    f"of {subject.body_name(body)!r}",
                    f"turned by {np.degrees(_apart(gyros[0][1], others[0][1])):.3g} degrees",
                    "put both on one site",
                )


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """The angle between two orientations, rad."""
    return float(2.0 * np.arccos(np.clip(abs(float(a @ b)), 0.0, 1.0)))
