"""Which robot a run was made with: digests of its compiled model and of what robot.toml adds."""

import dataclasses
import hashlib
import logging
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ..errors import WildRobotError
from ..robots import Robot
from ..robots.model import Model
from .folder import package_version

_log = logging.getLogger(__name__)


def robot_identity(robot: Robot) -> dict[str, Any]:
    """The robot's name, the digest of its model, that of all its other data, and the MuJoCo that compiled it."""
    others = [(field.name, getattr(robot, field.name)) for field in dataclasses.fields(robot)]
    text = _content([pair for pair in others if pair[0] not in ("model", "description")])
    return {
        "name": robot.name,
        "model": robot.model.digest,
        "data": hashlib.sha256(text.encode()).hexdigest(),
        "mujoco": package_version("mujoco"),
    }


def check_robot(robot: Robot, made_with: dict[str, Any] | None, trust: bool) -> None:
    """Compare a robot with the identity that a manifest holds, if it does.

    Another MuJoCo may compile the same files to another model: that alone is only logged.

    Raises:
        WildRobotError: it is another robot, and `trust` is false.
    """
    if made_with is None:
        return
    now = robot_identity(robot)
    comparable = now["mujoco"] == made_with.get("mujoco")
    parts = {"name": "its name", "data": "what robot.toml says of it", "model": "its compiled model"}
    differ = [words for key, words in parts.items() if now[key] != made_with.get(key)]
    if not comparable and parts["model"] in differ:
        differ.remove(parts["model"])
        _log.info(
            f"MuJoCo {made_with.get('mujoco')} compiled the robot of this run, now it is {now['mujoco']}: not compared"
        )
    if not differ:
        return
    what = f"The robot {robot.name!r} is not the one that the run was made with; changed: {', '.join(differ)}."
    if not trust:
        raise WildRobotError(
            what, where="the robot's files, against the manifest", hint="restore them; if the change is meant: --trust"
        )
    _log.warning(what)


def _content(value: Any) -> str:
    """All that a tree holds, as text; arrays by their bytes."""
    if isinstance(value, (jax.Array, np.ndarray)):
        return f"{value.dtype}{value.shape}{np.asarray(value).tobytes().hex()}"
    if isinstance(value, Model):
        return value.digest
    if isinstance(value, eqx.Module):
        fields = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
        return f"{type(value).__name__}{_content(fields)}"
    if isinstance(value, dict):
        return _content(sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_content, value))}]"
    return repr(value)
