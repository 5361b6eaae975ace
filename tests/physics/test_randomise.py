"""Each randomiser proved by what it does to a robot that stands, swings or slides, on every engine (native: fast)."""

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from engines import mjx, native, tree
from helpers import replace, shifted
from mujoco_reference import reference_model

import wildrobot_eqx as we
from wildrobot_eqx.physics.randomise.bodies import body_index

G = 9.81


@pytest.fixture(params=["native", *(pytest.param(name, marks=pytest.mark.slow) for name in ("tree", "mjx"))])
def hop(request):
    """The hopper on an engine."""
    return {"native": native, "tree": tree, "mjx": mjx}[request.param]("hopper")


def drawn(engine, *pairs):
    """Parameters of one env per (randomiser, seed), stacked; None is a nominal env."""
    nominal, rows = engine.physics.params(), []
    for randomiser, seed in pairs:
        rows.append(nominal if randomiser is None else randomiser(jax.random.key(shifted(seed)), nominal))
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)


def weigh(engine, params, seconds: float = 1.0):
    """Ground force in N after standing, world frame, and the state."""
    state = engine.stand(params, seconds)
    return np.asarray(state.foot_force).sum(axis=1), state


def ankle_torque(engine, params, state) -> tuple[np.ndarray, np.ndarray]:
    """What the ankle's servo gives, and what statics ask of it: the moment about it of all weight above, N m."""
    robot, asked = engine.robot, []
    for i in range(len(state.time)):
        mj = reference_model(engine.physics, jax.tree.map(lambda leaf, i=i: leaf[i], params))
        data = mujoco.MjData(mj)
        data.qpos[:] = np.asarray(state.qpos[i])
        mujoco.mj_forward(mj, data)
        above = [b for b in range(1, mj.nbody) if mj.body(b).name != "foot"]
        arm = data.xipos[above, 0] - data.joint("ankle_pitch").xanchor[0]
        asked.append(np.sum(mj.body_mass[above] * G * arm))
    return np.asarray(state.actuator_force)[:, robot.joint_names.index("ankle_pitch")], np.array(asked)


def fixed(value: float) -> tuple[float, float]:
    return (value, value)


def test_a_tenth_more_mass_is_a_tenth_more_force_on_the_ground(hop):
    params = drawn(hop, (None, 0), (we.randomise.ScaleMass(fixed(1.1)), 0), (we.randomise.ScaleMass(fixed(0.8)), 0))
    force, _ = weigh(hop, params)
    np.testing.assert_allclose(force[:, 2] / force[0, 2], [1.0, 1.1, 0.8], rtol=2e-3)
    assert force[0, 2] == pytest.approx(1.6 * G, rel=2e-3)


def test_a_payload_weighs_and_leans_the_robot(hop):
    """0.3 kg on the torso, 5 cm ahead and 5 cm behind of its axis: weight on the floor, and torque at the ankle."""
    robot = hop.robot
    load = [we.randomise.Payload(robot, fixed(0.3), low=(x, 0.0, 0.05), high=(x, 0.0, 0.05)) for x in (-0.02, 0.02)]
    params = drawn(hop, (None, 0), (load[0], 0), (load[1], 0))
    force, state = weigh(hop, params)
    np.testing.assert_allclose(force[:, 2], np.array([1.6, 1.9, 1.9]) * G, rtol=3e-3)
    given, asked = ankle_torque(hop, params, state)
    np.testing.assert_allclose(given, asked, atol=0.025)  # dry friction holds up to 0.02 N m
    # The robot leans a little more under the load, so the arm is longer than the 4 cm between the two places.
    assert given[2] - given[1] > 0.3 * G * 0.04


