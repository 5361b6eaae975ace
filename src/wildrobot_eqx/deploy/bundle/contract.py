"""The contract of a bundle: what training did, as data."""

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "wildrobot-eqx policy bundle"
VERSION = 3
FILE = "contract.json"
COMMAND, POSITIONS, VELOCITIES = "command", "joint_positions", "joint_velocities"
SWITCHES = "foot_switches"
SENSOR = "sensor."  # before a sensor's name, in the policy's inputs
OBSERVATION, ACTION, TARGET = "observation", "action", "target"


@dataclasses.dataclass(frozen=True)
class ObservationPart:
    """One part of the observation, `observation[start:stop]`, and the class of the term that computes it."""

    name: str
    kind: str
    start: int
    stop: int
    age: int  # control steps: 0 is now


@dataclasses.dataclass(frozen=True)
class PolicyState:
    """What the policy's graph hands on from one control step to the next: zeros at first, then what came out."""

    kind: str  # "history", "memory", "step" or "started"
    input: str
    output: str
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class CommandChannel:
    """One number that the robot can be asked for."""

    name: str
    command: str
    unit: str
    low: float
    high: float
    rest: float  # where nothing is asked for


@dataclasses.dataclass(frozen=True)
class Contract:
    """A contract that holds together. Vectors are float32, in the order of `joints`, unless it is said."""

    document: dict[str, Any]
    dt: float  # s
    joints: tuple[str, ...]  # those that are driven
    measured: tuple[str, ...]  # joints, and then those that are only measured
    home: NDArray[np.float32]  # rad, m of slides
    low: NDArray[np.float32]  # of positions of `measured`; infinite where nothing limits them
    high: NDArray[np.float32]
    servos: NDArray[np.bool_]  # whose targets are positions
    target_low: NDArray[np.float32]  # of targets, each in its own unit
    target_high: NDArray[np.float32]
    target_rest: NDArray[np.float32]
    target_speed: NDArray[np.float32]  # per second
    safe_pose: NDArray[np.float32]  # targets
    channels: tuple[CommandChannel, ...]
    inputs: dict[str, int]  # of the policy's graph: what is read, and its length
    parts: tuple[ObservationPart, ...]  # of all that the policy sees: moment after moment, the newest first
    history: int  # moments
    states: tuple[PolicyState, ...]
    sensors: dict[str, int]  # sizes of those that the policy needs
    feet: tuple[str, ...]  # whose switches the policy reads

    @property
    def observation_size(self) -> int:
        """Length of the observation, its history included."""
        return self.parts[-1].stop

    @property
    def moment(self) -> tuple[ObservationPart, ...]:
        """The parts of the newest moment, which are what a robot computes."""
        return self.parts[: len(self.parts) // self.history]

    @property
    def needs_velocities(self) -> bool:
        """Whether joint velocities are read."""
        return VELOCITIES in self.inputs


def contract_digest(document: dict[str, Any]) -> str:
    """SHA-256 of a contract without its own digest, as JSON with sorted keys and no spaces."""
    rest = {name: value for name, value in document.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def observation_digest(document: dict[str, Any]) -> str:
    """SHA-256 of what the policy's inputs and outputs mean, which the policy's file repeats."""
    meaning = {
        "joints": [joint["name"] for joint in (*document["joints"], *document["encoders"])],
        "command": [[channel["command"], channel["name"]] for channel in document["command"]["channels"]],
        "feet": [foot["name"] for foot in document.get("feet", ())],
        "observation": [
            [part["name"], part["kind"], part["start"], part["stop"], part["age"]] for part in document["observation"]
        ],
    }
    return hashlib.sha256(json.dumps(meaning, separators=(",", ":")).encode("ascii")).hexdigest()
