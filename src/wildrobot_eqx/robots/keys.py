"""Every key of robot.toml: its table, kind, unit and meaning. The reader and the documentation go by these lists."""

import dataclasses
from typing import Literal

Kind = Literal["text", "name", "names", "positive", "number", "flag", "angle", "pairs"]
"""What a key takes: a text, a name or names of the MJCF, a number, true or false, pairs of joints."""

_TOLD: dict[Kind, str] = {
    "text": "a text",
    "name": "a name",
    "names": "a name, or a list of names",
    "positive": "a positive number",
    "number": "a number, not negative",
    "flag": "true or false",
    "angle": "a number",
    "pairs": "pairs of joints",
}


@dataclasses.dataclass(frozen=True)
class Key:
    """One key: `of` says what it names in the MJCF."""

    name: str
    kind: Kind
    about: str
    required: bool = False
    of: str = "sensor"
    such_as: str = ""

    @property
    def takes(self) -> str:
        """Its kind in words."""
        named = self.kind in ("name", "names")
        return _TOLD[self.kind].replace("name", f"name of a {self.of}", 1) if named else _TOLD[self.kind]


TOP = (
    Key("name", "text", "the robot's name", required=True),
    Key("description", "text", "one line for `robots list`"),
    Key("model", "text", "the MJCF, a file in the same folder", required=True),
    Key("control_dt", "positive", "s, of one action", required=True, such_as="0.02"),
    Key("min_root_height", "number", "m; with its base below it the robot has fallen", such_as="0.2"),
    Key("mirror_pairs", "pairs", "actuated joints that are each other's left-right image; may be empty"),
)
BASE = (
    Key(
        "body",
        "name",
        "the body that moves without a motor; the root of the driven tree where it is missing",
        of="body",
    ),
    Key("linvel", "name", "a `<framelinvel>` of that body in the world; simulation only"),
    Key("angvel", "name", "a `<frameangvel>` of that body in the world; simulation only"),
)
FOOT = (
    Key("site", "name", "a site on the sole, at the height of the floor", required=True, of="site"),
    Key("force", "names", "`<contact>` sensors of the floor's force on the foot; several are summed", required=True),
    Key("linvel", "name", "a `<framelinvel>` of the foot in the world", required=True),
    Key("switch", "flag", "the foot carries a switch that closes on the floor", such_as="true"),
)
IMU = (
    Key("gyro", "name", "its `<gyro>`", required=True),
    Key("accel", "name", "its `<accelerometer>`", required=True),
    Key("quat", "name", "a `<framequat>` of its site in the world", required=True),
)
BODY = (
    Key("body", "name", "a body with a free joint beside the robot", required=True, of="body"),
    Key("tracker", "name", "a `<framepos>` of that body in the world: the robot knows its place"),
)
SERVO = (
    Key("stall_torque", "positive", "N m at standstill; what the actuator can do where it is missing"),
    Key("no_load_speed", "positive", "rad/s without load"),
    Key("continuous_torque", "positive", "N m, RMS, that it bears for ever"),
)
CONTROL = (Key("action_scale", "positive", "rad (m of a slide) that an action of 1 moves the target from home"),)
JOINT = (Key("JOINT", "angle", "rad, m of a slide, in the home pose; 0 where a joint is missing"),)

TABLES: tuple[tuple[str, tuple[Key, ...], str], ...] = (
    ("", TOP, ""),
    ("home", JOINT, "resets, `JointPosition`"),
    ("base", BASE, "rewards of walking, `Fallen`"),
    ("feet.NAME", FOOT, "rewards of feet, the gates; from left to right"),
    ("imu.NAME", IMU, "`ProjectedGravity`, `AngularVelocity`"),
    ("bodies.NAME", BODY, "resets, rewards and terms about objects"),
    ("servo", SERVO, "`DCMotor`, `JointSpeedLimit`, the gates; of all joints"),
    ("servo.JOINT", SERVO, "the same, of one joint"),
    ("control", CONTROL, "`JointPosition`; of all joints"),
    ("control.JOINT", CONTROL, "the same, of one joint"),
)
"""Every table of robot.toml: its name, its keys, and who needs it."""

TOP_KEYS = (*(key.name for key in TOP), *dict.fromkeys(name.split(".")[0] for name, _, _ in TABLES if name))


def key_rows() -> list[str]:
    """The documentation's table of keys, a Markdown row each."""
    rows = ["| table | key | takes | what it is | needed |", "|---|---|---|---|---|"]
    for name, keys, _ in TABLES:
        for key in keys:
            table = f"`[{name}]`" if name else "the first keys"
            rows.append(f"| {table} | `{key.name}` | {key.takes} | {key.about} | {'yes' if key.required else ''} |")
    return rows
