"""What no schema says of a contract: sizes that agree, names that exist, an order that is one."""

import dataclasses
import math
from typing import Any

from .contract import ACTION, COMMAND, OBSERVATION, POSITIONS, SENSOR, SWITCHES, TARGET, VELOCITIES, Contract

_LARGEST_STATE = 2**24  # numbers that a policy hands on
_SENSORS = {"orientation": (4, "wxyz"), "gyro": (3, "xyz"), "accelerometer": (3, "xyz"), "tracker": (3, "xyz")}


def nonsense(document: dict[str, Any], contract: Contract) -> list[str]:
    """What contradicts itself in a contract, in words."""
    found = [*_wrong_joints(document, contract), *_wrong_sensors(document), *_wrong_inputs(document, contract)]
    found += _wrong_parts(document, contract)
    gate = document["gate"]
    if gate is not None and gate.get("judge") == "StandGate" and not {"kick_at", "recovery"} <= set(gate):
        found.append("the verdict of a stand gate that does not say when it kicks")
    return found + _wrong_history(document, contract)


def _wrong_joints(document: dict[str, Any], contract: Contract) -> list[str]:
    found = []
    control, nu = document["control"], len(contract.joints)
    if abs(control["rate"] * control["dt"] - 1.0) > 1e-6:
        found.append(f"a rate of {control['rate']} Hz and a period of {control['dt']} s")
    if len(set(contract.measured)) < len(contract.measured):
        found.append("a joint is named twice")
    for i, name in enumerate(contract.joints):
        if not contract.low[i] <= contract.home[i] <= contract.high[i] or contract.low[i] == contract.high[i]:
            found.append(f"the home of joint {name!r} lies outside of its limits")
        low, rest, high = contract.target_low[i], contract.target_rest[i], contract.target_high[i]
        if not low <= rest <= high or low == high:
            found.append(f"the target at rest of joint {name!r} lies outside of its limits")
    if len(document["safety"]["pose"]) != nu:
        found.append(f"safety.pose has {len(document['safety']['pose'])} numbers for {nu} joints")
    if not found and ((contract.safe_pose < contract.target_low) | (contract.safe_pose > contract.target_high)).any():
        found.append("the safe pose lies outside of the joints' limits")
    return found


def _wrong_inputs(document: dict[str, Any], contract: Contract) -> list[str]:
    """Everything that the policy reads is what the contract describes."""
    found, n = [], len(contract.measured)
    known = {COMMAND: len(contract.channels), POSITIONS: n, VELOCITIES: n, SWITCHES: len(contract.feet)}
    known |= {f"{SENSOR}{name}": size for name, size in contract.sensors.items()}
    if len(contract.inputs) < len(document["policy"]["inputs"]):
        found.append("an input of the policy is named twice")
    for name, size in contract.inputs.items():
        if known.get(name, 0) != size:
            found.append(f"the policy reads {size} numbers as {name!r}, of which there are {known.get(name, 0)}")
    if len(set(contract.feet)) < len(contract.feet):
        found.append("a foot is named twice")
    if bool(contract.feet) != (SWITCHES in contract.inputs):
        found.append("feet with switches that the policy does not read, or switches of no foot")
    if len({channel.name for channel in contract.channels}) < len(contract.channels):
        found.append("two channels share a name")
    for channel in contract.channels:
        if not channel.low <= channel.rest <= channel.high:
            found.append(f"the range of the commanded {channel.name!r} is empty, or does not hold its rest")
        if channel.command not in document["command"]["parts"]:
            found.append(f"the channel {channel.name!r} belongs to {channel.command!r}, which is no command")
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
    found, end = [], 0
    for part in contract.parts:
        if part.start != end or part.stop <= part.start:
            found.append(f"the part {part.name!r} lies at {part.start}:{part.stop}, not from {end} on")
        end = part.stop
    if document["policy"]["observation_size"] != end:
        found.append(f"an observation of {document['policy']['observation_size']}, and parts of {end}")
    kinds = {sensor["name"]: sensor["kind"] for sensor in document["sensors"] if sensor["required"]}
    tilt = document["safety"]["tilt"]
    if tilt is not None and kinds.get(tilt["sensor"]) != "orientation":
        found.append("the tilt is read from a sensor that is no orientation")
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
        expected = dataclasses.replace(now, start=now.start + age * size, stop=now.stop + age * size, age=age)
        if part != expected:
            found.append(f"the part {part.name!r} at {part.start} is not the {now.name!r} of {age} control steps ago")
            break
    for state in contract.states:
        if math.prod(state.shape) > _LARGEST_STATE:
            found.append(f"a policy that hands on {math.prod(state.shape)} numbers as {state.input!r}")
    shapes = [state.shape for state in contract.states if state.kind == "history"]
    if shapes != ([(1, n, size)] if n > 1 else []):
        found.append(f"a history of {n} moments of {size}, and a policy that keeps {shapes or 'none'}")
    names = [*contract.inputs, OBSERVATION, ACTION, TARGET]
    names += [name for state in contract.states for name in (state.input, state.output)]
    if len(set(names)) < len(names):
        found.append("two of the policy's inputs and outputs share a name")
    return found