def test_a_payload_is_a_point_mass_by_steiners_theorem(hopper, robot):
    """Against the full inertia tensors of both, joined in NumPy."""
    place = (0.05, -0.02, 0.08)
    for name, body in (("hopper", "torso"), ("wildrobot", "chassis")):
        who = {"hopper": hopper, "wildrobot": robot}[name]
        params = native(name).physics.params()
        i = body_index(who, body, we.randomise.ScaleMass())
        after = we.randomise.Payload(who, fixed(0.4), body, place, place)(jax.random.key(0), params)
        mj = who.model.mj
        own, centre = mj.body_mass[i], mj.body_ipos[i]
        axes = np.zeros(9)
        mujoco.mju_quat2Mat(axes, mj.body_iquat[i])
        axes = axes.reshape(3, 3)
        inertia = axes @ np.diag(mj.body_inertia[i]) @ axes.T
        joint = (own * centre + 0.4 * np.array(place)) / (own + 0.4)
        for mass, at in ((own, centre), (0.4, np.array(place))):
            d = at - joint
            inertia = inertia + mass * (d @ d * np.eye(3) - np.outer(d, d))
        assert float(after.body_mass[i]) == pytest.approx(own + 0.4, rel=1e-6)
        np.testing.assert_allclose(after.body_ipos[i], joint, atol=1e-6)
        np.testing.assert_allclose(after.body_inertia[i], np.diag(axes.T @ inertia @ axes), rtol=1e-5)
        moments = np.sort(np.asarray(after.body_inertia[i], float))
        assert moments[2] <= moments[0] + moments[1]


def test_a_shifted_centre_of_mass_moves_the_load_on_the_ankle(hop):
    robot = hop.robot
    shift = [we.randomise.ShiftCentreOfMass(robot, fixed(x), ("torso",)) for x in (-0.02, 0.02)]
    params = drawn(hop, (None, 0), (shift[0], 0), (shift[1], 0))
    # The draw moves all three axes; up and down change no torque of a robot that stands.
    force, state = weigh(hop, params)
    np.testing.assert_allclose(force[:, 2], 1.6 * G, rtol=3e-3)
    given, asked = ankle_torque(hop, params, state)
    np.testing.assert_allclose(given, asked, atol=0.025)
    assert given[2] - given[1] > 1.0 * G * 0.04
    others = [i for i in range(robot.model.mj.nbody) if i != body_index(robot, "torso", shift[0])]
    np.testing.assert_array_equal(params.body_ipos[1, jnp.array(others)], params.body_ipos[0, jnp.array(others)])


def test_gravity_that_leans_pulls_sideways(hop):
    params = drawn(hop, (None, 0), *((we.randomise.TiltGravity(fixed(0.05)), seed) for seed in range(3)))
    np.testing.assert_allclose(np.linalg.norm(np.asarray(params.gravity), axis=1), G, rtol=1e-5)
    across = np.linalg.norm(np.asarray(params.gravity)[1:, :2], axis=1)
    np.testing.assert_allclose(across, G * np.sin(0.05), rtol=1e-4)
    force, _ = weigh(hop, params)
    np.testing.assert_allclose(force[:, 2], 1.6 * np.abs(np.asarray(params.gravity)[:, 2]), rtol=5e-3)
    np.testing.assert_allclose(force[:, 0], -1.6 * np.asarray(params.gravity)[:, 0], atol=0.05 * 1.6 * G * np.sin(0.05))


def test_less_friction_slides_where_more_holds(hop):
    """On a slope of 0.3 rad a foot with friction 0.2 slides off, one with 0.6 stays."""
    params = drawn(hop, (we.randomise.ScaleFriction(fixed(0.2)), 0), (we.randomise.ScaleFriction(fixed(0.6)), 0))
    slope = jnp.asarray([G * np.sin(0.3), 0.0, -G * np.cos(0.3)], jnp.float32)
    params = replace(params, gravity=jnp.stack([slope, slope]))
    _, state = weigh(hop, params, 0.3)
    site = hop.robot.feet[0].site
    foot = np.asarray(state.site_xpos - hop.at_home(params).site_xpos)[:, site, 0]
    # Sliding: a = g (sin - mu cos), for 0.3 s.
    slid = 0.5 * G * (np.sin(0.3) - 0.2 * np.cos(0.3)) * 0.3**2
    assert foot[0] > 0.4 * slid
    assert abs(foot[1]) < 0.01


