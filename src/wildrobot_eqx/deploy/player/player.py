"""The player: a bundle's policy on a robot, with NumPy and onnxruntime alone.

player = Player("bundle.zip", joints=robot.joints, rate=50.0)
player.start()
while walking:
    step = player.step(readings)  # once per control period
    robot.write(dict(zip(player.joints, step.target)), player.dt)
"""

import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import WildRobotError, first_line, nearest
from ..bundle.bundle import Bundle
from ..bundle.contract import (
    ACTION,
    COMMAND,
    OBSERVATION,
    POSITIONS,
    SENSOR,
    SWITCHES,
    TARGET,
    VELOCITIES,
)
from .guard import Guard, Reading, Tilted, Unfit, slew
from .imu_proof import ImuProof
from .session import open_policy

Mode = Literal["wait", "ramp", "hold", "run", "safe"]
_NEAR = 1e-4  # rad
_NOWHERE = np.zeros((0,), np.float32)


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """What one control step yields.

    `target` holds what is sent to the actuators, in the order of `Player.joints`: positions (rad) of
    servos, torques or speeds of others, as the contract says. In the mode "wait" no reading has said
    yet where the joints are: `target` is empty, nothing may be sent, and `fault` says what is
    missing. In "ramp" the robot moves from the pose it was found in to its home pose; in "hold" it stays
    there until the policy may take over; in "run" the policy has it; in "safe" servos move to the safe
    pose and stay there, other actuators rest, and `fault` says why, or is None where it was asked to
    rest. `observation` and `action` are the policy's, None where it was not asked.
    """

    target: NDArray[np.float32]
    mode: Mode
    fault: str | None = None
    observation: NDArray[np.float32] | None = None
    action: NDArray[np.float32] | None = None


