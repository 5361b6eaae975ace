"""The text of robot.toml: each inferred value with a comment that says where it comes from."""

import re

from .findings import Finding, Findings
from .mjcf import Imported

MARK = "# Written by `wildrobot-eqx robots import`."
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDTH = 118
_AT_END = (
    *("actuated", "motors", "without a motor", "gains", "torque limits", "actuators left out", "locked"),
    *("tendons left out", "held root", "ranges left out", "wide ranges"),
)  # findings that are told before the motors


def robot_toml(robot: Imported, findings: Findings, model: str, origin: str) -> str:
    """The robot.toml of an imported robot.

    Args:
        robot: what it says.
        findings: where each value comes from.
        model: file name of the MJCF.
        origin: what it was imported from.
    """
    body = robot.stand.body
    fall = round(0.6 * robot.height, 3)
    lines = [
        f"{MARK} Angles in rad, lengths in m, times in s.",
        f"# From {origin}. Lines with `# check:` want a person's look.",
        f"name = {_text(robot.name)}",
        f"description = {_text(robot.about)}",
        f"model = {_text(model)}",
        "control_dt = 0.02 # of one action: assumed",
        f"min_root_height = {fall} # below it the robot has fallen: 0.6 of its height at home",
        "",
    ]
    pairs = [pair for pair in body.reflection.pairs if all(name in robot.home for name in pair)]
    driven = {gain.joint for gain in robot.gains}
    if mirrors(robot):
        lines += [
            "# Found by reflecting joints in the x-z plane; "
            f"images miss each other by {1e3 * body.reflection.worst:.1f} mm at most.",
            "mirror_pairs = [",
            *(f"  [{_text(a)}, {_text(b)}]," for a, b in pairs if {a, b} <= driven),
            "]",
            "",
        ]
    else:
        lonely = ", ".join(name for name in body.reflection.lonely if name in driven) or "the home pose"
        lines += [*_comment(f"check: no mirror_pairs, since not everything has a mirror image: {lonely}"), ""]
    lines += _said(findings, "home")
    full = {**body.complete(robot.home), **robot.home}
    offset = {name for name, at in body.qpos.items() if body.mj.qpos0[at]}  # where a missing key does not mean 0
    lines += [
        "[home]",
        *(f"{_key(name)} = {angle}" for name, angle in full.items() if angle or name in offset),
        "",
    ]
    lines += _said(findings, "root") + _said(findings, "forward")
    lines += ["[base] # simulation only", 'linvel = "base_global_linvel"', 'angvel = "base_global_angvel"', ""]
    lines += _said(findings, "feet")
    for name, sole in zip(robot.feet, robot.stand.soles):
        off = f", off by up to {1e3 * sole.error:.1f} mm" if sole.error else ""
        link = body.skeleton.links[sole.link].name
        lines += _comment(f"{_checked(sole.assumed or sole.error > 0.0)}{sole.word}: {sole.source}{off}; of {link}")
        lines += [f"[feet.{name}]", f'site = "{name}_foot"', f'force = "{name}_foot_force"']
        lines += [f'linvel = "{name}_foot_linvel"', ""]
    lines += _said(findings, "imu")
    lines += ["[imu.base]", 'gyro = "imu_gyro"', 'accel = "imu_accel"', 'quat = "imu_quat"', ""]
    for what in _AT_END:
        lines += _said(findings, what)
    return "\n".join([*lines, *_servos(robot)]) + "\n"


def _servos(robot: Imported) -> list[str]:
    """One table where all motors are alike, else one of each joint."""
    lines = ["# What a motor gives at standstill (N m), and its speed without load (rad/s)."]
    tables = {}
    for gain in robot.gains:
        table = [f"stall_torque = {gain.torque:.6g} # {gain.why_torque}"]
        tables[gain.joint] = table + ([f"no_load_speed = {gain.speed:.6g}"] if gain.speed > 0.0 else [])
    if len({tuple(table) for table in tables.values()}) == 1:
        return [*lines, "[servo]", *next(iter(tables.values()))]
    return lines + [line for joint, table in tables.items() for line in (f"[servo.{_key(joint)}]", *table)]


def mirrors(robot: Imported) -> bool:
    """Whether every driven joint has a mirror image, and the home pose is its own."""
    body, reflection = robot.stand.body, robot.stand.body.reflection
    driven = {gain.joint for gain in robot.gains}
    if driven & set(reflection.lonely) or any(reflection.image[name] not in driven for name in driven):
        return False
    mean = body.mirrored(robot.home)
    return all(abs(mean[name] - robot.home[name]) < 5e-5 for name in driven)


def _said(findings: Findings, what: str) -> list[str]:
    found: list[Finding] = [finding for finding in findings if finding.what == what]
    lines = []
    for finding in found:
        lines += _comment(f"{_checked(finding.check)}{what}: {finding.value} ({finding.confidence}: {finding.why})")
    return lines


def _checked(check: bool) -> str:
    return "check: " if check else ""


def _comment(text: str) -> list[str]:
    """A comment, broken into lines."""
    lines, line = [], "#"
    for word in " ".join(text.split()).split(" "):
        if len(line) + 1 + len(word) > _WIDTH and line != "#":
            lines.append(line)
            line = "# "
        line += ("" if line == "# " else " ") + word
    return [*lines, line]


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    """A basic string of TOML."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
