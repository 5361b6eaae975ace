"""MJX as an engine: MuJoCo in JAX, for GPUs and TPUs."""

import contextlib
import functools
import importlib.util
import io
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float

from ..errors import WildRobotError, nearest
from ..robots import Model, Robot
from .base import AbstractPhysics, PhysicsState, control_model, foot_forces, nominal_ctrl
from .params import MODEL_FIELDS, PhysicsParams, subtree_mass_jax
from .tree.contact_sensors import MATCHED, directions, sides
from .tree.solver import Effort

_NETFORCE = 3  # a contact sensor's reduce="netforce"; its sensor_intprm is (data, reduce, number)
_FORCE = 1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE)
_CORNERS = np.array([[1, 1, 1], [-1, 1, 1], [1, -1, 1], [-1, -1, 1]])  # of a box; the others are opposite
EFFORT = Effort(steps=10, line=4)
"""MJX pays for every pass of the line search that is allowed, and under vmap for the Newton iterations of the slowest
env. With these caps nothing changes in the figures of docs/physics.md; its speed is fourfold."""
_LEAST_FRICTION = 1e-6  # N m
_WARP_CONTACTS = 2**17  # room for the contacts of all worlds together, which warp allocates once


class MjxPhysics(AbstractPhysics):
    """MuJoCo's JAX port: pure JAX with `impl="jax"`, NVIDIA kernels with `impl="warp"`.

    Works under jit, vmap and scan, in float32. The state has the same tree, shapes,
    dtypes and moments as `NativePhysics`: `carry` is the solver's warm start, and the
    rest of `mjx.Data` is rebuilt in each control step.

    Args:
        robot: the robot to simulate.
        timestep: simulation step, s; must divide the robot's control period.
        impl: "jax" runs on every device, "warp" needs warp-lang and an NVIDIA GPU.
        effort: the most Newton steps, and evaluations of the line search along each, that the constraint solver may
            take, but no more than the MJCF allows; None takes `EFFORT` for "jax" and what the MJCF allows for "warp".

    Raises:
        WildRobotError: no such impl, warp-lang is not installed, or MJX lacks something the model uses.
    """

    robot: Robot
    model: Model = eqx.field(static=True)
    n_substeps: int = eqx.field(static=True)
    impl: str = eqx.field(static=True)
    effort: Effort | None = eqx.field(static=True)

    def __init__(self, robot: Robot, timestep: float = 0.005, impl: str = "jax", effort: Effort | None = None):
        self.robot = robot
        self.model, self.n_substeps = control_model(robot, timestep)
        self.impl, self.effort = impl, effort
        self._engine()  # refuse what MJX cannot do here, not in the middle of a trace

    def init(self, params: PhysicsParams, qpos: Float[Array, " nq"], qvel: Float[Array, " nv"]) -> PhysicsState:
        zero = jnp.zeros((), jnp.float32)
        warmstart = jnp.zeros((self.robot.nv,), jnp.float32)
        return self._run(0, params, qpos, qvel, zero, warmstart, nominal_ctrl(self.robot))

    def step(self, params: PhysicsParams, state: PhysicsState, ctrl: Float[Array, " nu"]) -> PhysicsState:
        return self._run(self.n_substeps, params, state.qpos, state.qvel, state.time, state.carry, ctrl)

    def _engine(self) -> "_JaxEngine | _WarpEngine":
        return _engine(self.model, self.impl, self.effort)

    def _run(
        self,
        n_steps: int,
        params: PhysicsParams,
        qpos: Float[Array, " nq"],
        qvel: Float[Array, " nv"],
        time: Float[Array, ""],
        warmstart: Float[Array, " nv"],
        ctrl: Float[Array, " nu"],
    ) -> PhysicsState:
        engine = self._engine()
        model = _with_params(engine.model, self.model, params)
        data = engine.data.replace(qpos=qpos, qvel=qvel, time=time, qacc_warmstart=warmstart, ctrl=ctrl)
        data = engine.advance(model, data, n_steps)
        names = ("qpos", "qvel", "time", "xpos", "xquat", "site_xpos", "sensordata", "actuator_force")
        # Some of MJX's results are weakly typed, which would make reset and step differ.
        fields = {name: jax.lax.convert_element_type(getattr(data, name), jnp.float32) for name in names}
        carry = jax.lax.convert_element_type(data.qacc_warmstart, jnp.float32)
        return PhysicsState(**fields, foot_force=foot_forces(self.robot, fields["sensordata"]), carry=carry)


