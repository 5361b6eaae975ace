"""The README that travels in a bundle: what its robot has to do."""

from typing import Any

from ..bundle.contract import COMMAND, SWITCHES, VELOCITIES


def readme(document: dict[str, Any]) -> str:
    """The text for one contract, in Markdown."""
    joints, control = document["joints"], document["control"]
    rows = "\n".join(
        f"| {i} | `{j['name']}` | {j['home']:.4f} | {j['target']['kind']} | {j['target']['unit']} "
        f"| {j['target']['low']:.4f} | {j['target']['high']:.4f} | {j['target']['speed']:.2f} "
        f"| {j['kp']:g} | {j['kd']:g} |"
        for i, j in enumerate(joints)
    )
    parts = "\n".join(
        f"| {p['start']}:{p['stop']} | `{p['name']}` | {p['kind']} | {p['unit']} | {p['frame']} | {p['source']} |"
        for p in document["observation"]
        if not p["age"]
    )
    model = document["simulation"]
    packed = (
        f"The robot it was trained in travels along (`{model['model']}`): `wildrobot-eqx play` runs it."
        if model
        else "The robot it was trained in could not be packed, so this bundle cannot be played in simulation."
    )
    return f"""# A policy for {document["robot"]["name"]}

{document["robot"]["description"]}

This folder is data only: a policy (`{document["policy"]["file"]}`), its contract (`contract.json`, described by
`contract.schema.json`) and recorded steps to test it with (`golden.npz`). The tables here are rounded for reading;
programs read the contract, which is exact. Do not edit any file: the contract holds their hashes, and the player
refuses what was changed. The hashes find accidents, not malice: whoever can change a file can change its hash, too. Run
what you trust; `contract.json.sig`, where there is one, is the signature of whoever made it (`--signer` checks it).
{packed}

## Run it

On the robot: Python 3.11 or newer, `numpy`, `onnxruntime`, and `wildrobot-eqx` without its dependencies.

```py
from wildrobot_eqx.deploy import Player

player = Player("bundle.zip", joints=my_joint_names, rate={control["rate"]:g})
player.start()
while running:  # every {control["dt"] * 1e3:g} ms
    step = player.step(readings)
    send(dict(zip(player.joints, step.target)))  # see the table; nothing, while step.mode is "wait"
```

where `readings` maps names to what was just measured:

```py
{_readings(document)}
```

## Joints, in the order of the targets

The policy's file gives the targets; the player keeps them within `low` and `high`, and lets them change no faster than
`speed` (per second). Homes are in rad, m of slides; `kp` (N m/rad) and `kd` (N m s/rad) are of the simulated servo.

| | joint | home | target | unit | low | high | speed | kp | kd |
|---|---|---|---|---|---|---|---|---|---|
{rows}

## Observation, {document["policy"]["input_size"]} numbers

The policy's file computes it from the readings: this is what it means.

| where | name | kind | unit | frame | source |
|---|---|---|---|---|---|
{parts}

{_meanings(document)}
{_lasting(document["policy"])}
{_before(document)}"""


def _readings(document: dict[str, Any]) -> str:
    """What the player is given in each control step, as lines of Python."""
    inputs = {read["name"] for read in document["policy"]["inputs"]}
    names = [joint["name"] for joint in document["encoders"]]
    beside = f", and of {', '.join(names)} (without an actuator)" if names else ""
    lines = ['readings["time"]  # s, when that was, on a clock that never runs backwards']
    channels = document["command"]["channels"]
    if COMMAND in inputs:
        lines.append('readings["command"]  # {channel: value}, of what is asked for; of the others, nothing is')
        lines += [f"# {c['name']!r}: {c['unit']}, {c['low']:g} to {c['high']:g}" for c in channels]
    lines.append(f'readings["joint_positions"]  # {{joint: rad; m of a slide}}, of the joints below{beside}')
    if VELOCITIES in inputs:
        lines.append('readings["joint_velocities"]  # {joint: rad/s; m/s of a slide}')
    lines += [
        f'readings["{s["name"]}"]  # {s["size"]} numbers, {s["order"]}, {s["unit"]}, frame: {s["frame"]}'
        for s in document["sensors"]
        if s["required"]
    ]
    if SWITCHES in inputs:
        feet = ", ".join(repr(foot["name"]) for foot in document["feet"])
        lines.append(f'readings["foot_switches"]  # {{foot: 1 or 0}}, 1 while its switch is closed, of {feet}')
    return "\n".join(lines)


