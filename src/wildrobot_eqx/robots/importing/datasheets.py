"""Figures of servos that small robots are built from, by name."""

import dataclasses
import re

from ...errors import WildRobotError, nearest


@dataclasses.dataclass(frozen=True)
class Datasheet:
    """One servo or geared motor, at its output side."""

    about: str
    stall_torque: float  # N m
    no_load_speed: float  # rad/s
    kp: float  # N m/rad, of its own position control with the maker's gains
    kv: float  # N m s/rad, of that control and of the motor's back-EMF
    armature: float  # kg m^2, of the rotor through the gears
    frictionloss: float  # N m
    source: str


_RPM = 0.10471975511965977
DATASHEETS: dict[str, Datasheet] = {
    "xl330": Datasheet(
        "Dynamixel XL330-M288-T at 5 V", 0.52, 103 * _RPM, 1.7, 0.06, 0.0018, 0.012,
        "Robotis e-manual: 0.52 N m, 103 rpm at 5 V; gains and rotor estimated",
    ),
    "xl430": Datasheet(
        "Dynamixel XL430-W250-T at 12 V", 1.5, 61 * _RPM, 5.5, 0.25, 0.0045, 0.03,
        "Robotis e-manual: 1.5 N m, 61 rpm at 12 V; gains and rotor estimated",
    ),
    "xm430": Datasheet(
        "Dynamixel XM430-W350-T at 12 V", 4.1, 46 * _RPM, 15.0, 0.9, 0.012, 0.06,
        "Robotis e-manual: 4.1 N m, 46 rpm at 12 V; gains and rotor estimated",
    ),
    "sts3215-7.4v": Datasheet(
        "Feetech STS3215 at 7.4 V", 1.91, 52 * _RPM, 12.0, 0.5, 0.028, 0.05,
        "Feetech: 19.5 kg cm, 52 rpm at 7.4 V; gains and rotor as identified by others, scaled to this voltage",
    ),
    "sts3215-12v": Datasheet(
        "Feetech STS3215 at 12 V", 2.94, 45 * _RPM, 17.8, 0.6, 0.028, 0.05,
        "Feetech: 30 kg cm, 0.222 s per 60 degrees at 12 V; gains and rotor as identified by others",
    ),
    "htd-45h": Datasheet(
        "Hiwonder HTD-45H at 11.1 V", 4.41, 5.818, 21.1, 0.5, 0.025, 0.022,
        "Hiwonder: 45 kg cm, 0.18 s per 60 degrees at 11.1 V; gains and rotor as identified on wildrobot",
    ),
    "hx-35h": Datasheet(
        "Hiwonder HX-35H at 11.1 V", 3.43, 5.818, 16.4, 0.5, 0.02, 0.022,
        "Hiwonder: 35 kg cm, 0.18 s per 60 degrees at 11.1 V; gains and rotor scaled from the HTD-45H",
    ),
}  # fmt: skip
_BRUSHLESS = re.compile(r"brushless\((?P<torque>[\d.]+),(?P<speed>[\d.]+),(?P<rotor>[\d.e+-]+),(?P<gear>[\d.]+)\)")
_BANDWIDTH = 50.0  # rad/s, of the position control of a brushless joint upon its own rotor: 8 Hz
BRUSHLESS = "brushless(TORQUE,SPEED,ROTOR,GEAR)"


def datasheet(name: str) -> Datasheet:
    """The servo of a name, or a brushless joint of given figures.

    Args:
        name: a name in `DATASHEETS`; or `brushless(TORQUE,SPEED,ROTOR,GEAR)` with the motor's peak torque (N m), its
            no-load speed (rad/s), its rotor's inertia (kg m^2) and the gear ratio, seen at the motor.

    Raises:
        WildRobotError: there is no such servo, or a figure is no positive number.
    """
    known = name.lower().replace(" ", "").replace("_", "-")
    if known in DATASHEETS:
        return DATASHEETS[known]
    match = _BRUSHLESS.fullmatch(known)
    try:
        if match is None:
            raise ValueError
        torque, speed, rotor, gear = (float(match[key]) for key in ("torque", "speed", "rotor", "gear"))
        if min(torque, speed, rotor, gear) <= 0.0:
            raise ValueError
    except ValueError as error:
        raise WildRobotError(
            f"There is no servo {name!r}.",
            where="--servo",
            hint=f"{nearest(known, DATASHEETS)}; or {BRUSHLESS}, seen at the motor: N m, rad/s, kg m^2 and the ratio",
        ) from error
    armature = rotor * gear**2
    return Datasheet(
        f"brushless motor with a gear of {gear:g}",
        torque * gear,
        speed / gear,
        armature * _BANDWIDTH**2,
        2.0 * armature * _BANDWIDTH,
        armature,
        0.0,
        "--servo: critically damped at 8 Hz upon the rotor",
    )
