"""`contract.json` read and checked, before anything moves."""

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .archive import damaged
from .consistency import nonsense
from .contract import FILE, FORMAT, VERSION, CommandChannel, Contract, ObservationPart, PolicyState, contract_digest
from .schema import contract_schema, violations

_LARGEST = float(np.finfo(np.float32).max)
_LARGEST_WHOLE = 2**53  # beyond it a float is another number


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
    wrong = nonsense(document, contract)
    if wrong:
        raise damaged(f"The contract contradicts itself: {wrong[0]}", FILE)
    return contract


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
    joints, encoders = document["joints"], document["encoders"]

    def column(values: list[Any]) -> NDArray[np.float32]:
        return np.array(values, np.float32)

    def limits(key: str, none: float) -> NDArray[np.float32]:
        return column([none if (bound := joint.get(key)) is None else bound for joint in (*joints, *encoders)])

    def targets(key: str) -> NDArray[np.float32]:
        return column([joint["target"][key] for joint in joints])

    policy = document["policy"]
    return Contract(
        document=document,
        dt=document["control"]["dt"],
        joints=tuple(joint["name"] for joint in joints),
        measured=tuple(joint["name"] for joint in (*joints, *encoders)),
        home=column([joint["home"] for joint in joints]),
        low=limits("low", -math.inf),
        high=limits("high", math.inf),
        servos=np.array([joint["target"]["kind"] == "position" for joint in joints]),
        target_low=targets("low"),
        target_high=targets("high"),
        target_rest=targets("rest"),
        target_speed=targets("speed"),
        safe_pose=column(document["safety"]["pose"]),
        channels=tuple(CommandChannel(**channel) for channel in document["command"]["channels"]),
        inputs={read["name"]: read["size"] for read in policy["inputs"]},
        parts=tuple(
            ObservationPart(p["name"], p["kind"], p["start"], p["stop"], p["age"]) for p in document["observation"]
        ),
        history=policy["history"],
        states=tuple(PolicyState(s["kind"], s["input"], s["output"], tuple(s["shape"])) for s in policy["state"]),
        sensors={sensor["name"]: sensor["size"] for sensor in document["sensors"] if sensor["required"]},
        feet=tuple(foot["name"] for foot in document.get("feet", ())),
    )
