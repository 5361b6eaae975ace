"""In what a hidden robot differs from its model."""

import dataclasses
import json
import math
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import WildRobotError, nearest


@dataclasses.dataclass(frozen=True)
class Hidden:
    """How a hidden robot differs from its model; the defaults do not. Rows have an entry for each driven joint.

    A servo turns its joint to `q` when its encoder reads `q + servo_zero`, as a horn does that is on a wrong tooth.
    Backlash is the play of the gear, in all: within half of it to either side of its target a servo exerts nothing.
    """

    servo_zero: tuple[float, ...] = ()  # rad
    gain: tuple[float, ...] = ()  # times the servo's stiffness and damping
    friction: tuple[float, ...] = ()  # times the joint's dry friction
    damping: tuple[float, ...] = ()  # times the joint's viscous friction
    backlash: tuple[float, ...] = ()  # rad
    delay: float = 0.0  # s, from the last byte of a target to the servo's motion
    voltage: float = 1.0  # times the nominal voltage: of torque and of speed
    sag: float = 0.0  # V per N m of all servos' torque
    trunk_mass: float = 1.0  # times
    trunk_com: tuple[float, float, float] = (0.0, 0.0, 0.0)  # m, of the trunk, in its frame
    imu_tilt: tuple[float, float, float] = (0.0, 0.0, 0.0)  # rad, rotation vector from the model's IMU
    gyro_bias: tuple[float, float, float] = (0.0, 0.0, 0.0)  # rad/s
    sole_friction: float = 1.0  # times
    sole_softness: float = 1.0  # times the contact's time constant
    id: tuple[int, ...] = ()  # of each servo on its line; 1, 2, ... by default
    sign: tuple[int, ...] = ()  # -1 where the servo turns the other way
    zero_units: tuple[
        int, ...
    ] = ()  # the servo's position at an encoder reading of 0; the middle of its travel by default
    swapped_imu: bool = False  # its quaternions come as x, y, z, w
    lost: float = 0.0  # share of answers that get lost on the line
    corrupted: float = 0.0  # share of answers with a wrong byte
    answer_seconds: float | None = None  # s, of a servo's own time before its answer; None: that of its make

    def row(self, name: str, count: int, default: float) -> NDArray[np.float64]:
        """One of the rows, an entry for each joint."""
        values = getattr(self, name)
        return np.array(values if values else [default] * count, np.float64)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return dataclasses.asdict(self)


def draw(seed: int, joints: int) -> Hidden:
    """A hidden robot from wide ranges; servos are wired as the model says.

    Args:
        seed: equal seeds give equal robots.
        joints: how many are driven.
    """
    rng = np.random.default_rng([seed, 0x51DE])

    def row(low: float, high: float) -> tuple[float, ...]:
        return tuple(rng.uniform(low, high, joints).tolist())

    axis = rng.normal(size=3)
    tilt = axis / np.linalg.norm(axis) * rng.uniform(0.0, math.radians(4.0))
    com = rng.uniform((-0.012, -0.006, -0.012), (0.012, 0.006, 0.012))
    bias = rng.normal(0.0, 0.002, 3)
    return Hidden(
        servo_zero=row(-0.035, 0.035),
        gain=tuple((rng.uniform(0.75, 1.25) * rng.uniform(0.95, 1.05, joints)).tolist()),
        friction=row(0.5, 3.0),
        damping=row(0.7, 1.5),
        backlash=row(0.0, 0.017),
        delay=float(rng.uniform(0.004, 0.03)),
        voltage=float(rng.uniform(0.87, 1.08)),
        sag=float(rng.uniform(0.0, 0.1)),
        trunk_mass=float(rng.uniform(0.9, 1.15)),
        trunk_com=(float(com[0]), float(com[1]), float(com[2])),
        imu_tilt=(float(tilt[0]), float(tilt[1]), float(tilt[2])),
        gyro_bias=(float(bias[0]), float(bias[1]), float(bias[2])),
        sole_friction=float(rng.uniform(0.5, 1.2)),
        sole_softness=float(rng.uniform(1.0, 3.0)),
        lost=0.003,
        corrupted=0.001,
    )


def read_hidden(path: str | Path, joints: int) -> Hidden:
    """A hidden robot out of a JSON file with some of the fields of `Hidden`.

    Raises:
        WildRobotError: it is no such file, or a field is not known or has a wrong size.
    """
    where = str(path)
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WildRobotError(f"The parameters cannot be read: {error}", where=where, hint="a JSON object") from error
    fields = {field.name: field for field in dataclasses.fields(Hidden)}
    if not isinstance(document, dict):
        raise WildRobotError("The parameters are no JSON object.", where=where, hint='such as {"delay": 0.02}')
    for name, value in document.items():
        if name not in fields:
            raise WildRobotError(f"No hidden parameter is called {name!r}.", where=where, hint=nearest(name, fields))
        kind = fields[name].type
        row = isinstance(kind, types.GenericAlias)
        count = None if not row else 3 if kind == tuple[float, float, float] else joints
        if row != isinstance(value, Sequence) or isinstance(value, str) or (row and len(value) not in (0, count)):
            raise WildRobotError(
                f"The hidden parameter {name!r} is no {'row of ' + str(count) if row else 'number'}.",
                where=where,
                hint="one entry for each driven joint, or three of a vector" if row else "one number",
            )
        if row:
            document[name] = tuple(value)
    return Hidden(**document)
