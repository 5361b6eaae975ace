"""What a log holds of a robot: its channels, their fields, and the header that says what their numbers mean."""

import dataclasses
from typing import Any

from ..bundle.contract import Contract
from .cdr import Field, Message, members

FORMAT, VERSION = "wildrobot-eqx log", 1
_WHEN = (
    Field("time", about="s, on the robot's clock, when the control step began"),
    Field("tick", "uint32", about="control steps since the start"),
)
_AXES = {3: ("x", "y", "z"), 4: ("w", "x", "y", "z")}


@dataclasses.dataclass(frozen=True)
class Layout:
    """Whose log it is: every name that its channels need, in the order of their numbers."""

    robot: str
    dt: float  # s
    joints: tuple[str, ...]  # those that are driven
    measured: tuple[str, ...]  # joints, and then those that are only measured
    sensors: dict[str, int]  # their sizes
    feet: tuple[str, ...] = ()  # with switches
    channels: tuple[str, ...] = ()  # of the command
    observation: int = 0
    action: int = 0
    qpos: int = 0  # of a simulation
    qvel: int = 0
    loads: tuple[str, ...] = ()  # feet whose forces a simulation knows
    bundle: str | None = None  # the contract's digest
    model: str | None = None  # digest of the robot's model
    tilt: str | None = None  # the orientation sensor that measures the tilt
    upright: tuple[float, ...] = (0.0, 0.0, 1.0)  # the world's up in its frame, in the home pose

    @staticmethod
    def of(contract: Contract) -> "Layout":
        """That of a bundle's robot."""
        document = contract.document
        tilt = document["safety"]["tilt"] or {"sensor": None, "upright": (0.0, 0.0, 1.0)}
        return Layout(
            robot=document["robot"]["name"],
            dt=contract.dt,
            joints=contract.joints,
            measured=contract.measured,
            sensors={sensor["name"]: sensor["size"] for sensor in document["sensors"]},
            feet=contract.feet,
            channels=tuple(channel.name for channel in contract.channels),
            observation=contract.observation_size if contract.history > 1 else document["policy"]["input_size"],
            action=document["policy"]["action_size"],
            bundle=document["digest"],
            model=document["robot"]["model"],
            tilt=tilt["sensor"],
            upright=tuple(tilt["upright"]),
        )

    def header(self) -> dict[str, Any]:
        """As JSON values."""
        fields = dict(zip(self.sensors, self.sensor_fields()))
        return {"format": FORMAT, "version": VERSION, **dataclasses.asdict(self), "sensor_fields": fields}

    def sensor_fields(self) -> tuple[str, ...]:
        """The sensors' names as fields of a message."""
        return members(("time", "tick", "age", *self.sensors))[3:]

    def messages(self) -> dict[str, Message]:
        """The kind of message of each channel, by topic."""
        joints, measured = self.joints, self.measured
        sensors = [
            Field(name, names=_AXES.get(size, tuple(f"v{i}" for i in range(size))))
            for name, size in zip(self.sensor_fields(), self.sensors.values())
        ]
        times = ("period", "reading", "thinking", "writing")
        found = {
            "/tick": Message.of(
                "Tick",
                *_WHEN,
                Field("sent", about="s, when the targets went out; NaN: they did not"),
                Field(
                    "seconds", names=times, about="s, since the last step began, and what each part of this one took"
                ),
                Field("age", about="s, of the oldest reading"),
                Field("coasting", about="s, for which older readings have stood in for lost ones; 0: none is lost"),
                Field("missed", "uint32", about="control periods missed before this step"),
                Field("failed_reads", "uint32", about="so far"),
                Field("failed_writes", "uint32", about="so far"),
                Field("mode", "string", about="wait, ramp, hold, run, safe"),
                Field("fault", "string", about="why the robot is in its safe pose"),
            ),
            "/joints": Message.of(
                "Joints",
                *_WHEN,
                Field("position", names=measured, about="rad; m of slides"),
                Field("velocity", names=measured, about="rad/s; m/s of slides"),
                Field("age", names=measured, about="s, of the position"),
            ),
            "/sensors": Message.of("Sensors", *_WHEN, *sensors, Field("age", names=tuple(self.sensors), about="s")),
            "/feet": Message.of("Feet", *_WHEN, Field("switch", names=self.feet, about="1 while it is closed")),
            "/command": Message.of(
                "Command", *_WHEN, Field("asked", names=self.channels, about="in the contract's units")
            ),
            "/policy": Message.of(
                "Policy",
                *_WHEN,
                Field("observation", "float32", self.observation, about="in the contract's order"),
                Field("action", "float32", self.action, about="as it came out of the network"),
            ),
            "/targets": Message.of("Targets", *_WHEN, Field("target", names=joints, about="rad of position servos")),
            "/bus": Message.of(
                "Bus",
                *_WHEN,
                Field("timeouts", "uint32", about="questions without an answer, so far"),
                Field("damaged", "uint32", about="answers with a wrong checksum, so far"),
                Field("strays", "uint32", about="answers to another question, so far"),
                Field("voltage", about="V, of the battery"),
                Field("temperature", names=joints, about="degrees Celsius"),
                Field("load", names=joints, about="share of the servo's stall torque"),
            ),
            "/truth": Message.of(
                "Truth",
                *_WHEN,
                Field("qpos", "float64", self.qpos, about="m, unit quaternion, rad: of MuJoCo"),
                Field("qvel", "float64", self.qvel),
                Field("foot_force", names=self.loads, about="N, upwards on the foot"),
                Field("fallen", "bool"),
            ),
            "/events": Message.of(
                "Event",
                Field("time", about="s, on the robot's clock"),
                Field("level", "uint8", about="20: information, 40: error"),
                Field("message", "string"),
            ),
        }
        least = {"/feet": self.feet, "/command": self.channels, "/policy": self.observation, "/truth": self.qpos}
        return {topic: message for topic, message in found.items() if least.get(topic, True)}