@functools.lru_cache(maxsize=16)
def _engine(model: Model, impl: str, effort: Effort | None) -> "_JaxEngine | _WarpEngine":
    """What MJX needs of one model, made once; `Model` is compared by content."""
    engines: dict[str, type[_JaxEngine] | type[_WarpEngine]] = {"jax": _JaxEngine, "warp": _WarpEngine}
    if impl not in engines:
        raise WildRobotError(f"MJX has no impl {impl!r}.", where="MjxPhysics", hint=nearest(impl, engines))
    # The first use may be inside a trace; what we keep must not be that trace's.
    with jax.ensure_compile_time_eval():
        try:
            return engines[impl](model, effort)
        except NotImplementedError as error:  # MJX's own word for what it lacks
            raise _unfit(str(error)) from error


def _unfit(reason: str) -> WildRobotError:
    return WildRobotError(
        f"MJX cannot simulate this model: {reason}", where="MjxPhysics", hint="take the native engine"
    )


def _import_mjx() -> Any:
    """The mjx module; its import prints about warp to standard output, where results belong."""
    with contextlib.redirect_stdout(io.StringIO()):
        from mujoco import mjx
    return mjx


def _with_params(mjx_model: Any, model: Model, params: PhysicsParams) -> Any:
    """The `mjx.Model` with this env's parameters, derived constants by the rule of `PhysicsParams`."""
    fields = {name: getattr(params, name) for name in MODEL_FIELDS if name != "gravity"}
    if not model.mj.npair:
        fields.pop("pair_friction")
    # MJX knows a row of dry friction by its positive bound: at exactly 0 it would hold the joint fast.
    fields["dof_frictionloss"] = jnp.maximum(params.dof_frictionloss, _LEAST_FRICTION)
    parent = tuple(int(p) for p in model.mj.body_parentid)
    return mjx_model.replace(
        **fields,
        body_subtreemass=subtree_mass_jax(parent, params.body_mass),
        opt=mjx_model.opt.replace(gravity=params.gravity),
    )


def _capped(model: Model, effort: Effort) -> mujoco.MjModel:
    """A copy of the model whose solver works no longer than `effort`."""
    mj = mujoco.MjModel.__copy__(model.mj)
    mj.opt.iterations = min(mj.opt.iterations, effort.steps)
    mj.opt.ls_iterations = min(mj.opt.ls_iterations, effort.line)
    return mj


