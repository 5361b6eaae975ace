"""What MuJoCo says of a pose: where bodies are, what touches the ground and how hard, what the joints bear."""

import math
from collections.abc import Mapping, Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from .simulation import Pose, World


class Shadow:
    """Looks at poses of one model, whatever simulates it.

    An engine's own forces may be of another moment than its pose, or absent; here all figures are of
    the pose, by MuJoCo's forward dynamics.

    Args:
        model: the model.
        base: the body that moves without a motor.
        joints: the driven joints.
        feet: the bodies of the feet by name.
    """

    def __init__(self, model: mujoco.MjModel, base: int, joints: Sequence[str], feet: Mapping[str, int]):
        self.model, self.data = model, mujoco.MjData(model)
        self._base, self._feet = base, dict(feet)
        ids = [mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, name) for name in joints]
        self._dofs = model.jnt_dofadr[ids] if ids else np.zeros(0, int)
        self._fixed = model.body_weldid == 0
        self._root = base or int(np.argmax(~self._fixed))

    def look(self, pose: Pose) -> None:
        """At this pose; all that follows is of it."""
        data = self.data
        data.qpos[:], data.qvel[:], data.ctrl[:] = pose.qpos, pose.qvel, pose.ctrl
        mujoco.mj_forward(self.model, data)
        data.qacc_warmstart[:] = data.qacc

    @property
    def torque(self) -> NDArray[np.float64]:
        """Of the actuators on the driven joints, N m, N of a slide."""
        return self.data.qfrc_actuator[self._dofs].copy()

    @property
    def mass(self) -> float:
        """Of the robot, kg."""
        return float(self.model.body_subtreemass[self._base or 0])

    @property
    def centre_of_mass(self) -> NDArray[np.float64]:
        """m, in the world."""
        return self.data.subtree_com[self._root].copy()

    @property
    def place(self) -> NDArray[np.float64]:
        """Of the base, m, in the world."""
        return self.data.xpos[self._root].copy()

    @property
    def heading(self) -> float:
        """Of the base, rad, in the world."""
        turned = self.data.xmat[self._base]
        return math.atan2(turned[3], turned[0])

    @property
    def velocity(self) -> dict[str, float]:
        """Of the base, along and to the left of its heading (m/s), and its turn (rad/s); empty of a fixed robot."""
        if not self._base:
            return {}
        found = np.zeros(6)  # angular, linear
        mujoco.mj_objectVelocity(self.model, self.data, mujoco.mjtObj.mjOBJ_BODY, self._base, found, 0)
        c, s = math.cos(self.heading), math.sin(self.heading)
        return {
            "lin_vel_x": float(c * found[3] + s * found[4]),
            "lin_vel_y": float(c * found[4] - s * found[3]),
            "ang_vel_z": float(found[2]),
        }

    def contacts(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Where the robot touches what does not move (m), the force on the robot (N), in the world, and on which body.

        Arrays of (n, 3), (n, 3) and (n,).
        """
        model, data = self.model, self.data
        places, forces, bodies = [], [], []
        found = np.zeros(6)
        for i in range(data.ncon):
            contact = data.contact[i]
            if contact.efc_address < 0:
                continue
            one, other = (int(model.geom_bodyid[geom]) if geom >= 0 else 0 for geom in contact.geom)
            if self._fixed[one] == self._fixed[other]:
                continue
            mujoco.mj_contactForce(model, data, i, found)
            force = contact.frame.reshape(3, 3).T @ found[:3]  # on the second body; rows of the frame are its axes
            places.append(contact.pos.copy())
            forces.append(force if self._fixed[one] else -force)
            bodies.append(other if self._fixed[one] else one)
        if not places:
            return np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.int64)
        return np.array(places), np.array(forces), np.array(bodies)

    def foot_forces(self) -> dict[str, float]:
        """Upward force of the ground on each foot, N; of a robot without feet, on each body that touches it."""
        _, forces, bodies = self.contacts()
        if self._feet:
            return {name: float(forces[bodies == body, 2].sum()) for name, body in self._feet.items()}
        return {}


def apply_world(model: mujoco.MjModel, nominal: mujoco.MjModel, base: int, world: World) -> None:
    """Give a model the friction and the payload of a world; what MuJoCo derives from masses stays nominal, but sums.

    Args:
        model: changed in place.
        nominal: the same, as it was compiled.
        base: the body that bears the payload.
        world: whose friction and payload count.
    """
    model.geom_friction[:] = nominal.geom_friction
    model.geom_friction[:, 0] *= world.friction
    if model.npair:
        model.pair_friction[:] = nominal.pair_friction
        model.pair_friction[:, :2] *= world.friction
    model.body_mass[:] = nominal.body_mass
    model.body_subtreemass[:] = nominal.body_subtreemass
    body = base
    if body:
        model.body_mass[body] += world.payload
        while body:
            model.body_subtreemass[body] += world.payload
            body = int(model.body_parentid[body])
        model.body_subtreemass[0] += world.payload
