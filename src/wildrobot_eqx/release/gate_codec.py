"""A gate as a bundle holds it: what was required of the policy, so that the player can be held to the same."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from ..evaluate.gate import AbstractGate, CommandFigures, GateLine
from ..evaluate.walking.meter import GaitMeter, GaitTally
from ..evaluate.walking.motions import Motion, judge_motion
from ..evaluate.walking.stand_gate import StandGate
from ..evaluate.walking.walk_gate import WalkGate


@dataclasses.dataclass(frozen=True)
class Case:
    """What the episodes of one line of a gate have in common."""

    told: dict[str, float]  # the command, by the names of the contract
    words: str  # of it
    kick: float = 0.0  # m/s
    kick_at: float = 0.0  # s
    motion: Motion | None = None


@dataclasses.dataclass(frozen=True)
class Judge:
    """A gate that judges the player's episodes: its required cases, no others."""

    gate: WalkGate | StandGate
    cases: tuple[Case, ...]

    @property
    def warmup(self) -> float:
        """From when on samples are judged, s."""
        gate = self.gate
        return gate.warmup if isinstance(gate, WalkGate) else gate.kick_at + gate.recovery

    @property
    def columns(self) -> str:
        """What the figures' commands are."""
        return "kick" if isinstance(self.gate, StandGate) else "command"

    def judge(
        self, meter: GaitMeter, tally: GaitTally, case: Case, timestep: float
    ) -> tuple[CommandFigures, Sequence[GateLine]]:
        """The figures and lines of one case's episodes, by the code that judges in training."""
        if case.motion is not None:
            return judge_motion(meter, tally, case.motion, timestep)
        command = case.kick if isinstance(self.gate, StandGate) else case.told["speed"]
        return self.gate.judge(meter, tally, command, timestep)


def describe_gate(gate: AbstractGate | None) -> dict[str, Any] | None:
    """What a bundle says of a gate, beside its verdict; None for one that only its own code could judge by."""
    return None if gate is None else gate.describe()


def read_judge(told: dict[str, Any] | None, episodes: int) -> Judge | None:
    """The judge that a contract's `gate` describes, for `episodes` per case; None where there is none."""
    if told is None or told.get("judge") not in ("WalkGate", "StandGate"):
        return None
    required, seconds = tuple(float(value) for value in told["required"]), float(told["seconds"])
    if told["judge"] == "StandGate":
        at = float(told["kick_at"])
        stand = StandGate(
            required=required,
            reported=(),
            episodes=episodes,
            seconds=seconds,
            kick_at=at,
            recovery=float(told["recovery"]),
        )
        still = {"speed": 0.0}
        return Judge(stand, tuple(Case(still, f"after a kick of {kick:g} m/s", kick, at) for kick in required))
    walk = WalkGate(
        required=required, reported=(), episodes=episodes, seconds=seconds, warmup=float(told["warmup"]), motions=()
    )
    motions = [Motion(m["axis"], float(m["command"])) for m in told.get("motions", ())]
    return Judge(walk, (*(Case({"speed": v}, f"at {v:g} m/s") for v in required), *map(_moved, motions)))


def _moved(motion: Motion) -> Case:
    left = motion.axis == "left"
    told = {"speed": 0.0, "lateral" if left else "turn": motion.command}
    return Case(told, f"at {motion.axis} {motion.command:g} {'m/s' if left else 'rad/s'}", motion=motion)