def _meanings(document: dict[str, Any]) -> str:
    """What the numbers mean where a wrong guess makes a robot fall: signs, orders, what stands in the first step."""
    parts = [part for part in document["observation"] if not part["age"] and "meaning" in part]
    lines = [f"- `{p['name']}` [{', '.join(_few(p['entries']))}]: {p['meaning']}" for p in parts]
    reset, gate = document.get("reset"), document["gate"] or {}
    if reset is not None and reset["constants"]:
        noise = ", ".join(f"{name} {value:g}" for name, value in reset["constants"].items())
        lines.append(f"- Episodes began as `{reset['kind']}` draws them: {noise}.")
    if "definitions" in gate:
        lines.append("- What the gate's figures mean, and how they are measured, stands in the contract under `gate`.")
    return "\n".join(lines)


def _few(names: list[str]) -> list[str]:
    """Names, or the first and the last of many."""
    return names if len(names) <= 4 else [names[0], "...", names[-1]]


def _before(document: dict[str, Any]) -> str:
    """What to look at first."""
    safety, tilt = document["safety"], document["safety"]["tilt"]
    servos = any(joint["target"]["kind"] == "position" for joint in document["joints"])
    steps = ["Fix the robot so that it can hurt nobody, a robot with legs by hanging it up."]
    steps.append("Check each joint's sign and zero by hand against the table: home is a pose, not zero.")
    if tilt is not None:
        up = [round(v, 3) + 0.0 for v in tilt["upright"]]
        steps.append(f"Check the IMU: upright in the home pose, it must see the world's up at `{up}` in its own frame.")
        steps.append(
            "Then lean the robot nose down by hand: the x of that up must become negative, and back to what it "
            "was when "
            "the robot is. An IMU that gives x, y, z, w passes the step before and fails here."
        )
    if servos:
        steps.append(
            "`player.start()` moves from the pose that it finds to the home pose, within "
            f"{safety['ramp_seconds']:g} s or more. Let it, with the feet in the air."
        )
    else:
        steps.append(
            "The policy has the robot from the first reading on: its actuators know no positions to begin with."
        )
    steps.append("Then set it down, and ask for nothing at first.")
    listed = "\n".join(f"{i}. {step}" for i, step in enumerate(steps, 1))
    tilted = f", or when the IMU is tilted by more than {tilt['max']:.2f} rad" if tilt is not None else ""
    ending = "It goes to its safe pose and stays there" if servos else "It takes its actuators to rest"
    return f"""## Before it moves

{listed}

{ending}, and `step.fault` says why, when readings are missing, not finite, impossible or older than
{safety["stale_seconds"]:g} s{tilted}. Keep a switch at hand that cuts the power.
"""


def _lasting(policy: dict[str, Any]) -> str:
    """What whoever runs the policy's file must carry from step to step; nothing for most policies."""
    if not policy["state"]:
        return ""
    history = policy["history"]
    sees = f" It sees the last {history} observations, the newest first, and keeps the older ones so." * (history > 1)
    rows = "\n".join(f"| `{s['input']}` | `{s['output']}` | {s['shape']} | {s['kind']} |" for s in policy["state"])
    return f"""
The policy has more inputs and outputs than these, which the player looks after.{sees} To run the file without the
player: zeros in the first step, then what the output of the step before gave.

| input | output | shape | kind |
|---|---|---|---|
{rows}
"""
