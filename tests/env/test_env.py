"""The env: its contract, its episodes, and that everything that changes is in its state."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import Batched, all_rewards, make_env, replace, shifted, still_env
from jaxtyping import TypeCheckError

from wildrobot_eqx import load_robot, task
from wildrobot_eqx.controllers import Delay, JointPosition
from wildrobot_eqx.observe import LastAction, Signals
from wildrobot_eqx.randomise import ScaleFriction, ScaleMass


def _actions(env, n, steps, seed=0):
    return np.random.default_rng(shifted(seed)).normal(size=(steps, n, env.action_size), scale=0.5).astype(np.float32)


def _play(batched, state, actions, env=None):
    timesteps = []
    for action in actions:
        state, timestep = batched.step(state, action, env)
        timesteps.append(timestep)
    return state, jax.tree.map(lambda *leaves: np.stack(leaves), *map(_arrays, timesteps))


def _arrays(tree):
    """Typed keys as their bits, so that leaves compare as NumPy arrays."""

    def plain(leaf):
        return np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)

    return jax.tree.map(plain, tree)


def _assert_same(one, two):
    one, two = _arrays(one), _arrays(two)
    assert jax.tree.structure(one) == jax.tree.structure(two)
    for (path, a), b in zip(jax.tree.leaves_with_path(one), jax.tree.leaves(two)):
        np.testing.assert_array_equal(a, b, err_msg=jax.tree_util.keystr(path))


@pytest.mark.parametrize("name", ["robot", "hopper"])
@pytest.mark.parametrize("variant", ["plain", "randomised", "delayed"])
def test_reset_and_step_yield_the_same_tree(request, name, variant):
    """Structure, shapes, dtypes and weak types, without a compile."""
    robot = request.getfixturevalue(name)
    changes = {
        "plain": {},
        "randomised": {"randomisers": (ScaleMass(), ScaleFriction())},
        "delayed": {"controller": Delay(JointPosition(robot), robot.home_joints, 2)},
    }[variant]
    env = make_env(robot, **changes)
    reset = eqx.filter_eval_shape(env.reset, jax.random.key(0))
    action = jax.ShapeDtypeStruct((env.action_size,), jnp.float32)
    step = eqx.filter_eval_shape(env.step, reset[0], action)
    assert jax.tree.structure(reset) == jax.tree.structure(step)
    for (path, a), b in zip(jax.tree.leaves_with_path(reset), jax.tree.leaves(step)):
        where = jax.tree_util.keystr(path)
        assert (a.shape, a.dtype, a.weak_type) == (b.shape, b.dtype, b.weak_type), where
        assert not a.weak_type, where


def test_a_batch_steps_inside_scan(batched_hopper):
    """`scan` demands what the contract promises."""
    state, _ = batched_hopper.reset()
    actions = jnp.zeros((3, batched_hopper.n, batched_hopper.env.action_size), jnp.float32)
    step = jax.vmap(batched_hopper.env.step)
    final, timesteps = jax.jit(lambda state: jax.lax.scan(step, state, actions))(state)
    np.testing.assert_array_equal(final.steps, 3)
    assert timesteps.reward.shape == (3, batched_hopper.n)


def test_truncation_comes_after_exactly_the_episodes_length(hopper):
    """Five control steps of 20 ms, nobody falling: out of time, which is no failure."""
    batched = Batched(still_env(hopper, {"last_action": LastAction(JointPosition(hopper))}, episode_length=0.1), 3)
    assert int(batched.env.episode_steps) == 5
    state, first = batched.reset()
    assert not first.truncated.any()
    _, timesteps = _play(batched, state, np.zeros((6, 3, hopper.nu), np.float32))
    np.testing.assert_array_equal(timesteps.truncated.T, [[False] * 4 + [True] * 2] * 3)
    assert not timesteps.terminated.any()


def test_a_robot_that_lies_has_terminated(batched, robot):
    """On its back, put there by physics; a termination on the last step of an episode is no truncation."""
    env = batched.env
    state, _ = batched.reset()
    lying = robot.home_qpos.at[2].set(0.15).at[3:7].set(jnp.asarray([np.sqrt(0.5), 0, np.sqrt(0.5), 0], jnp.float32))
    init = jax.jit(jax.vmap(lambda qpos: env.physics.init(env.physics.params(), qpos, jnp.zeros(robot.nv))))
    rows = jnp.stack([lying, robot.home_qpos] * (batched.n // 2))
    last = jnp.full((batched.n,), env.episode_steps - 1, jnp.int32)
    state = replace(state, physics=init(rows), steps=last)
    _, timestep = batched.step(state, np.zeros((batched.n, robot.nu)))
    np.testing.assert_array_equal(timestep.terminated, [True, False] * (batched.n // 2))
    np.testing.assert_array_equal(timestep.truncated, [False, True] * (batched.n // 2))
    np.testing.assert_array_equal(timestep.done, True)


def test_the_home_pose_stands(batched):
    state, timestep = batched.hold(batched.reset(2)[0], 100)
    assert not timestep.terminated.any()
    np.testing.assert_allclose(state.physics.time, 2.0, rtol=1e-5)


def test_stepping_one_state_twice_gives_the_same_bits(batched):
    """Nothing hides in the engine: other states stepped in between leave no trace."""
    actions = _actions(batched.env, batched.n, 4)
    state, _ = _play(batched, batched.reset(1)[0], actions)
    first = batched.step(state, actions[0])
    _play(batched, batched.reset(9)[0], actions)
    _assert_same(first, batched.step(state, actions[0]))


def test_a_reset_is_its_key(batched):
    _assert_same(batched.reset(4), batched.reset(4))
    one, other = batched.reset(4)[0], batched.reset(5)[0]
    assert (np.asarray(one.physics.qpos) != np.asarray(other.physics.qpos)).any(axis=1).all()


def test_two_envs_share_nothing(batched_hopper):
    """Two envs stepped in turns end where each ends alone."""
    calm = batched_hopper.env
    heavy = eqx.tree_at(lambda e: (e.rewards["alive"].weight, e.controller.scale), calm, (jnp.float32(7), jnp.ones(3)))
    actions = _actions(calm, batched_hopper.n, 5)
    alone = [_play(batched_hopper, batched_hopper.reset(1, env)[0], actions, env) for env in (calm, heavy)]
    states = [batched_hopper.reset(1, env)[0] for env in (calm, heavy)]
    for action in actions:
        states = [batched_hopper.step(s, action, env)[0] for s, env in zip(states, (calm, heavy))]
    for state, (expected, _) in zip(states, alone):
        _assert_same(state, expected)
    assert (np.asarray(states[0].physics.qpos) != np.asarray(states[1].physics.qpos)).any()


@pytest.fixture(scope="module")
def played(batched):
    """A state, the step from it, and the Signals that the step's terms must have seen."""
    actions = _actions(batched.env, batched.n, 8, seed=3)
    before, _ = _play(batched, batched.reset(6)[0], actions[:-1])
    after, timestep = batched.step(before, actions[-1])
    target = jnp.clip(
        batched.env.controller.home + batched.env.controller.scale * actions[-1],
        *batched.env.controller.range.T,
    )
    signals = Signals(
        physics=jax.tree.map(lambda leaf: leaf[0], after.physics),
        action=after.action[0],
        previous_action=before.action[0],
        ctrl=target[0],
        commands=(states := jax.tree.map(lambda leaf: leaf[0], after.commands)),
        observed={name: command.observe(states[name]) for name, command in batched.env.commands.items()},
    )
    return timestep, signals, actions[-2:, 0]


