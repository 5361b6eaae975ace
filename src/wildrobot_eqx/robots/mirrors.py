"""The left-right mirror image of a robot's joints, derived from their axes and the home pose."""

from collections.abc import Iterator

import mujoco
import numpy as np
from jaxtyping import Float

from ..errors import WildRobotError, together
from .model import Model
from .parts import Mirror
from .spec import Spec

_SAME = 1e-4  # of angles in rad, and of lengths in m
_VECTOR = np.array([1.0, -1.0, 1.0])  # how reflecting y changes the axis of a slide
_PSEUDOVECTOR = -_VECTOR  # and that of a hinge


def joint_mirror(
    spec: Spec, model: Model, names: tuple[str, ...], joints: tuple[int, ...], home: Float[np.ndarray, " nu"]
) -> Mirror | None:
    """Reflection of joint vectors in the x-z plane; signs come from the axes at the zero pose.

    The axis of a slide is a vector, (x, y, z) reflects to (x, -y, z); that of a hinge is a
    pseudovector, which reflects to (-x, y, -z). Where robot.toml has no `mirror_pairs`, each
    joint is taken for its own image, if axes, places and home pose allow that.

    Args:
        spec: the robot.toml.
        model: the compiled model.
        names: the actuated joints.
        joints: their ids.
        home: their positions in the home pose.

    Returns:
        The mirror, or None for a robot without `mirror_pairs` that has none.

    Raises:
        WildRobotError: joints that are paired, or home angles, are no mirror images of each other.
    """
    mj = model.mj
    pairs: dict[str, str] = {}
    for pair in spec.mirror_pairs or ():
        pairs |= {pair[0]: pair[1], pair[1]: pair[0]}
    undriven = [
        spec.error(
            f"'mirror_pairs' names the joint {name!r}, which no actuator drives.", hint="pair actuated joints only"
        )
        for name in pairs
        if name not in names
    ]
    if undriven:
        raise together("'mirror_pairs'", undriven, where=str(spec.path), hint="pair actuated joints only")
    data = mujoco.MjData(mj)
    mujoco.mj_kinematics(mj, data)
    source = tuple(names.index(pairs.get(name, name)) for name in names)
    slides = mj.jnt_type[list(joints)] == mujoco.mjtJoint.mjJNT_SLIDE
    axis = data.xaxis[list(joints)]
    image = np.where(slides[:, None], _VECTOR, _PSEUDOVECTOR) * axis[list(source)]
    along = np.sum(axis * image, axis=1) * np.where(slides == slides[list(source)], 1.0, 0.0)
    mirror = Mirror(source, tuple(float(np.sign(cosine)) for cosine in along))
    wrong = [*_wrong_axes(spec, names, mirror, along)]
    wrong += _wrong_home(spec, names, mirror, home) if not wrong else []
    if wrong and spec.mirror_pairs is None:
        return None
    if wrong:
        raise together("The mirror image", wrong, where=str(spec.path), hint="mend them all")
    aside = np.abs(data.xanchor[list(joints), 1]) > _SAME
    return None if spec.mirror_pairs is None and aside.any() else mirror


def _wrong_axes(
    spec: Spec, names: tuple[str, ...], mirror: Mirror, along: Float[np.ndarray, " nu"]
) -> Iterator[WildRobotError]:
    for i, (name, s, cosine) in enumerate(zip(names, mirror.source, along)):
        if abs(cosine) < 0.9 and s >= i:  # a pair is told once
            yield spec.error(
                f"The axes of the joints {name!r} and {names[s]!r} are no mirror images of each other.",
                hint="pair each joint that lies left or right with its image in 'mirror_pairs', "
                "or leave 'mirror_pairs' out of a robot that has no mirror image",
            )


def _wrong_home(
    spec: Spec, names: tuple[str, ...], mirror: Mirror, home: Float[np.ndarray, " nu"]
) -> Iterator[WildRobotError]:
    """A home pose is its own mirror image: symmetric policies count their actions from it."""
    for i, (source, sign) in enumerate(zip(mirror.source, mirror.sign)):
        image = sign * home[source]
        if abs(home[i] - image) > _SAME and source >= i:  # a pair is told once
            yield spec.error(
                f"The home pose is not left-right symmetric: joint {names[i]!r} is at {home[i]:.3f} rad, "
                f"the mirror image of {names[source]!r} at {image:.3f} rad.",
                "home",
                hint="make the angles mirror images (mind the signs of the axes), or mend 'mirror_pairs', "
                "or leave it out of a robot that has no mirror image",
            )