class _JaxEngine:
    """MJX in JAX, made to agree with the C engine where it does not.

    MJX lacks contact sensors that reduce to a net force, and of a box on a plane it keeps
    only the corners within 1 mm of the deepest: a foot that lands on its heel would lose
    its toe's contacts. Both are worked out here from the same public steps as `mjx.step`.
    The solver may take as many iterations as float32 can use, not as many as the MJCF allows.
    """

    def __init__(self, model: Model, effort: Effort | None):
        self.mjx = mjx = _import_mjx()
        mj = _capped(model, effort or EFFORT)
        integrators = {
            int(mujoco.mjtIntegrator.mjINT_EULER): mjx.euler,
            int(mujoco.mjtIntegrator.mjINT_IMPLICITFAST): mjx.implicit,
        }
        if mj.opt.integrator not in integrators:
            raise _unfit("its integrator is neither Euler nor implicitfast")
        self.integrate = integrators[mj.opt.integrator]
        self.net_forces = self._take_net_forces(mj)
        self.model = mjx.put_model(mj, impl="jax")
        self.data = mjx.make_data(mj, impl="jax")
        self.size = mj.geom_size
        self.plane_boxes = self._plane_boxes(mj)
        self.forward, self.refresh = jax.jit(self._forward), jax.jit(self._refresh)  # so init and step share one trace

    def _plane_boxes(self, mj: mujoco.MjModel) -> np.ndarray:
        """Rows (contact, plane, box, corner) of the contacts of boxes with planes; corner 0 to 3."""
        if not self.data._impl.ncon:
            return np.zeros((0, 4), int)
        # Which geoms a contact joins depends on no state, so all else in this is dead code.
        pairs = np.asarray(jax.jit(lambda d: self.mjx.collision(self.model, d)._impl.contact.geom)(self.data))
        kinds = mj.geom_type[pairs]
        boxes = (kinds == [mujoco.mjtGeom.mjGEOM_PLANE, mujoco.mjtGeom.mjGEOM_BOX]).all(axis=1)
        rows = []
        for plane, box in sorted({tuple(pair) for pair in pairs[boxes].tolist()}):
            contacts = np.flatnonzero((pairs == (plane, box)).all(axis=1))
            rows += [(int(c), plane, box, corner) for corner, c in enumerate(contacts)]
        return np.array(rows, int).reshape(-1, 4)

    @staticmethod
    def _take_net_forces(mj: mujoco.MjModel) -> list[tuple[int, np.ndarray]]:
        """Switch the net-force sensors off in `mj`; their address, and the sign of a contact's force by its geoms."""
        taken = []
        for i in range(mj.nsensor):
            data, reduce, _ = mj.sensor_intprm[i]
            if mj.sensor_type[i] != mujoco.mjtSensor.mjSENS_CONTACT or reduce != _NETFORCE:
                continue
            named = sides(mj, i)
            if data != _FORCE or any(side is not None and side.kind not in MATCHED for side in named):
                raise _unfit(
                    f"the contact sensor {mj.sensor(i).name!r} reduces to a net force, which works here only "
                    "with data='force' and without a site"
                )
            taken.append((int(mj.sensor_adr[i]), directions(mj, named)))
            mj.sensor_intprm[i, 1] = 0
            for kind, index in ((mj.sensor_objtype, mj.sensor_objid), (mj.sensor_reftype, mj.sensor_refid)):
                kind[i], index[i] = mujoco.mjtObj.mjOBJ_GEOM, 0  # all that MJX lets a contact sensor name
            mj.sensor_needstage[i] = mujoco.mjtStage.mjSTAGE_NONE
        return taken

    def advance(self, model: Any, data: Any, n_steps: int) -> Any:
        """`n_steps` steps, or a forward pass when 0; all fields at the moments of `PhysicsState`."""

        def substep(carry: Any, _: None) -> tuple[Any, None]:
            old = carry[0]
            return (self.integrate(model, self.forward(model, old)), old.qpos, old.qvel), None

        if n_steps:
            (new, qpos, qvel), _ = jax.lax.scan(substep, (data, data.qpos, data.qvel), None, n_steps)
        else:
            new, qpos, qvel = self.forward(model, data), data.qpos, data.qvel
        return self.refresh(model, new, qpos, qvel)

    def _refresh(self, model: Any, new: Any, qpos: Float[Array, " nq"], qvel: Float[Array, " nv"]) -> Any:
        """All that follows from the new state, after the sensors of the forces at the old one."""
        mjx = self.mjx
        # Integration leaves all but the state itself at the last substep's start, where forces belong.
        sensordata = mjx.sensor_acc(model, new.replace(qpos=qpos, qvel=qvel)).sensordata
        for address, force in self._forces(model, new):
            sensordata = sensordata.at[address : address + 3].set(force)
        new = new.replace(sensordata=sensordata)
        for refresh in (mjx.kinematics, mjx.com_pos, mjx.camlight, mjx.transmission, mjx.sensor_pos):
            new = refresh(model, new)
        # Compiled, the passive forces that this computes too are dead code.
        return mjx.sensor_vel(model, mjx.fwd_velocity(model, new))

    def _forward(self, model: Any, data: Any) -> Any:
        """`mjx.forward` without sensors, and with all corners of a box on a plane."""
        mjx = self.mjx
        for stage in (mjx.kinematics, mjx.com_pos, mjx.tendon, mjx.crb, mjx.tendon_armature, mjx.factor_m):
            data = stage(model, data)
        data = self._plane_box_contacts(mjx.collision(model, data))
        for stage in (mjx.make_constraint, mjx.transmission, mjx.fwd_velocity, mjx.fwd_actuation):
            data = stage(model, data)
        data = mjx.fwd_acceleration(model, data)
        if not data._impl.nefc:
            return data.replace(qacc=data.qacc_smooth)
        return mjx.solve(model, data)

    def _plane_box_contacts(self, data: Any) -> Any:
        """The contacts of boxes with planes as in C (engine_collision_primitive.c, mjc_PlaneBox).

        Of each two opposite corners one points to the plane; these four are the contacts.
        """
        if not len(self.plane_boxes):
            return data
        rows, plane, box, corner = self.plane_boxes.T
        half = jnp.asarray(self.size[box] * _CORNERS[corner], jnp.float32)
        normal = data.geom_xmat[plane, :, 2]
        offset = jnp.einsum("cij,cj->ci", data.geom_xmat[box], half)
        offset = jnp.where(jnp.sum(offset * normal, axis=1, keepdims=True) > 0, -offset, offset)
        point = data.geom_xpos[box] + offset
        dist = jnp.sum((point - data.geom_xpos[plane]) * normal, axis=1)
        contact = data._impl.contact
        contact = contact.replace(
            dist=contact.dist.at[rows].set(dist),
            pos=contact.pos.at[rows].set(point - 0.5 * dist[:, None] * normal),
        )
        return data.tree_replace({"_impl.contact": contact})

    def _forces(self, model: Any, data: Any) -> list[tuple[int, Float[Array, " 3"]]]:
        """By sensor address: net contact force on a sensor's second side, N, world frame."""
        if not self.net_forces:
            return []
        from mujoco.mjx._src import support

        contact = data._impl.contact
        world = jnp.zeros((contact.dist.shape[0], 3), jnp.float32)
        for dim in sorted(set(contact.dim.tolist())):
            force, rows = support.contact_force_dim(model, data, dim)  # contact frame, its x axis the normal
            world = world.at[rows].set(jnp.einsum("cij,ci->cj", contact.frame[rows], force[:, :3]))
        first, second = contact.geom[:, 0], contact.geom[:, 1]
        result = []
        for address, sign in self.net_forces:
            result.append((address, jnp.asarray(sign, jnp.float32)[first, second] @ world))
        return result


