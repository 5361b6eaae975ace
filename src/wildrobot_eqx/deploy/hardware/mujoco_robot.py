"""The simulated robot: plain MuJoCo behind the interface of the hardware, from the bundle alone."""

import contextlib
import os
import sys
import time
import tomllib
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from ...errors import WildRobotError
from ..bundle.archive import damaged
from ..bundle.bundle import Bundle
from ..bundle.contract import SWITCHES
from ..bundle.mjcf import unpacked
from ..log.recorder import Truth
from ..player.robot import AbstractRobot


class MujocoRobot(AbstractRobot):
    """The bundle's robot in simulation, as training has it: nominal, its delay included.

    Args:
        bundle: carries the robot's model.
        timestep: of physics, s; the bundle's own if None.
        edit: changes the robot's MJCF before it is compiled, such as its ground.

    Raises:
        WildRobotError: the bundle carries no robot, or not the one of its contract.
    """

    def __init__(
        self,
        bundle: Bundle,
        timestep: float | None = None,
        edit: Callable[[mujoco.MjSpec], None] | None = None,
    ):
        document = bundle.contract.document
        simulation = document["simulation"]
        if simulation is None:
            raise damaged("The bundle carries no robot, so it cannot be simulated.", bundle.path, "see its README.md")
        self._contract = bundle.contract
        self.model = _compile(bundle, simulation["model"], edit)
        _feed(self.model)
        self.model.opt.timestep = float(simulation["timestep"]) if timestep is None else timestep
        self._substeps = round(bundle.contract.dt / self.model.opt.timestep)
        if abs(self._substeps * self.model.opt.timestep - bundle.contract.dt) > 1e-9:
            raise damaged(
                f"A timestep of {self.model.opt.timestep} s does not divide the control period.", bundle.path, "0.005"
            )
        # A simulation that diverges must stay so, not start anew in silence.
        self.model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        self.data = mujoco.MjData(self.model)
        self._actuators = np.array([self._id("actuator of joint", name) for name in self._contract.joints])
        measured = np.array([self._id("joint", name) for name in self.joints])
        self._qpos, self._dof = self.model.jnt_qposadr[measured], self.model.jnt_dofadr[measured]
        self._base = None if simulation["base"] is None else self._id("body", simulation["base"])
        self._sensors = {s["name"]: self._sensor(s["name"], s["size"]) for s in document["sensors"]}
        self._feet = [
            (foot["name"], self._places(foot["sensor"]), np.float32(foot["threshold"]))
            for foot in document.get("feet", ())
        ]
        self._loads = self._force_sensors(bundle, simulation["robot"])
        self._home = np.array(simulation["home_qpos"], np.float64)
        height, tilt = simulation["min_height"], simulation["max_tilt"]
        self._floor = -np.inf if height is None else float(height)
        self._level = -np.inf if tilt is None else float(np.cos(min(float(tilt), np.pi)))
        if self._home.shape != (self.model.nq,):
            raise damaged("The home pose is not one of the robot in the bundle.", bundle.path)
        self.reset()

    @property
    def joints(self) -> tuple[str, ...]:
        return self._contract.measured

    def reset(
        self, qpos: NDArray[np.floating[Any]] | None = None, qvel: NDArray[np.floating[Any]] | None = None
    ) -> None:
        """Begin at `qpos`, `qvel`; in the home pose, at rest, where they are not given."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = self._home if qpos is None else qpos
        self.data.qvel[:] = 0.0 if qvel is None else qvel
        rest = self._contract.target_rest
        self._queue = deque([rest] * self._contract.document["controller"]["delay"])
        self.data.ctrl[self._actuators] = self._target = rest
        self.broken = False
        mujoco.mj_forward(self.model, self.data)

    def now(self) -> float:
        return float(self.data.time)

    def read(self) -> dict[str, Any]:
        data = self.data
        return {
            "time": float(data.time),
            "joint_positions": dict(zip(self.joints, data.qpos[self._qpos])),
            "joint_velocities": dict(zip(self.joints, data.qvel[self._dof])),
            **{name: data.sensordata[place].copy() for name, place in self._sensors.items()},
            **({SWITCHES: self._switches()} if self._feet else {}),
        }

    def _switches(self) -> dict[str, float]:
        """Which feet the floor bears with more than their thresholds."""
        forces = self.data.sensordata.astype(np.float32)
        return {name: float(forces[places].sum() > threshold) for name, places, threshold in self._feet}

    def write(self, targets: Mapping[str, float], seconds: float) -> None:
        self._target = np.array([targets[name] for name in self._contract.joints], np.float32)

    def wait(self, until: float) -> None:
        while self.data.time < until - 0.5 * self.model.opt.timestep and not self.broken:
            self.advance()

    def advance(self) -> None:
        """One control period under the last targets; then sensors of position and velocity are of the new state."""
        model, data = self.model, self.data
        self._queue.append(self._target)
        data.ctrl[self._actuators] = self._queue.popleft()
        handler = mujoco.get_mju_user_warning()
        mujoco.set_mju_user_warning(_ignore)  # it would write a log file where the user works
        try:
            mujoco.mj_step(model, data, self._substeps)
        finally:
            mujoco.set_mju_user_warning(handler)
        self.broken = not (np.isfinite(data.qpos).all() and np.isfinite(data.qvel).all())
        if not self.broken:
            # As the native engine does: forces and their sensors stay those of the last substep.
            mujoco.mj_fwdPosition(model, data)
            mujoco.mj_sensorPos(model, data)
            mujoco.mj_fwdVelocity(model, data)
            mujoco.mj_sensorVel(model, data)

    def kick(self, velocity: NDArray[np.floating[Any]]) -> None:
        """The whole robot gets a velocity (m/s, in the world) on top of its own, in one instant.

        A robot whose base moves on slides, its own or those of bodies above it, takes the part along their axes, one
        without a base nothing. That is what `base_translation` of the training env says, which needs JAX.
        """
        model, body = self.model, self._base or 0
        while body:
            first = model.body_jntadr[body]
            for joint in range(first, first + model.body_jntnum[body]):
                dof = model.jnt_dofadr[joint]
                if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
                    self.data.qvel[dof : dof + 3] += velocity
                elif model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_SLIDE:
                    self.data.qvel[dof] += model.jnt_axis[joint] @ velocity
            body = int(model.body_parentid[body])

    def truth(self) -> Truth:
        """Its state now, and what the floor bears at each foot."""
        loads = {foot: float(self.data.sensordata[places].sum()) for foot, places in self._loads.items()}
        return Truth(self.data.qpos.copy(), self.data.qvel.copy(), loads, self.fallen)

    def release(self) -> None:
        """Nothing: a simulated robot may be looked at for longer."""

    @property
    def fallen(self) -> bool:
        """Its base is too low or tilts too far, or the simulation has diverged."""
        if self.broken or self._base is None:
            return self.broken
        return not (self.data.xpos[self._base, 2] > self._floor and self.data.xmat[self._base, 8] > self._level)

    @property
    def position(self) -> NDArray[np.float64]:
        """Where its base is, m, in the world; the origin of a robot without one."""
        return np.zeros(3) if self._base is None else self.data.xpos[self._base].copy()

    @property
    def up(self) -> NDArray[np.float64]:
        """The world's up in its base's frame; (0, 0, 1) of a robot without one."""
        return np.array([0.0, 0.0, 1.0]) if self._base is None else self.data.xmat[self._base, 6:9].copy()

    @property
    def heading(self) -> float:
        """The heading of its base, rad, in the world; 0 of a robot without one."""
        if self._base is None:
            return 0.0
        turned = self.data.xmat[self._base]
        return float(np.arctan2(turned[3], turned[0]))

    def actuator(self, joint: str) -> int:
        """The index of a driven joint's actuator."""
        return self._id("actuator of joint", joint)

    def _id(self, kind: str, name: str) -> int:
        model = self.model
        if kind in ("body", "joint"):
            found = mujoco.mj_name2id(model, getattr(mujoco.mjtObj, f"mjOBJ_{kind.upper()}"), name)
        else:
            joint = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, name)
            driven = np.flatnonzero(
                (model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT) & (model.actuator_trnid[:, 0] == joint)
            )
            found = int(driven[0]) if joint >= 0 and driven.size == 1 else -1
        if found < 0:
            raise damaged(f"The robot in the bundle has no {kind} {name!r}.", "robot")
        return found

    def _places(self, sensors: str | list[str]) -> list[int]:
        """Where a foot's sensors, one or several, have their upward forces."""
        return [self._sensor(name, 3).start + 2 for name in ([sensors] if isinstance(sensors, str) else sensors)]

    def _force_sensors(self, bundle: Bundle, name: str) -> dict[str, list[int]]:
        """Where the upward forces of the feet stand that the robot.toml names; none where it is no such file."""
        try:
            feet = tomllib.loads(bundle.text(name)).get("feet", {})
            named = {foot: entry["force"] for foot, entry in feet.items() if "force" in entry}
        except (tomllib.TOMLDecodeError, AttributeError, TypeError, WildRobotError):
            return {}
        return {foot: self._places(force) for foot, force in named.items()}

    def _sensor(self, name: str, size: int) -> slice:
        found = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_SENSOR, name)
        if found < 0 or self.model.sensor_dim[found] != size:
            raise damaged(f"The robot in the bundle has no sensor {name!r} of {size} numbers.", "robot")
        start = int(self.model.sensor_adr[found])
        return slice(start, start + size)


