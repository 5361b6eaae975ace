"""`bundle verify`: the golden vectors through the player, then the player in closed loop before the gate."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ..deploy.bundle.bundle import Bundle
from ..deploy.export.export import check_schema
from ..deploy.export.onnx.check import check_graph
from ..deploy.proof.replay import TOLERANCE, Replay, replay
from ..deploy.proof.retrace import Retrace, retrace
from ..evaluate.gate import GateResult
from .closed_loop import closed_loop
from .gate_codec import read_judge

EPISODES = 8  # per command
Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Verified:
    """What was found of one bundle."""

    replay: Replay
    retrace: Retrace | None  # None: the bundle carries no robot, or is not let walk
    gate: GateResult | None  # the player's, in closed loop; None where there is nothing to hold it against
    lost: tuple[str, ...]  # what the training env passed and the player fails
    note: str

    @property
    def passed(self) -> bool:
        """The player does what training did, step by step and in the end."""
        return self.replay.passed and (self.retrace is None or self.retrace.passed) and not self.lost

    def to_json(self) -> dict[str, Any]:
        """The findings as plain JSON values."""
        return {
            "passed": self.passed,
            "replay": {**_plain(self.replay), "tolerance": TOLERANCE},
            "retrace": None if self.retrace is None else _plain(self.retrace),
            "gate": None if self.gate is None else self.gate.to_json(),
            "lost": list(self.lost),
            "note": self.note,
        }


def _plain(found: Replay | Retrace) -> dict[str, Any]:
    """As JSON values, which know no infinity."""
    figures = dataclasses.asdict(found)
    broken = [name for name, value in figures.items() if isinstance(value, float) and not np.isfinite(value)]
    return {**figures, **dict.fromkeys(broken), "passed": found.passed}


def verify_bundle(bundle: Bundle, episodes: int, say: Say) -> Verified:
    """Prove that the player does what training did.

    The golden vectors come first: the recorded readings through the player. Then the golden
    rollout is walked again in plain MuJoCo. Where either fails, nothing more is walked. Then the
    player does `episodes` of each required command, motion or kick, measured and judged like
    the training env. It loses a line that the training env's verdict passes and its own fails.

    Raises:
        WildRobotError: the bundle is damaged, or does not fit its own schema.
    """
    check_schema(bundle.contract.document)
    check_graph(bundle)
    replayed = replay(bundle)
    document = bundle.contract.document
    gate = document["gate"]
    if not replayed.passed:
        return Verified(replayed, None, None, (), "the player was not let walk: it does not repeat the golden vectors")
    if document["simulation"] is None:
        return Verified(replayed, None, None, (), "the bundle carries no robot that the player could walk")
    walked = retrace(bundle)
    if not walked.passed:
        return Verified(replayed, walked, None, (), "not judged: the player does not go where training went")
    judge = read_judge(gate, episodes)
    if gate is None or judge is None:
        return Verified(replayed, walked, None, (), "not judged: the bundle holds no verdict of a walk or stand gate")
    result = closed_loop(bundle, judge, say)
    failed = {_key(line) for line in gate["lines"] if not line["passed"]}
    lost = [line for line in result.lines if not line.passed and (line.name, line.command, line.axis) not in failed]
    words = "passed" if gate["passed"] else f"failed ({len(failed)} lines)"
    note = f"the training env's verdict: {words}" + (
        f", provisional: {gate['provisional']}" if gate.get("provisional") else ""
    )
    return Verified(replayed, walked, result, tuple(str(line) for line in lost), note)


def _key(line: dict[str, Any]) -> tuple[str, float, str]:
    """What a line of a verdict is about, at whatever timestep."""
    return line["name"], line["command"], line.get("axis", "")
