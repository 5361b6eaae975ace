"""Which way a robot faces: its axes are turned to x forward and y left where its file has others."""

import re

import numpy as np
from jaxtyping import Float

from .body import PosedBody
from .findings import Findings
from .read import Source
from .skeleton import make_skeleton

_LEFT = re.compile(r"left|(^|[_\-./ ])(l|fl|rl|hl|bl|lf|lh|ml)([_\-./ ]|$)", re.I)
_RIGHT = re.compile(r"right|(^|[_\-./ ])(r|fr|rr|hr|br|rf|rh|mr)([_\-./ ]|$)", re.I)


UPS: dict[str, Float[np.ndarray, "3 3"]] = {
    "z": np.eye(3),
    "y": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]),
    "-y": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
    "x": np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    "-x": np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]),
}
"""What takes each axis that may point up to z; the usual one first."""


def quarter_turns(count: int) -> Float[np.ndarray, "3 3"]:
    """Turns about the vertical by so many times 90 degrees."""
    c, s = np.round(np.cos(0.5 * np.pi * count)), np.round(np.sin(0.5 * np.pi * count))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def facing(source: Source, up: str, findings: Findings) -> Float[np.ndarray, "3 3"]:
    """What takes the axes of the file's world to the robot's own: x forward, y left, z up.

    The plane in which the robot is its own mirror image says which axis is lateral, the names of joints which side is
    left.

    Args:
        source: the robot.
        up: the file's axis that points up, of `UPS`.
        findings: where it is noted.
    """
    raised = UPS[up]
    body = PosedBody(make_skeleton(source, {}, raised), source.mj)
    count = 0 if body.reflection.lateral == 1 else -1
    votes = _votes(body, quarter_turns(count))
    if votes < 0:
        count += 2
    turn = quarter_turns(count) @ raised
    axis = ("x", "y", "z")[int(np.argmax(np.abs(turn[0])))]
    forward = axis if turn[0].max() > 0.5 else f"-{axis}"
    why = "the joints' names and mirror image" if votes else "the joints' mirror image"
    same = forward == "x" and up == "z"
    value = "x" if same else f"the file's {forward}, turned to x" + ("" if up == "z" else f"; up is its {up}")
    findings.add("forward", value, why, "likely" if votes else "guess", check=not same)
    return turn


def _votes(body: PosedBody, turn: Float[np.ndarray, "3 3"]) -> int:
    """How many more paired joints lie on the side that their name says."""
    data = body.pose(body.rest)
    votes = 0
    for name, other in body.reflection.image.items():
        if name == other:
            continue
        y = float((turn @ (data.xanchor[body.mj.joint(name).id] - data.xpos[1]))[1])
        left, right = bool(_LEFT.search(name)), bool(_RIGHT.search(name))
        if left != right:
            votes += int(np.sign(y)) * (1 if left else -1)
    return votes
