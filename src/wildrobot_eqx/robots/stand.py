"""How a robot stands: its home pose, and the sides of its feet."""

import mujoco

from ..errors import together
from .legs import joints_above
from .parts import Base, Foot
from .spec import Spec

_FREE, _BALL, _SLIDE = (int(getattr(mujoco.mjtJoint, f"mjJNT_{kind}")) for kind in ("FREE", "BALL", "SLIDE"))
_SAME = 1e-4  # m


def home_pose(
    spec: Spec, mj: mujoco.MjModel, joints: dict[str, int], base: Base | None, feet: tuple[Foot, ...]
) -> mujoco.MjData:
    """Kinematics of the home pose; the lowest foot on the floor (z = 0), where the base can move up and down.

    Args:
        spec: the robot.toml.
        mj: the model.
        joints: by name, those that [home] gives an angle.
        base: the body that moves without a motor.
        feet: whose lowest one stands on the floor.

    Raises:
        WildRobotError: [home] gives one angle to a joint that has none.
    """
    data = mujoco.MjData(mj)
    wrong = [name for name, joint in joints.items() if mj.jnt_type[joint] in (_FREE, _BALL)]
    if wrong:
        told = [
            spec.error(f"[home] gives the joint {name!r} one angle; it has none.", "home", "drop it") for name in wrong
        ]
        raise together("[home]", told, where=str(spec.path), hint="drop them")
    for name, joint in joints.items():
        data.qpos[mj.jnt_qposadr[joint]] = spec.home[name]
    mujoco.mj_kinematics(mj, data)
    if base is not None and feet:
        lowest = min(data.site_xpos[foot.site, 2] for foot in feet)
        for at in rising(mj, base.body)[:1]:
            data.qpos[at] -= lowest
        mujoco.mj_kinematics(mj, data)
    return data


def check_sides(spec: Spec, feet: tuple[Foot, ...], home: mujoco.MjData) -> None:
    """Feet stand in robot.toml from left to right: the gait clock and the mirror count on it.

    Raises:
        WildRobotError: they do not, or a foot is called left or right and lies on the other side.
    """
    y = [float(home.site_xpos[foot.site, 1]) for foot in feet]
    wrong = [
        spec.error(
            f"The foot {foot.name!r} lies at y = {at:+.3f} m in the home pose, and y points to the left.",
            f"feet.{foot.name}",
            hint="give it the site and the sensors of its own side",
        )
        for foot, at in zip(feet, y)
        if ("left" in foot.name and at < -_SAME) or ("right" in foot.name and at > _SAME)
    ]
    for i in range(0 if wrong else len(feet) // 2):
        first, last = feet[i].name, feet[-1 - i].name
        if y[i] < y[-1 - i] - _SAME or ("right" in first and "left" in last):
            wrong.append(
                spec.error(
                    f"The foot {first!r} stands before {last!r} but lies to its right.",
                    "feet",
                    hint=f"list the feet from left to right: [feet.{last}] before [feet.{first}]",
                )
            )
    if wrong:
        raise together("[feet]", wrong, where=f"{spec.path}, [feet]", hint="list the feet from left to right")


def rising(mj: mujoco.MjModel, body: int) -> list[int]:
    """The entries of qpos that move a body straight up and down."""
    found = []
    for j in joints_above(mj, body):
        if mj.jnt_type[j] == _FREE:
            found.append(int(mj.jnt_qposadr[j]) + 2)
        elif mj.jnt_type[j] == _SLIDE and mj.jnt_axis[j, 2] == 1.0:
            found.append(int(mj.jnt_qposadr[j]))
    return found