# --- joints: aloft, without gravity; the ankle carries a light foot, so the rest hardly moves ------------------


def aloft(engine, params, velocity: float = 0.0):
    """The ankle at a velocity (rad/s), high above the floor, in no gravity."""
    robot, n = engine.robot, params.gravity.shape[0]
    params = replace(params, gravity=jnp.zeros((n, 3), jnp.float32))
    ankle = robot.joint_dof[robot.joint_names.index("ankle_pitch")]
    qpos = jnp.broadcast_to(robot.home_qpos.at[1].add(1.0), (n, robot.nq))
    return params, engine.init(params, qpos, jnp.zeros((n, robot.nv), jnp.float32).at[:, ankle].set(velocity)), ankle


def limp(params):
    """Servos off."""
    gain, bias = params.actuator_gainprm, params.actuator_biasprm
    return replace(params, actuator_gainprm=0.0 * gain, actuator_biasprm=0.0 * bias)


def coast(engine, params, velocity: float) -> np.ndarray:
    """What a control period leaves of the ankle's velocity with the servos off."""
    params, state, ankle = aloft(engine, limp(params), velocity)
    return np.asarray(engine.step(params, state, engine.home(len(state.time))).qvel)[:, ankle]


def test_twice_the_damping_brakes_twice_as_fast(hop):
    params = drawn(hop, (None, 0), (we.randomise.ScaleDamping(fixed(2.0)), 0))
    params = replace(params, dof_frictionloss=jnp.zeros_like(params.dof_frictionloss))
    rate = -np.log(coast(hop, params, 3.0) / 3.0)
    assert rate[1] / rate[0] == pytest.approx(2.0, rel=0.05)


def test_dry_friction_takes_a_constant_torque(hop):
    params = drawn(hop, (None, 0), (we.randomise.ScaleFrictionLoss(fixed(3.0)), 0))
    params = replace(params, dof_damping=jnp.zeros_like(params.dof_damping))
    lost = 3.0 - coast(hop, params, 3.0)
    assert lost[1] / lost[0] == pytest.approx(3.0, rel=0.05)


def kicked(engine, params) -> np.ndarray:
    """The ankle's velocity one control period after its target jumped by 0.05 rad, aloft."""
    params, state, ankle = aloft(engine, params)
    target = engine.home(len(state.time)).at[:, engine.robot.joint_names.index("ankle_pitch")].add(0.05)
    params = replace(
        params, dof_frictionloss=jnp.zeros_like(params.dof_frictionloss), dof_damping=jnp.zeros_like(params.dof_damping)
    )
    return np.asarray(engine.step(params, state, target).qvel)[:, ankle]


def test_more_armature_is_slower_and_more_gain_is_faster(hop):
    """Against `mj_step`: the foot's inertia and the servo's damping join in."""
    params = drawn(
        hop, (None, 0), (we.randomise.ScaleArmature(fixed(2.0)), 0), (we.randomise.ScaleGains(fixed(0.5)), 0)
    )
    speed = kicked(hop, params)
    robot, mj = hop.robot, mujoco.MjModel.__copy__(hop.physics.model.mj)
    ankle = robot.joint_dof[robot.joint_names.index("ankle_pitch")]
    mj.opt.gravity[:], mj.dof_frictionloss[:], mj.dof_damping[:] = 0.0, 0.0, 0.0
    for i, (armature, gain) in enumerate(((1.0, 1.0), (2.0, 1.0), (1.0, 0.5))):
        own = mujoco.MjModel.__copy__(mj)
        own.dof_armature[:] *= armature
        own.actuator_gainprm[:] *= gain
        own.actuator_biasprm[:] *= gain
        data = mujoco.MjData(own)
        data.qpos[:] = np.asarray(robot.home_qpos)
        data.qpos[1] += 1.0
        data.ctrl[:] = np.asarray(robot.home_joints)
        data.ctrl[robot.joint_names.index("ankle_pitch")] += 0.05
        for _ in range(hop.physics.n_substeps):
            mujoco.mj_step(own, data)
        assert speed[i] == pytest.approx(data.qvel[ankle], rel=2e-3)
    assert speed[1] < 0.9 * speed[0]
    assert speed[2] < 0.9 * speed[0]


