"""From named sensor readings to the policy's observation, in the very arithmetic of training: float32.

The formulas are those of `observe.terms`, `task.commands` and `physics.rotation`, which a robot
cannot import. The gait clock is kept to the bit: a symmetric policy turns on the sign of its sine.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..bundle.contract import Contract

F = np.float32
_PI, _TURN = F(math.pi), F(2.0 * math.pi)


class Observer:
    """Builds what the policy sees of one moment, and keeps what that needs from one control step to the next.

    `start` begins an episode at the reading that follows.
    """

    def __init__(self, contract: Contract):
        document = contract.document
        hold, speed = document["command"]["heading_hold"], document["command"]["speed"]
        self._contract = contract
        self._compass = str(hold["sensor"])
        self._gain, self._limit = F(hold["gain"]), F(hold["limit"])
        turn = document["command"].get("turn")
        self._lead = None if turn is None else F(turn["lead"])
        self._deadband = float(speed["deadband"])
        # Python multiplies 2 pi dt in double precision before the clock's period, an array, divides it.
        self._advance = F(2.0 * math.pi * contract.dt) / F(document["clock"]["period"])
        self._observation = np.zeros((contract.moment[-1].stop,), np.float32)
        self.start()

    def start(self) -> None:
        """Forget the past: the next reading is an episode's first."""
        self._origin: np.float32 | None = None
        self.phase = F(0.0)
        self.heading = F(0.0)
        self.yaw_rate = F(0.0)
        self.speed = self.lateral = self.turn = self.target = F(0.0)

    def __call__(
        self,
        sensors: Mapping[str, NDArray[np.float32]],
        positions: NDArray[np.float32],
        velocities: NDArray[np.float32],
        speed: float,
        last_action: NDArray[np.float32],
        lateral: float = 0.0,
        turn: float = 0.0,
        switches: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """The observation one control period after the last one.

        Args:
            sensors: readings of the contract's sensors by name.
            positions, velocities: of the joints (rad, rad/s), in the contract's order.
            speed: the commanded forward speed, m/s.
            last_action: the policy's last output; zeros in the first step.
            lateral: the commanded speed to the left, m/s.
            turn: the commanded turn to the left, rad/s.
            switches: of the contract's feet, 1 where closed, else 0; for a policy that reads them.
        """
        self._advance_command(sensors[self._compass], speed, lateral, turn)
        observation = self._observation
        for part in self._contract.moment:
            into = observation[part.start : part.stop]
            if part.kind == "projected_gravity":
                into[:] = projected_gravity(sensors[part.source])
            elif part.kind == "angular_velocity":
                into[:] = sensors[part.source]
            elif part.kind == "joint_positions":
                np.subtract(positions, self._contract.home, out=into)
            elif part.kind == "joint_velocities":
                into[:] = velocities
            elif part.kind == "last_action":
                into[:] = last_action
            elif part.kind == "gait_phase":
                stepping = self._moving or self.phase > 0.0
                into[0] = np.sin(self.phase) if stepping else 0.0
                into[1] = np.cos(self.phase) if stepping else 0.0
            elif part.kind == "foot_switches":
                into[:] = switches
            elif part.kind == "planar_command":
                into[0], into[1], into[2] = self.speed, self.lateral, self.yaw_rate
            else:  # velocity_command: a contract knows no other kind
                into[0], into[1] = self.speed, self.yaw_rate
        return observation.copy()

    @property
    def _moving(self) -> bool:
        return self.speed != 0.0 or self.lateral != 0.0 or self.turn != 0.0

    def _advance_command(
        self, quat: NDArray[np.float32], speed: float, lateral: float = 0.0, turn: float = 0.0
    ) -> None:
        """The command, the heading hold and the gait clock, as `Env.reset` and `Env.step` move them on."""
        values = (F(0.0 if abs(value) < self._deadband else value) for value in (speed, lateral, turn))
        self.speed, self.lateral, self.turn = values
        if self._origin is None:
            self._origin, self.yaw_rate = yaw(quat), self.turn
            return
        self.heading = wrap_angle(yaw(quat) - self._origin)
        if self._lead is not None and self.turn != 0.0:
            ahead = wrap_angle(self.target + self.turn * F(self._contract.dt) - self.heading)
            self.target = wrap_angle(self.heading + min(max(ahead, -self._lead), self._lead))
        back = self._gain * wrap_angle(self.target - self.heading)
        self.yaw_rate = self.turn + min(max(back, -self._limit), self._limit)
        advanced = self.phase + self._advance
        landed = math.floor(advanced / _PI) > math.floor(self.phase / _PI)
        resting = not self._moving and (landed or self.phase == 0.0)
        self.phase = F(0.0) if resting else F(math.fmod(advanced, _TURN))


def projected_gravity(quat: NDArray[np.float32]) -> NDArray[np.float32]:
    """The direction of gravity in the frame of an IMU whose orientation is `quat` (wxyz): R^T (0, 0, -1)."""
    w, x, y, z = quat
    two = F(2.0)
    t0, t1 = -two * y, two * x  # 2 u x (0, 0, -1); its third entry is 0
    return np.array([-w * t0 - z * t1, -w * t1 + z * t0, F(-1.0) + (x * t1 - y * t0)], np.float32)


def yaw(quat: NDArray[np.float32]) -> np.float32:
    """The heading (rad) of an IMU whose orientation is `quat` (wxyz)."""
    w, x, y, z = quat
    two = F(2.0)
    return np.arctan2(two * (w * z + x * y), F(1.0) - two * (y * y + z * z))


def wrap_angle(angle: np.float32) -> np.float32:
    """The same angle in [-pi, pi), rad."""
    return F((angle + _PI) % _TURN - _PI)