class _WarpEngine:
    """MJX on MuJoCo Warp, which has every sensor but no way to refresh some of them only."""

    def __init__(self, model: Model, effort: Effort | None):
        if importlib.util.find_spec("warp") is None:
            raise WildRobotError(
                "MJX's warp implementation needs the package warp-lang, which is not installed.",
                where="MjxPhysics(impl='warp')",
                hint="pip install warp-lang on a machine with an NVIDIA GPU, or take impl='jax'",
            )
        self.mjx = _import_mjx()
        mj = model.mj if effort is None else _capped(model, effort)
        self.model = self.mjx.put_model(mj, impl="warp")
        self.data = self.mjx.make_data(mj, impl="warp", naconmax=_WARP_CONTACTS)
        stage = np.repeat(model.mj.sensor_needstage, model.mj.sensor_dim)
        self.late = stage == int(mujoco.mjtStage.mjSTAGE_ACC)

    def advance(self, model: Any, data: Any, n_steps: int) -> Any:
        """As `_JaxEngine.advance`, at the price of one more forward pass."""
        if not n_steps:
            return self.mjx.forward(model, data)
        for _ in range(n_steps):
            data = self.mjx.step(model, data)
        new = self.mjx.forward(model, data)
        return new.replace(
            sensordata=jnp.where(self.late, data.sensordata, new.sensordata),
            actuator_force=data.actuator_force,
            qacc_warmstart=data.qacc_warmstart,
        )
