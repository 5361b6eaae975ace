"""`bundle verify`: the golden vectors through the player, then the player in closed loop before the gate."""

import dataclasses
from typing import Any

import numpy as np

from ..deploy.bundle.bundle import Bundle
from ..deploy.export.export import check_schema
from ..deploy.export.onnx.check import check_graph
from ..deploy.proof.replay import TOLERANCE, Replay, replay
from ..deploy.proof.retrace import Retrace, retrace
from ..env import Env
from ..evaluate.gate import AbstractGate, GateResult
from .closed_loop import closed_loop
from .gate_codec import read_judge

EPISODES = 8  # per command


@dataclasses.dataclass(frozen=True)
class Verified:
    """What was found of one bundle."""

    replay: Replay
    retrace: Retrace | None  # None: the bundle carries no robot, or is not let run
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
            "replay": {**_replay_json(self.replay), "tolerance": TOLERANCE},
            "retrace": None if self.retrace is None else _replay_json(self.retrace),
            "gate": None if self.gate is None else self.gate.to_json(),
            "lost": list(self.lost),
            "note": self.note,
        }


def _replay_json(found: Replay | Retrace) -> dict[str, Any]:
    """As JSON values, which know no infinity."""
    figures = dataclasses.asdict(found)
    broken = [name for name, value in figures.items() if isinstance(value, float) and not np.isfinite(value)]
    return {**figures, **dict.fromkeys(broken), "passed": found.passed}


def verify_bundle(bundle: Bundle, episodes: int, judge: tuple[Env, AbstractGate] | None = None) -> Verified:
    """Prove that the player does what training did.

    The golden vectors come first: the recorded readings through the player. Then the golden
    rollout is run again in plain MuJoCo. Where either fails, nothing more is run. Then the
    player does `episodes` of each required case of a gate, measured and judged like the
    training env. It loses a line that the training env's verdict passes and its own fails.

    Args:
        bundle: the bundle.
        episodes: for each case of the gate; 0: the gate is left out.
        judge: the env that the policy was trained in, and its gate; None: what the contract describes of them,
            which it does of walk and stand gates.

    Raises:
        WildRobotError: the bundle is damaged, or does not fit its own schema.
    """
    check_schema(bundle.contract.document)
    check_graph(bundle)
    replayed = replay(bundle)
    document = bundle.contract.document
    gate = document["gate"]
    if not replayed.passed:
        return Verified(replayed, None, None, (), "the player was not let run: it does not repeat the golden vectors")
    if document["simulation"] is None and judge is None:
        return Verified(replayed, None, None, (), "the bundle carries no robot that the player could run")
    again = None if document["simulation"] is None else retrace(bundle)
    if again is not None and not again.passed:
        return Verified(replayed, again, None, (), "not judged: the player does not go where training went")
    if gate is None:
        return Verified(replayed, again, None, (), "not judged: the bundle holds no verdict of a gate")
    if episodes == 0:
        return Verified(replayed, again, None, (), "not judged: no episode was asked for")
    judge = read_judge(bundle) if judge is None else judge
    if judge is None:
        note = f"not judged: only the recipe has this {gate.get('judge', 'gate')}: wildrobot-eqx bundle verify RUN"
        return Verified(replayed, again, None, (), note)
    result = closed_loop(bundle, *judge, episodes)
    failed = {_key(line) for line in gate["lines"] if not line["passed"]}
    lost = [line for line in result.lines if not line.passed and _key(line.to_json()) not in failed]
    words = "passed" if gate["passed"] else f"failed ({len(failed)} lines)"
    note = f"the training env's verdict: {words}" + (
        f", provisional: {gate['provisional']}" if gate.get("provisional") else ""
    )
    return Verified(replayed, again, result, tuple(str(line) for line in lost), note)


def _key(line: dict[str, Any]) -> tuple[str, float, str, str]:
    """What a line of a verdict is about, at whatever timestep."""
    return line["name"], line["command"], line.get("axis", ""), line.get("case", "")