class Player:
    """Runs one bundle on one robot. Call `start`, then `step` once per control period.

    Args:
        bundle: a bundle, or the path of one.
        joints: the robot's joints; each of the contract's must be among them.
        rate: how often `step` will be called, Hz.
        limits: how far the robot's joints can go (rad, lowest and highest by joint); the
            contract's limits must lie within.
        quaternion: the order of the robot's quaternions, "wxyz" or "xyzw".
        safe_pose: where to go when something is wrong (rad, by joint), if not the contract's pose.
        stale_seconds: how old readings may be before the robot goes to its safe pose, s, if not the contract's: over
            that time lost answers are coasted.
        prove_imu: hold the home pose until motion has shown that the IMU's quaternion turns as its gyro says.
        motion: targets as a function of the time (s) since it took over, in place of the policy's.
        unguarded: take any command, tilt and joint position: for replays and simulations, never on a robot.
        signer: who must have signed a bundle that is read here, as for `Bundle.open`.

    Raises:
        WildRobotError: the bundle is damaged, or does not fit this robot; the error says which.
    """

    joints: tuple[str, ...]
    dt: float  # s
    stale_seconds: float  # s

    def __init__(
        self,
        bundle: Bundle | str | os.PathLike[str],
        *,
        joints: Iterable[str] | None = None,
        rate: float | None = None,
        limits: Mapping[str, tuple[float, float]] | None = None,
        quaternion: Literal["wxyz", "xyzw"] = "wxyz",
        safe_pose: Mapping[str, float] | None = None,
        stale_seconds: float | None = None,
        prove_imu: bool = False,
        motion: Callable[[float], NDArray[np.float32]] | None = None,
        unguarded: bool = False,
        signer: str | os.PathLike[str] | None = None,
    ):
        self.bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle, signer)
        contract = self._contract = self.bundle.contract
        self.joints, self.dt = contract.joints, contract.dt
        self._fits(joints, rate, limits, quaternion)
        document = contract.document
        self._session = open_policy(self.bundle)
        self._outputs = [OBSERVATION, ACTION, TARGET, *(state.output for state in contract.states)]
        self._history = next((state.input for state in contract.states if state.kind == "history"), None)
        safety = document["safety"]
        self.stale_seconds = float(safety["stale_seconds"]) if stale_seconds is None else stale_seconds
        if not (math.isfinite(self.stale_seconds) and self.stale_seconds >= 2.0 * self.dt):
            raise WildRobotError(
                f"Readings may be {self.stale_seconds:g} s old, which is less than two control periods, or no time.",
                where="stale_seconds",
                hint=f"such as {5.0 * self.dt:g}",
            )
        self._guard = Guard(contract, quaternion, unguarded, self.stale_seconds)
        self._proof = None if unguarded else ImuProof.of(contract)
        self._motion = motion
        self._must_prove = prove_imu and self._proof is not None
        bounds = np.array([(c.low, c.high) for c in contract.channels], np.float32).reshape(-1, 2)
        self._asked = np.full_like(bounds, [-np.inf, np.inf]) if unguarded else bounds
        self._reach = contract.target_speed * np.float32(contract.dt)
        slow = np.float32(float(safety["ramp_speed"]) * contract.dt)
        self._slow = np.where(contract.servos, slow, np.float32(np.inf))  # what is no position may rest at once
        self._ramp = float(safety["ramp_seconds"])
        self._safe_pose = self._pose(safe_pose)
        self.start()

    def start(self, *, ramp: bool = True, wait: bool = False) -> None:
        """Begin anew at the next reading, and forget any fault.

        Without `ramp` the policy has the robot at once, which suits simulations: on a robot
        that is not in its home pose the first target is a jump. With `wait` the robot holds its home pose until
        `take_over`.
        """
        self._guard.start()
        if self._proof is not None:
            self._proof.start()
        self._waiting, self._moved = wait, 0
        self._fault: str | None = None
        self._tilted = False
        self._resting = False
        self._found = False  # a reading has said where the joints are
        self._last: NDArray[np.float32] = self._contract.target_rest  # of servos, where the joints are found
        self._mode: Mode = "ramp" if ramp and self._contract.servos.any() else "hold"
        self._way: tuple[NDArray[np.float32], int, int] | None = None  # from where, steps done, steps in all
        self._state = {state.input: np.zeros(state.shape, np.float32) for state in self._contract.states}

    @property
    def fault(self) -> str | None:
        """Why the robot is in its safe pose; None while nothing is wrong."""
        return self._fault

    @property
    def tilted(self) -> bool:
        """The fault is that the robot has tilted too far."""
        return self._tilted

    @property
    def proved(self) -> bool:
        """Nothing is to be proved of the IMU before the policy takes over, or motion has shown it."""
        return not self._must_prove or (self._proof is not None and self._proof.proved)

    def take_over(self) -> None:
        """Let the policy have the robot once it is in its home pose and the IMU is proved."""
        self._waiting = False

    @property
    def state(self) -> dict[str, NDArray[np.float32]]:
        """What the policy's file hands on to the next step, by the names of its inputs."""
        return dict(self._state)

    def rest(self) -> None:
        """From now on move to the safe pose, slowly, and stay there, until `start`."""
        self._resting = True

    @property
    def rested(self) -> bool:
        """The last target was the safe pose, and the player stays there until `start`."""
        return self._mode == "safe" and bool(np.array_equal(self._last, self._safe_pose))

    def step(self, readings: Mapping[str, Any], now: float | None = None) -> Step:
        """Targets for the coming control period; never raises for what the robot's sensors say.

        There are none (mode "wait"), and no fault lasts, until a reading has the positions of all joints.

        Args:
            readings: `time` (s, when they were taken), the contract's sensors by name,
                `joint_positions` and `joint_velocities` by joint (rad, rad/s; m, m/s of slides),
                `foot_switches` by foot where the policy reads them (1 or true: closed), and
                `command` by channel, such as `lin_vel_x` (m/s); of those that are absent, nothing
                is asked.
            now: the present on the same clock, s; without it, readings are as old as their
                time stands still.
        """
        if self._fault is None and not (self._resting and self._found):
            try:
                reading = self._guard(readings, now)
                self._found = True
                if self._proof is not None:
                    self._proof(reading)
                if self._mode == "hold" and not self._waiting and self.proved:
                    self._mode = "run"
                return {"ramp": self._begin, "hold": self._hold}.get(self._mode, self._run)(reading)
            except Unfit as unfit:
                if not self._found:
                    try:
                        self._last = self._found_at(self._guard.positions(readings))
                    except Unfit as unknown:
                        self._guard.start()
                        return Step(_NOWHERE, "wait", str(unknown))
                    self._found = True
                self._fault, self._tilted = str(unfit), isinstance(unfit, Tilted)
        self._mode = "safe"
        self._last = slew(self._safe_pose, self._last, self._slow)
        return Step(self._last.copy(), "safe", self._fault)

    def _begin(self, reading: Reading) -> Step:
        """On the way from the pose found to the home pose, along a smooth step in time; what is no servo rests."""
        contract = self._contract
        if self._way is None:
            found = self._found_at(reading.positions)
            far = float(np.abs(found - contract.home)[contract.servos].max())
            # A smooth step is half as fast again in its middle as on average.
            seconds = max(self._ramp, 1.5 * far / float(self._slow[contract.servos].min()) * self.dt)
            self._way = (found, 0, max(1, round(seconds / self.dt)))
        found, done, steps = self._way
        fraction = (done + 1) / steps
        smooth = np.float32(fraction * fraction * (3.0 - 2.0 * fraction))
        self._way = (found, done + 1, steps)
        if done + 1 >= steps:
            self._mode = "hold"
        # A joint may be found beyond its limits: clipped to them, its first target would be a jump.
        home = np.where(contract.servos, contract.home, contract.target_rest)
        self._last = home if done + 1 >= steps else found + smooth * (home - found)
        return Step(self._last.copy(), "ramp")

    def _hold(self, reading: Reading) -> Step:
        """The home pose, at the pace of the ramp where the robot was not led there; what is no servo rests."""
        home = np.where(self._contract.servos, self._contract.home, self._contract.target_rest)
        if self._way is None:
            self._way = (self._found_at(reading.positions), 0, 0)
            self._last = self._way[0]
        self._last = slew(home, self._last, self._slow)
        return Step(self._last.copy(), "hold")

    def _found_at(self, positions: NDArray[np.float32]) -> NDArray[np.float32]:
        """The targets that hold the robot where its joints are: of servos their positions, of others rest."""
        contract = self._contract
        return np.where(contract.servos, positions[: len(contract.joints)], contract.target_rest)

    def _run(self, reading: Reading) -> Step:
        contract = self._contract
        if self._motion is not None:
            target = self._motion(self._moved * self.dt)
            self._moved += 1
            return Step(self._within(target), "run")
        values = {
            COMMAND: np.minimum(np.maximum(reading.command, self._asked[:, 0]), self._asked[:, 1]),
            POSITIONS: reading.positions,
            VELOCITIES: reading.velocities,
            SWITCHES: reading.switches,
            **{f"{SENSOR}{name}": value for name, value in reading.sensors.items()},
        }
        inputs = {name: values[name][None] for name in contract.inputs}
        try:
            outputs = self._session.run(self._outputs, {**inputs, **self._state})
        except Exception as error:  # onnxruntime's own types; such as one for a graph that asks for too much memory
            raise Unfit(f"the policy cannot be computed: {first_line(error)}") from error
        (observation,), (action,), (target,) = outputs[:3]
        if not (np.isfinite(action).all() and np.isfinite(target).all()):
            raise Unfit("the policy's action is not finite")
        self._state = dict(zip(self._state, outputs[3:]))
        if self._history is not None:  # what the policy saw, out of the policy itself
            observation = self._state[self._history].ravel()
        return Step(self._within(target), "run", None, observation.copy(), action.copy())

    def _within(self, target: NDArray[np.float32]) -> NDArray[np.float32]:
        """A target that can be followed: within the limits, and no faster than it may change."""
        low, high = self._contract.target_low, self._contract.target_high
        target = slew(np.minimum(np.maximum(target, low), high), self._last, self._reach)
        self._last = np.minimum(np.maximum(target, low), high)
        return self._last.copy()

    def _pose(self, angles: Mapping[str, float] | None) -> NDArray[np.float32]:
        contract, pose = self._contract, self._contract.safe_pose.copy()
        for name, angle in (angles or {}).items():
            if name not in self.joints:
                raise WildRobotError(
                    f"The safe pose names the joint {name!r}.", where="safe_pose", hint=nearest(name, self.joints)
                )
            pose[self.joints.index(name)] = angle
        wrong = ~((pose >= contract.target_low) & (pose <= contract.target_high))
        for i in np.flatnonzero(wrong):
            unit = contract.document["joints"][i]["target"]["unit"]
            raise WildRobotError(
                f"The safe pose puts the joint {self.joints[i]!r} at {pose[i]:.3f} {unit}, outside of its limits.",
                where="safe_pose",
                hint=f"{contract.target_low[i]:.3f} to {contract.target_high[i]:.3f} {unit}",
            )
        return pose

    def _fits(
        self,
        joints: Iterable[str] | None,
        rate: float | None,
        limits: Mapping[str, tuple[float, float]] | None,
        quaternion: str,
    ) -> None:
        """The robot has what the contract asks for."""
        contract = self._contract
        for name, servo, low, high in zip(self.joints, contract.servos, contract.low, contract.high):
            own_low, own_high = (low, high) if limits is None else limits.get(name, (low, high))
            if servo and not (own_low - _NEAR <= low and high <= own_high + _NEAR):
                raise WildRobotError(
                    f"The policy moves the joint {name!r} from {low:.3f} to {high:.3f} rad, "
                    f"and the robot's goes from {own_low:.3f} to {own_high:.3f}.",
                    where="limits",
                    hint="train with the robot's own limits, or mend the servo's zero",
                )
        own = None if joints is None else set(joints)
        for name in contract.measured:
            if own is not None and name not in own:
                raise WildRobotError(
                    f"The bundle reads or moves the joint {name!r}, which this robot does not have.",
                    where="joints",
                    hint=nearest(name, own),
                )
        if rate is not None and not abs(rate * self.dt - 1.0) < 1e-3:
            raise WildRobotError(
                f"The policy was trained at {1.0 / self.dt:g} Hz, and is to run at {rate:g} Hz.",
                where="rate",
                hint=f"call it every {self.dt:g} s",
            )
        if quaternion not in ("wxyz", "xyzw"):
            raise WildRobotError(
                f"There is no order of quaternions {quaternion!r}.", where="quaternion", hint="'wxyz' or 'xyzw'"
            )
