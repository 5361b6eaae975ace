"""Which bodies are each other's left-right image, by where they are and what hangs on them, without names."""

import mujoco
import numpy as np

_CENTRAL, _NEAR = 0.01, 0.03  # share of the robot's size: off the middle, and off the mirror image


def mirrored_bodies(mj: mujoco.MjModel, root: int, bodies: tuple[int, ...]) -> dict[int, int]:
    """By body on the left, the one on the right that is its image in the x-z plane of the root, in the zero pose.

    The tree is gone through from the root: children of a body in the middle are paired with each other, children of
    a pair with each other's. A body that has no image, such as an arm on one side alone, is left out.
    """
    data = mujoco.MjData(mj)
    mujoco.mj_kinematics(mj, data)
    turn = data.xmat[root].reshape(3, 3)
    at = (data.xpos - data.xpos[root]) @ turn
    size = float(np.ptp(at[list(bodies)], axis=0).max()) if bodies else 0.0
    children: dict[int, list[int]] = {}
    for body in bodies:
        if body != root:
            children.setdefault(int(mj.body_parentid[body]), []).append(body)
    found: dict[int, int] = {}

    def pair(left: list[int], right: list[int]) -> None:
        for a in left:
            image = at[a] * np.array([1.0, -1.0, 1.0])
            free = [b for b in right if b not in found.values() and mj.body_jntnum[b] == mj.body_jntnum[a]]
            b = min(free, key=lambda b: float(np.linalg.norm(at[b] - image)), default=None)
            if b is not None and np.linalg.norm(at[b] - image) < _NEAR * size:
                found[a] = b
                pair(children.get(a, []), children.get(b, []))

    def middle(body: int) -> None:
        aside = [child for child in children.get(body, []) if abs(at[child, 1]) > _CENTRAL * size]
        pair([child for child in aside if at[child, 1] > 0.0], [child for child in aside if at[child, 1] < 0.0])
        for child in children.get(body, []):
            if child not in aside:
                middle(child)

    if bodies and size > 0.0:
        middle(root)
    return found