def test_the_reward_is_a_rate_times_the_control_period(batched, played):
    """reward = dt * sum(weight * raw), each term logged by name, weighted and raw."""
    timestep, signals, _ = played
    total = 0.0
    for name, term in batched.env.rewards.items():
        raw, weight = float(term(signals)), float(term.weight)
        np.testing.assert_allclose(timestep.metrics[f"raw/{name}"][0], raw, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(timestep.metrics[f"reward/{name}"][0], weight * raw, rtol=1e-4, atol=1e-5)
        total += weight * raw
    np.testing.assert_allclose(timestep.reward[0], 0.02 * total, rtol=1e-4, atol=1e-6)


def test_metrics_hold_every_term(batched):
    _, timestep = batched.reset()
    expected = {f"{kind}/{name}" for name in batched.env.rewards for kind in ("raw", "reward")}
    lifted = {"feet_to_lift", "feet_lifted"}
    assert set(timestep.metrics) == expected | lifted | {"lin_vel_x", "commanded_lin_vel_x", "diverged"}


def test_observations_are_those_of_the_new_state(batched, played):
    timestep, signals, actions = played
    for role, stack in batched.env.observations.items():
        np.testing.assert_allclose(timestep.obs[role][0], stack(signals), atol=1e-5)
    part = next(s for s in batched.env.observations["policy"].layout if s.name == "last_action")
    np.testing.assert_array_equal(timestep.obs["policy"][0, part.start : part.stop], actions[-1])
    np.testing.assert_array_equal(signals.previous_action, actions[-2])


def test_domain_parameters_are_drawn_anew_for_each_env_and_episode(hopper):
    env = make_env(hopper, randomisers=(ScaleMass(range=(0.5, 1.5)),))
    reset = jax.jit(jax.vmap(env.reset))
    masses = [
        np.asarray(reset(jax.random.split(jax.random.key(s), 3))[0].disturbances.params.body_mass[:, 1:])
        for s in (0, 1)
    ]
    ratio = np.stack(masses) / hopper.model.mj.body_mass[1:]
    assert len(np.unique(ratio.round(6))) == ratio.size
    assert 0.5 <= ratio.min() < 0.9 < 1.1 < ratio.max() <= 1.5


def test_an_env_without_terminations_never_fails(hopper):
    batched = Batched(still_env(hopper, {"last_action": LastAction(JointPosition(hopper))}), 2)
    _, timestep = batched.hold(batched.reset()[0], 1)
    np.testing.assert_array_equal(timestep.terminated, False)


@pytest.mark.parametrize("bad", ["longer", "batched", "integer"])
def test_a_wrong_action_is_named(hopper_env, bad):
    n = hopper_env.action_size
    action = {"longer": jnp.zeros(n + 1), "batched": jnp.zeros((2, n)), "integer": jnp.zeros(n, jnp.int32)}[bad]
    state = eqx.filter_eval_shape(hopper_env.reset, jax.random.key(0))[0]
    with pytest.raises(TypeCheckError, match="action"):
        eqx.filter_eval_shape(hopper_env.step, state, action)


@pytest.fixture(scope="module")
def counted(hopper):
    """A jitted step, and the list that each trace of it appends to."""
    traces = []

    def step(env, state, action):
        traces.append(1)
        return env.step(state, action)

    env = make_env(hopper)
    state, _ = eqx.filter_jit(env.reset)(jax.random.key(0))
    jitted = eqx.filter_jit(step)
    action = jnp.zeros((hopper.nu,), jnp.float32)
    jitted(env, state, action)
    assert len(traces) == 1
    return lambda changed: (jitted(changed, state, action)[1], len(traces))


class TestNothingRecompiles:
    """Weights, ranges and gains are leaves; a robot loaded again is the same robot."""

    @pytest.mark.parametrize(
        ("where", "value"),
        [
            (lambda e: e.rewards["alive"].weight, 9.0),
            (lambda e: e.rewards["track_lin_vel"].width, 0.9),
            (lambda e: e.rewards["foot_height"].height, 0.2),
            (lambda e: e.commands["velocity"].lin_vel_x, (0.7, 0.8)),
            (lambda e: e.commands["velocity"].heading.gain, 3.0),
            (lambda e: e.controller.scale, (0.1, 0.2, 0.3)),
            (lambda e: e.commands["gait"].period, 0.5),
            (lambda e: e.reset_state.joint_noise, 0.0),
            (lambda e: e.endings["fallen"].max_tilt, 0.1),
            (lambda e: e.episode_length, 3.0),
        ],
    )
    def test_a_new_number(self, counted, hopper, where, value):
        env = make_env(hopper)
        old = where(env)
        assert counted(eqx.tree_at(where, env, jnp.asarray(value, old.dtype)))[1] == 1

    def test_a_new_weight_through_the_constructor(self, counted, hopper):
        rewards = {**all_rewards(hopper), "alive": task.Alive(weight=100.0)}
        timestep, traces = counted(make_env(hopper, rewards=rewards))
        assert traces == 1
        assert timestep.reward > 0.02 * 90

    def test_a_robot_loaded_again(self, counted):
        assert counted(make_env(load_robot("hopper")))[1] == 1

    def test_another_structure_does(self, hopper):
        """The counter counts: dropping a term is another computation."""
        traces = []
        env = make_env(hopper)
        fewer = make_env(hopper, rewards={"alive": task.Alive()})
        count = eqx.filter_jit(lambda e: (traces.append(1), e.episode_steps)[1])
        for e in (env, env, fewer):
            count(e)
        assert len(traces) == 2


def test_the_layout_holds_what_the_robot_computes_with(env):
    """Read from the modules themselves: another gain in the hold is another gain in the layout."""
    parts = {part.name: dict(part.constants) for part in env.layout("policy")}
    [command] = [c for c in parts.values() if "heading gain" in c]
    assert command["heading gain"] == pytest.approx(float(env.commands["velocity"].heading.gain))
    assert command["yaw rate limit"] == pytest.approx(float(env.commands["velocity"].heading.limit))
    [clock] = [c for c in parts.values() if "period" in c]
    assert clock["period"] == pytest.approx(float(env.commands["gait"].period))
    [home] = [c for c in parts.values() if "home left_knee_pitch" in c]
    assert home["home left_knee_pitch"] == pytest.approx(0.7)
    stiffer = eqx.tree_at(lambda e: e.commands["velocity"].heading.gain, env, jnp.float32(9.0))
    assert ("heading gain", 9.0) in [c for part in stiffer.layout("policy") for c in part.constants]


def test_a_redraw_is_the_reset_but_for_what_the_engine_derives(robot):
    """Draws, IMU and what follows: the same episode, to the tolerance of the solver's warm start."""
    env = make_env(robot, randomisers=(ScaleMass(),))
    reset, redraw, step = (eqx.filter_jit(function) for function in (env.reset, env.redraw, env.step))
    other, _ = step(reset(jax.random.key(1))[0], jnp.ones((robot.nu,), jnp.float32))
    wanted, _ = reset(jax.random.key(2))
    given = redraw(other, jax.random.key(2))
    address = env.commands["velocity"].quat.address
    imu = (wanted.physics.sensordata[address : address + 4], given.physics.sensordata[address : address + 4])
    np.testing.assert_allclose(*imu, atol=1e-6)
    np.testing.assert_allclose(given.commands["velocity"].origin, wanted.commands["velocity"].origin, atol=1e-6)
    assert abs(float(wanted.commands["velocity"].origin - other.commands["velocity"].origin)) > 0.1

    def derived(state):
        names = ("xpos", "xquat", "site_xpos", "sensordata", "foot_force", "actuator_force", "carry")
        return [*(getattr(state.physics, name) for name in names), state.commands["velocity"].origin]

    assert eqx.tree_equal(eqx.tree_at(derived, given, derived(wanted)), wanted)
    zero = jnp.zeros((robot.nu,), jnp.float32)
    for one, two in zip(jax.tree.leaves(step(given, zero)[1]), jax.tree.leaves(step(wanted, zero)[1]), strict=True):
        np.testing.assert_allclose(one, two, atol=2e-3)


def test_a_reset_starts_from_the_parameters_it_is_given(hopper):
    plain, key = make_env(hopper), jax.random.key(0)
    heavy = plain.physics.params()
    heavy = eqx.tree_at(lambda p: p.body_mass, heavy, 2.0 * heavy.body_mass)
    first_params = eqx.filter_jit(lambda env, nominal: env.reset(key, nominal)[0].disturbances.params)
    assert first_params(plain, None) is None
    assert eqx.tree_equal(first_params(plain, heavy), heavy)
    drawn = first_params(make_env(hopper, randomisers=(ScaleMass(),)), heavy).body_mass
    ratio = np.asarray(drawn[1:] / heavy.body_mass[1:])
    assert ((ratio >= 0.9) & (ratio <= 1.1)).all()
