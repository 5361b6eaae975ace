"""One control period of one robot on scalars: substeps, then what the new state shows."""

import dataclasses

import jax
from jax import lax
from jaxtyping import Array, Float

from ...robots import Model
from . import bias, collide, constraints, inertia, integrate, kinematics, sensors, solver
from .actuation import Gains, actuator_forces, joint_forces, velocity_slopes
from .model import Tree, read
from .scalar import Num, Scalar, array
from .solver import Effort
from .spatial import Symmetric, Vec, add, apply


@dataclasses.dataclass
class Constants:
    """One env's parameters, and what follows from them before any state is known."""

    mass: list[Scalar]
    centre: list[Vec]
    central: list[Symmetric]  # about the centre of mass, body frame
    friction: list[Vec]  # sliding, spinning, rolling, by geom
    pair_friction: list[list[Scalar]]  # five of each <pair>
    damping: list[Scalar]
    friction_loss: list[Scalar]
    armature: list[Scalar]
    gains: list[Gains]
    gravity: Vec


@dataclasses.dataclass
class Moment:
    """Dynamics at one state."""

    poses: kinematics.Poses
    velocities: kinematics.Velocities
    mass: inertia.Sparse
    qacc: list[Scalar]
    slopes: list[Scalar]  # of actuator forces by their dof's velocity
    actuator: list[Scalar]
    readings: sensors.Readings  # of accelerations and forces


class Engine:
    """The dynamics of one model."""

    def __init__(self, model: Model, effort: Effort, self_contact: bool = True):
        self.model, self.effort = model, effort
        self.tree: Tree = read(model, self_contact)
        late = [s for s in sensors.read_sensors(model) if s.stage == sensors.LATE]
        self.late = tuple(s.address + k for s in late for k in range(s.size))

    def dynamics(
        self, c: Constants, qpos: list[Scalar], qvel: list[Scalar], warm: list[Scalar], ctrl: list[Scalar]
    ) -> Moment:
        """MuJoCo's forward dynamics at one state."""
        tree = self.tree
        p = kinematics.poses(tree, qpos)
        v = kinematics.velocities(p, qvel)
        bodies = inertia.body_inertias(p, c.mass, c.centre, c.central)
        mass = inertia.mass_matrix(p, bodies, c.armature)
        forces, slopes = actuator_forces(tree, c.gains, qpos, qvel, ctrl)
        driven = joint_forces(tree, forces)
        passive = bias.passive_forces(tree, c.damping, qpos, qvel)
        held = bias.bias_forces(p, v, bodies, c.gravity)
        applied = [a + b - h for a, b, h in zip(driven, passive, held)]
        rows = constraints.Rows(
            constraints.rubs(tree, c.friction_loss, qvel),
            constraints.limits(tree, qpos, qvel),
            constraints.touches(p, v, qvel, collide.contacts(p, tree.pairs), c.friction, c.pair_friction),
            constraints.equalities(tree, qpos, qvel),
        )
        solution = solver.run(solver.Problem(p, mass, applied, rows), warm, self.effort)
        felt = kinematics.accelerations(p, v, solution.qacc, c.gravity)
        seen = sensors.Forces(felt, rows.touches, solution.forces, forces, driven)
        readings = sensors.acceleration_sensors(self.model, p, v, seen, c.centre)
        return Moment(p, v, mass, solution.qacc, velocity_slopes(tree, slopes), forces, readings)

    def run(
        self,
        c: Constants,
        qpos: list[Scalar],
        qvel: list[Scalar],
        time: Scalar,
        warm: list[Scalar],
        ctrl: list[Scalar],
        n_steps: int,
        like: Float[Array, ""],
    ) -> dict[str, list[Scalar]]:
        """The fields of `PhysicsState` after `n_steps` steps, or of forward dynamics alone when 0."""

        def pack(moment: Moment) -> list[Scalar]:
            return [*moment.qacc, *moment.actuator, *(moment.readings[i] for i in self.late)]

        nq, nv = self.tree.nq, self.tree.nv
        if n_steps:

            def substep(carry: tuple[jax.Array, ...], _: None) -> tuple[tuple[jax.Array, ...], None]:
                values: list[Scalar] = [Num(a) for a in carry]
                q, v, w = values[:nq], values[nq : nq + nv], values[nq + nv : nq + 2 * nv]
                moment = self.dynamics(c, q, v, w, ctrl)
                q, v = integrate.advance(self.tree, q, v, self._stepped(c, moment))
                return tuple(array(x, like) for x in [*q, *v, *pack(moment)]), None

            late = [0.0] * (len(self.tree.actuators) + len(self.late))
            start = tuple(array(x, like) for x in [*qpos, *qvel, *warm, *late])
            end, _ = lax.scan(substep, start, None, n_steps)
            values: list[Scalar] = [Num(a) for a in end]
        else:
            values = [*qpos, *qvel, *pack(self.dynamics(c, qpos, qvel, warm, ctrl))]
        qpos, qvel, values = values[:nq], values[nq : nq + nv], values[nq + nv :]
        time = time + n_steps * self.tree.timestep
        return {
            "qpos": qpos,
            "qvel": qvel,
            "time": [time],
            "qacc_warmstart": values[:nv],
            "actuator_force": values[nv : nv + len(self.tree.actuators)],
            **self._shown(c, qpos, qvel, time, dict(zip(self.late, values[nv + len(self.tree.actuators) :]))),
        }

    def _stepped(self, c: Constants, moment: Moment) -> list[Scalar]:
        """The acceleration that the integrator applies."""
        tree = self.tree
        damping: list[Scalar] = list(c.damping) if tree.dampers else [0.0] * tree.nv
        if tree.implicit_fast:
            damping = [d - s for d, s in zip(damping, moment.slopes)]
        elif not tree.implicit_damping:
            return moment.qacc
        return integrate.implicit_acceleration(tree, moment.mass, damping, moment.qacc)

    def _shown(
        self, c: Constants, qpos: list[Scalar], qvel: list[Scalar], time: Scalar, late: sensors.Readings
    ) -> dict[str, list[Scalar]]:
        """What the state shows: poses, and the sensors of poses and velocities."""
        p = kinematics.poses(self.tree, qpos)
        v = kinematics.velocities(p, qvel)
        quats = kinematics.quaternions(self.tree, qpos)
        readings = (
            late
            | sensors.position_sensors(self.model, p, quats, qpos, time, c.mass, c.centre)
            | sensors.velocity_sensors(self.model, p, v, qvel, c.mass, c.centre)
        )
        bodies = range(len(self.tree.bodies))
        sites = [add(p.position(s.body), apply(p.rotation[s.body], s.pos)) for s in self.tree.sites]
        return {
            "xpos": [x for b in bodies for x in p.position(b)],
            "xquat": [x for b in bodies for x in quats[b]],
            "site_xpos": [x for s in sites for x in s],
            "sensordata": [readings[i] for i in sorted(readings)],
        }