class Window(contextlib.AbstractContextManager["Window"]):
    """Shows a simulated robot in MuJoCo's viewer, no faster than it moves. Call it after each control step.

    Raises:
        WildRobotError: there is no display.
    """

    def __init__(self) -> None:
        self._viewer: Any = None
        self._start = 0.0

    def __call__(self, robot: MujocoRobot) -> None:
        if self._viewer is None:
            self._viewer = _open_viewer(robot)
            self._start = time.monotonic() - robot.now()
        if self._viewer.is_running():
            self._viewer.sync()
            time.sleep(max(0.0, self._start + robot.now() - time.monotonic()))

    def __exit__(self, *error: object) -> None:
        if self._viewer is not None:
            self._viewer.close()


def _open_viewer(robot: MujocoRobot) -> Any:
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise WildRobotError("There is no display for a window.", where="--view", hint="film it instead: --video x.mp4")
    import mujoco.viewer

    return mujoco.viewer.launch_passive(robot.model, robot.data, show_left_ui=False, show_right_ui=False)


def _compile(bundle: Bundle, name: str, edit: Callable[[mujoco.MjSpec], None] | None) -> mujoco.MjModel:
    if name not in bundle.files:
        raise damaged(f"The bundle lacks its model {name!r}.", bundle.path)
    with unpacked(bundle.files, bundle.path) as folder:
        try:
            if edit is None:
                return mujoco.MjModel.from_xml_path(str(folder / name))
            spec = mujoco.MjSpec.from_file(str(folder / name))
            edit(spec)
            return spec.compile()
        except ValueError as error:
            raise damaged(f"MuJoCo cannot compile {name}: {' '.join(str(error).split())}", bundle.path) from error


def _feed(model: mujoco.MjModel) -> None:
    """MuJoCo's own iterations for a solver that a file for MJX leaves too few, as `robots.feed` gives them."""
    if model.opt.iterations < 10:
        model.opt.iterations = 100
    if model.opt.ls_iterations < 10:
        model.opt.ls_iterations = 50


def _ignore(message: str) -> None:
    """A handler of MuJoCo's warnings that does nothing."""
