"""The contract of a bundle: what training did, as data, read and checked before anything moves."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .archive import damaged
from .schema import contract_schema, violations

FORMAT = "wildrobot-eqx policy bundle"
VERSION = 2
FILE = "contract.json"
_LARGEST = float(np.finfo(np.float32).max)
_LARGEST_WHOLE = 2**53  # beyond it a float is another number
_LARGEST_STATE = 2**24  # numbers that a policy hands on
_SENSORS = {"orientation": (4, "wxyz"), "gyro": (3, "xyz"), "accelerometer": (3, "xyz")}
_COMMAND: dict[str, Callable[[dict[str, Any]], float]] = {
    "heading gain": lambda document: document["command"]["heading_hold"]["gain"],
    "yaw rate limit": lambda document: document["command"]["heading_hold"]["limit"],
    "deadband": lambda document: document["command"]["speed"]["deadband"],
}
_CONSTANTS: dict[str, dict[str, Callable[[dict[str, Any]], float]]] = {
    "gait_phase": {"period": lambda document: document["clock"]["period"]},
    "velocity_command": _COMMAND,
    "planar_command": _COMMAND,
}
_READS = {"projected_gravity": "orientation", "angular_velocity": "gyro"}


@dataclasses.dataclass(frozen=True)
class Part:
    """One part of the observation: `observation[start:stop]`, computed as `kind` says."""

    name: str
    kind: str
    start: int
    stop: int
    source: str
    constants: dict[str, float]
    age: int  # control steps: 0 is now


@dataclasses.dataclass(frozen=True)
class State:
    """What the policy's graph hands on from one control step to the next: zeros at first, then what came out."""

    kind: str  # "history", "memory" or "begun"
    input: str
    output: str
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Contract:
    """A contract that holds together. Vectors are float32, in the order of `joints`."""

    document: dict[str, Any]
    dt: float  # s
    joints: tuple[str, ...]
    home: NDArray[np.float32]  # rad
    scale: NDArray[np.float32]  # rad per unit of action
    low: NDArray[np.float32]  # rad
    high: NDArray[np.float32]  # rad
    target_speed: NDArray[np.float32]  # rad/s
    safe_pose: NDArray[np.float32]  # rad
    parts: tuple[Part, ...]  # of all that the policy sees: moment after moment, the newest first
    history: int  # moments
    states: tuple[State, ...]
    sensors: dict[str, int]  # sizes of those that the policy needs
    feet: tuple[str, ...]  # whose switches the policy reads

    @property
    def observation_size(self) -> int:
        """Length of the observation, its history included."""
        return self.parts[-1].stop

    @property
    def moment(self) -> tuple[Part, ...]:
        """The parts of the newest moment, which are what a robot computes."""
        return self.parts[: len(self.parts) // self.history]

    @property
    def needs_velocities(self) -> bool:
        """Whether joint velocities are read."""
        return any(part.kind == "joint_velocities" for part in self.parts)


def read_contract(text: bytes) -> Contract:
    """Read `contract.json` and check all of it: its version, its schema, its digest, and that it makes sense.

    Raises:
        WildRobotError: it does not; the reason names the entry.
    """
    document = _load(text)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise damaged("This is no contract of a policy bundle.", FILE)
    version = document.get("version")
    if version != VERSION or isinstance(version, bool):
        older = isinstance(version, int) and not isinstance(version, bool) and version < VERSION
        raise damaged(
            f"The contract has version {version!r}, this player reads version {VERSION}.",
            FILE,
            "export the bundle anew with this version of wildrobot-eqx, or play it with the one that made it: "
            "pip install wildrobot-eqx==0.1.0"
            if older
            else "update wildrobot-eqx on the robot",
        )
    found = violations(document, contract_schema())
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise damaged(f"The contract does not fit its schema: {found[0]}{more}", FILE)
    if document["digest"] != contract_digest(document):
        raise damaged("The contract was changed after it was written: its digest is another.", f"{FILE}, digest")
    contract = _contract(document)
    wrong = _nonsense(document, contract)
    if wrong:
        raise damaged(f"The contract contradicts itself: {wrong[0]}", FILE)
    return contract


def contract_digest(document: dict[str, Any]) -> str:
    """SHA-256 of a contract without its own digest, as JSON with sorted keys and no spaces."""
    rest = {name: value for name, value in document.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def observation_digest(document: dict[str, Any]) -> str:
    """SHA-256 of what the policy's input and output mean, which the policy's file repeats."""
    meaning = {
        "joints": [joint["name"] for joint in document["joints"]],
        "observation": [
            [part["name"], part["kind"], part["start"], part["stop"], part["age"]] for part in document["observation"]
        ],
    }
    return hashlib.sha256(json.dumps(meaning, separators=(",", ":")).encode("ascii")).hexdigest()


def _load(text: bytes) -> Any:
    """JSON without its liberties: no NaN, no infinity, no key twice."""

    def refuse(constant: str) -> None:
        raise ValueError(f"it holds {constant}, which is no number")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("it holds a key twice")
        return found

    def finite(number: str) -> float:
        value = float(number)
        if not abs(value) <= _LARGEST:
            raise ValueError(f"it holds {number[:40]}, which is too large for a float32")
        return value

    def whole(number: str) -> int:
        value = int(number)
        if abs(value) > _LARGEST_WHOLE:
            raise ValueError(f"it holds {number[:40]}, which is too large for a whole number")
        return value

    try:
        return json.loads(text, parse_constant=refuse, parse_float=finite, parse_int=whole, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise damaged(f"The contract cannot be read: {error}", FILE) from error


def _contract(document: dict[str, Any]) -> Contract:
    joints = document["joints"]

    def column(key: str) -> NDArray[np.float32]:
        return np.array([joint[key] for joint in joints], np.float32)

    return Contract(
        document=document,
        dt=document["control"]["dt"],
        joints=tuple(joint["name"] for joint in joints),
        home=column("home"),
        scale=column("scale"),
        low=column("low"),
        high=column("high"),
        target_speed=column("target_speed"),
        safe_pose=np.array(document["safety"]["pose"], np.float32),
        parts=tuple(
            Part(p["name"], p["kind"], p["start"], p["stop"], p["source"], p["constants"], p["age"])
            for p in document["observation"]
        ),
        history=document["policy"]["history"],
        states=tuple(State(s["kind"], s["input"], s["output"], tuple(s["shape"])) for s in document["policy"]["state"]),
        sensors={sensor["name"]: sensor["size"] for sensor in document["sensors"] if sensor["required"]},
        feet=tuple(foot["name"] for foot in document.get("feet", ())),
    )


def _nonsense(document: dict[str, Any], contract: Contract) -> list[str]:
    """What a schema cannot say: sizes that agree, names that exist, an order that is one."""
    found = [*_wrong_joints(document, contract), *_wrong_sensors(document), *_wrong_parts(document, contract)]
    gate = document["gate"]
    if gate is not None and gate["judge"] == "StandGate" and not {"kick_at", "recovery"} <= set(gate):
        found.append("the verdict of a stand gate that does not say when it kicks")
    return found + _wrong_history(document, contract)


def _wrong_joints(document: dict[str, Any], contract: Contract) -> list[str]:
    found = []
    control, nu = document["control"], len(contract.joints)
    if abs(control["rate"] * control["dt"] - 1.0) > 1e-6:
        found.append(f"a rate of {control['rate']} Hz and a period of {control['dt']} s")
    if len(set(contract.joints)) < nu:
        found.append("a joint is named twice")
    for joint in document["joints"]:
        if not joint["low"] <= joint["home"] <= joint["high"] or joint["low"] == joint["high"]:
            found.append(f"the home of joint {joint['name']!r} lies outside of its limits")
    if document["policy"]["action_size"] != nu:
        found.append(f"{nu} joints, and an action of {document['policy']['action_size']}")
    for label, vector in [
        ("safety.pose", document["safety"]["pose"]),
        *(("controller.low_pass", stage["start"]) for stage in document["controller"]["low_pass"]),
    ]:
        if len(vector) != nu:
            found.append(f"{label} has {len(vector)} numbers for {nu} joints")
    if not found and ((contract.safe_pose < contract.low) | (contract.safe_pose > contract.high)).any():
        found.append("the safe pose lies outside of the joints' limits")
    return found


def _wrong_sensors(document: dict[str, Any]) -> list[str]:
    found = []
    names = [sensor["name"] for sensor in document["sensors"]]
    if len(set(names)) < len(names):
        found.append("a sensor is named twice")
    for sensor in document["sensors"]:
        if (sensor["size"], sensor["order"]) != _SENSORS[sensor["kind"]]:
            size, order = _SENSORS[sensor["kind"]]
            found.append(
                f"the {sensor['kind']} sensor {sensor['name']!r} has {sensor['size']} numbers in the order "
                f"{sensor['order']}, not {size} in the order {order}"
            )
    return found


def _wrong_parts(document: dict[str, Any], contract: Contract) -> list[str]:
    found = []
    kinds = {sensor["name"]: sensor["kind"] for sensor in document["sensors"] if sensor["required"]}
    nu = len(contract.joints)
    sizes = {"projected_gravity": 3, "angular_velocity": 3, "gait_phase": 2, "velocity_command": 2, "planar_command": 3}
    sizes["foot_switches"] = len(contract.feet)
    if len(set(contract.feet)) < len(contract.feet):
        found.append("a foot is named twice")
    if bool(contract.feet) != any(part.kind == "foot_switches" for part in contract.parts):
        found.append("feet with switches that the policy does not read, or switches of no foot")
    end = 0
    for part in contract.parts:
        size = sizes.get(part.kind, nu)
        if part.start != end or part.stop != end + size:
            found.append(f"the part {part.name!r} lies at {part.start}:{part.stop}, not at {end}:{end + size}")
        end = part.stop
        if part.kind in _READS and kinds.get(part.source) != _READS[part.kind]:
            found.append(f"the part {part.name!r} reads the {_READS[part.kind]} {part.source!r}, which is no sensor")
        homes = [part.constants.get(f"home {name}") for name in contract.joints]
        if part.kind == "joint_positions" and [np.float32(math.nan if h is None else h) for h in homes] != [
            *contract.home
        ]:
            found.append(f"the part {part.name!r} counts from another home than the joints'")
        for constant, value in _CONSTANTS.get(part.kind, {}).items():
            if part.constants.get(constant) != value(document):
                found.append(f"the part {part.name!r} has another {constant} than the contract")
    if document["policy"]["observation_size"] != end:
        found.append(f"an observation of {document['policy']['observation_size']}, and parts of {end}")
    if kinds.get(document["command"]["heading_hold"]["sensor"]) != "orientation":
        found.append("the heading hold reads a sensor that is no orientation")
    for name, words in (("speed", "speeds"), ("lateral", "lateral speeds"), ("turn", "turns")):
        bounds = document["command"].get(name)
        if bounds is not None and bounds["low"] > bounds["high"]:
            found.append(f"the range of commanded {words} is empty")
    sideways = {"lateral", "turn"} & set(document["command"])
    if sideways and not any(part.kind == "planar_command" for part in contract.parts):
        found.append(f"a commanded {sorted(sideways)[0]} that the policy never sees")
    return found


def _wrong_history(document: dict[str, Any], contract: Contract) -> list[str]:
    """Every moment of the observation is the newest one over again, and the graph keeps just as many."""
    found = []
    policy, moment, n = document["policy"], contract.moment, contract.history
    size = moment[-1].stop if moment else 0
    if policy["input_size"] != size or len(contract.parts) != n * len(moment):
        found.append(f"a history of {n} moments of {policy['input_size']}, and {len(contract.parts)} parts")
    for i, part in enumerate(contract.parts if not found else ()):
        age, now = i // len(moment), moment[i % len(moment)]
        wanted = dataclasses.replace(now, start=now.start + age * size, stop=now.stop + age * size, age=age)
        if part != wanted:
            found.append(f"the part {part.name!r} at {part.start} is not the {now.name!r} of {age} control steps ago")
            break
    for state in contract.states:
        if math.prod(state.shape) > _LARGEST_STATE:
            found.append(f"a policy that hands on {math.prod(state.shape)} numbers as {state.input!r}")
    kept = [state.shape for state in contract.states if state.kind == "history"]
    if kept != ([(1, n, size)] if n > 1 else []):
        found.append(f"a history of {n} moments of {size}, and a policy that keeps {kept or 'none'}")
    names = [policy["input"], policy["output"], *(name for s in contract.states for name in (s.input, s.output))]
    if len(set(names)) < len(names):
        found.append("two of the policy's inputs and outputs share a name")
    return found
