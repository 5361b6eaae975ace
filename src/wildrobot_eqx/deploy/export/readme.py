"""The README that travels in a bundle: what its robot has to do."""

from typing import Any


def readme(document: dict[str, Any]) -> str:
    """The text for one contract, in Markdown."""
    joints, control, safety = document["joints"], document["control"], document["safety"]
    rows = "\n".join(
        f"| {i} | `{j['name']}` | {j['home']:.4f} | {j['low']:.4f} | {j['high']:.4f} | {j['scale']:.4f} "
        f"| {j['target_speed']:.2f} | {j['kp']:g} | {j['kd']:g} |"
        for i, j in enumerate(joints)
    )
    parts = "\n".join(
        f"| {p['start']}:{p['stop']} | `{p['name']}` | {p['kind']} | {p['unit']} | {p['frame']} | {p['source']} |"
        for p in document["observation"]
        if not p["age"]
    )
    lasting = _lasting(document["policy"])
    sensors = "\n".join(
        f'readings["{s["name"]}"]  # {s["size"]} numbers, {s["order"]}, {s["unit"]}, frame: {s["frame"]}'
        for s in document["sensors"]
        if s["required"]
    )
    if "feet" in document:
        feet = ", ".join(repr(foot["name"]) for foot in document["feet"])
        sensors += f'\nreadings["foot_switches"]  # {{foot: 1 or 0}}, 1 while its switch is closed, of {feet}'
    command = document["command"]
    speed = command["speed"]
    more = [
        f"{name!r}: {unit} to the left, {command[name]['low']:g} to {command[name]['high']:g}"
        for name, unit in (("lateral", "m/s"), ("turn", "rad/s"))
        if name in command
    ]
    commands = f"{speed['low']:g} to {speed['high']:g}; below {speed['deadband']:g}: stand"
    commands += f"\n# and in it, 0 where absent: {'; '.join(more)}" if more else ""
    model = document["simulation"]
    packed = (
        f"The robot it was trained in travels along (`{model['model']}`): `wildrobot-eqx play` walks it."
        if model
        else "The robot it was trained in could not be packed, so this bundle cannot be played in simulation."
    )
    up = [round(v, 3) + 0.0 for v in safety["upright"]]
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
while walking:  # every {control["dt"] * 1e3:g} ms
    step = player.step(readings)
    send(dict(zip(player.joints, step.target)))  # rad; nothing, while step.mode is "wait"
```

where `readings` maps names to what was just measured:

```py
readings["time"]  # s, when that was, on a clock that never runs backwards
readings["command"]  # {{"speed": m/s}}, {commands}
readings["joint_positions"]  # {{joint: rad}}
readings["joint_velocities"]  # {{joint: rad/s}}
{sensors}
```

## Joints, in the order of the action

Targets are `clip(home + scale * action, low, high)`. Angles in rad; `target_speed` in rad/s; `kp` (N m/rad) and `kd`
(N m s/rad) are those of the simulated servo.

| | joint | home | low | high | scale | target_speed | kp | kd |
|---|---|---|---|---|---|---|---|---|
{rows}

## Observation, {document["policy"]["input_size"]} numbers

| where | name | kind | unit | frame | source |
|---|---|---|---|---|---|
{parts}
{lasting}
## Before it walks

1. Hang the robot up. Check each joint's sign and zero by hand against the table: home is a pose, not zero.
2. Check the IMU: upright in the home pose, it must see the world's up at `{up}` in its own frame.
3. `player.start()` moves from the pose that it finds to the home pose, within {safety["ramp_seconds"]:g} s or more.
   Let it, with the feet in the air.
4. Then set it down and command a speed of 0.

It goes to its safe pose and stays there, and `step.fault` says why, when readings are missing, not finite, impossible,
older than {safety["stale_seconds"]:g} s, or when the IMU is tilted by more than {safety["max_tilt"]:.2f} rad.
Keep a switch at hand that cuts the power.
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
