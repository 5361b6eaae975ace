"""The root of a robot, and the free joint that its file may lack."""

from pathlib import Path

import mujoco

from ...errors import WildRobotError
from .findings import Findings

_FREE, _BALL = mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_BALL
_FREEDOMS = {_FREE: 6, _BALL: 3}
_WIDTHS = {_FREE: 7, _BALL: 4}  # numbers in qpos; of other joints one
_UPRIGHT = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)  # qpos of a free joint


def make_free(spec: mujoco.MjSpec, path: Path, findings: Findings) -> str:
    """The root body's name, after it has been given a free joint where it had none.

    The root is the top of the tree with the most actuators, or else joints. Joints without a motor that
    together move it in all six ways are replaced.

    Raises:
        WildRobotError: there are no joints, or the root moves in some ways only.
    """
    trees = []
    driven = {actuator.target for actuator in spec.actuators}
    for body in spec.worldbody.bodies:
        joints = body.find_all("joint")
        own = [joint for joint in joints if joint.type != _FREE]
        trees.append((sum(joint.name in driven for joint in own), len(own), body))
    most = max((tree[:2] for tree in trees), default=(0, 0))
    if not most[1]:
        raise WildRobotError(
            f"{path.name} describes no robot: it has no joints.", where=str(path), hint="name the robot's own file"
        )
    root = next(tree[2] for tree in trees if tree[:2] == most)
    others = [tree[2].name for tree in trees if tree[2].name != root.name and tree[1]]
    if others:
        findings.add("left out", ", ".join(others), "trees of bodies beside the robot", "sure", check=True)
    joints = list(root.joints)
    if any(joint.type == _FREE for joint in joints):
        findings.add("root", root.name, "the free joint of the file", "sure")
        return str(root.name)
    idle = [joint for joint in joints if joint.name not in driven]
    freedoms = sum(_FREEDOMS.get(joint.type, 1) for joint in idle)
    if joints and (freedoms != 6 or len(idle) != len(joints)):
        what = ", ".join(joint.name or "one without a name" for joint in joints)
        raise WildRobotError(
            f"The root {root.name!r} of {path.name} does not float: it hangs on the world by {what}.",
            where=str(path),
            hint="a robot that walks has a root that moves freely; write a robot.toml by hand for another kind",
        )
    trunks = [tree[2] for tree in trees]
    _fit_keyframes(spec, trunks[: trunks.index(root)], joints)
    for joint in joints:
        spec.delete(joint)
    root.add_freejoint()
    why = "its six joints without a motor are replaced" if joints else "the file has none"
    findings.add("root", f"{root.name}, with a free joint", why, "sure")
    return str(root.name)


def _fit_keyframes(spec: mujoco.MjSpec, before: list[mujoco.MjsBody], joints: list[mujoco.MjsJoint]) -> None:
    """Give a place in every keyframe to the free joint that the root gets: MuJoCo would shift what stands behind it.

    Args:
        spec: whose keyframes they are.
        before: trees of bodies that stand before the root.
        joints: those of the root, which the free joint replaces.
    """
    at = sum(_WIDTHS.get(joint.type, 1) for body in before for joint in body.find_all("joint"))
    end = at + sum(_WIDTHS.get(joint.type, 1) for joint in joints)
    for key in spec.keys:
        if len(key.qpos) > at:
            old = list(key.qpos)
            key.qpos = [*old[:at], *_UPRIGHT, *old[end:]]