def test_a_weaker_servo_gives_less_torque(hop):
    params = drawn(hop, (None, 0), (we.randomise.ScaleStrength(fixed(0.5)), 0))
    params, state, _ = aloft(hop, params)
    far = hop.home(2).at[:, hop.robot.joint_names.index("hip_pitch")].add(0.6)
    force = np.abs(np.asarray(hop.step(params, state, far).actuator_force))[:, 0]
    np.testing.assert_allclose(force, [8.0, 4.0], rtol=1e-5)


def test_wider_bodies_turn_slower(hop):
    """The same swing of the ankle against a foot of ten times the moment of inertia."""
    params = drawn(hop, (None, 0), (we.randomise.ScaleInertia(fixed(10.0)), 0))
    speed = kicked(hop, params)
    assert speed[1] < 0.95 * speed[0]


# --- draws -----------------------------------------------------------------------------------------------------

RANDOMISERS = {
    "mass": (lambda r: we.randomise.ScaleMass(), "body_mass"),
    "inertia": (lambda r: we.randomise.ScaleInertia(), "body_inertia"),
    "centre": (lambda r: we.randomise.ShiftCentreOfMass(r), "body_ipos"),
    "payload": (lambda r: we.randomise.Payload(r), "body_mass"),
    "gains": (lambda r: we.randomise.ScaleGains(), "actuator_gainprm"),
    "strength": (lambda r: we.randomise.ScaleStrength(), "actuator_forcerange"),
    "armature": (lambda r: we.randomise.ScaleArmature(), "dof_armature"),
    "damping": (lambda r: we.randomise.ScaleDamping(), "dof_damping"),
    "frictionloss": (lambda r: we.randomise.ScaleFrictionLoss(), "dof_frictionloss"),
    "friction": (lambda r: we.randomise.ScaleFriction(), "geom_friction"),
    "tilt": (lambda r: we.randomise.TiltGravity(), "gravity"),
}


@pytest.mark.parametrize("name", RANDOMISERS)
def test_envs_of_one_batch_differ_and_other_fields_pass_through(native_hopper, name):
    make, field = RANDOMISERS[name]
    randomiser, nominal = make(native_hopper.robot), native_hopper.physics.params()
    batch = jax.vmap(randomiser, in_axes=(0, None))(jax.random.split(jax.random.key(0), 64), nominal)
    values = np.asarray(getattr(batch, field)).reshape(64, -1)
    assert len(np.unique(values, axis=0)) == 64
    nothing = np.asarray(getattr(nominal, field)).ravel()
    assert np.abs(values.mean(axis=0) - nothing).max() <= np.abs(values - nothing).max()
    touched = {"mass": {"body_inertia"}, "payload": {"body_inertia", "body_ipos"}, "gains": {"actuator_biasprm"}}
    for other in dataclasses.fields(nominal):
        if other.name != field and other.name not in touched.get(name, set()):
            same = np.broadcast_to(np.asarray(getattr(nominal, other.name)), getattr(batch, other.name).shape)
            np.testing.assert_array_equal(getattr(batch, other.name), same)


def test_a_body_that_is_not_there_is_named(hopper):
    with pytest.raises(we.WildRobotError, match="no body 'trso'") as caught:
        we.randomise.Payload(hopper, body="trso")
    assert "did you mean 'torso'" in caught.value.hint
