"""BraxEnv under each of Brax's wrappers: one tree for ever, nothing leaks, nothing repeats."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from brax.envs.wrappers import training
from helpers import shifted
from jaxtyping import TypeCheckError
from small import small_env

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.adapters import BraxEnv
from wildrobot_eqx.physics import MjxPhysics
from wildrobot_eqx.randomise import ScaleMass

N = 3


def _keys(n=N, seed=0):
    return jax.random.split(jax.random.PRNGKey(shifted(seed)), n)


def _randomised(sys, rng):
    """A `randomization_fn`: friction of its own for each key of `rng`."""
    axes = eqx.tree_at(lambda p: p.geom_friction, jax.tree.map(lambda _: None, sys), 0, is_leaf=lambda x: x is None)
    friction = jax.vmap(lambda k: sys.geom_friction * jax.random.uniform(k, minval=0.1, maxval=2.0))(rng)
    return eqx.tree_at(lambda p: p.geom_friction, sys, friction), axes


WRAPPERS = {
    "alone": lambda env: env,
    "vmap": training.VmapWrapper,
    "vmap of a given size": lambda env: training.VmapWrapper(env, N),
    "episode": lambda env: training.EpisodeWrapper(env, 20, 1),
    "episode, repeat 2": lambda env: training.EpisodeWrapper(env, 20, 2),
    "auto reset": training.AutoResetWrapper,
    "auto reset of vmap": lambda env: training.AutoResetWrapper(training.VmapWrapper(env)),
    "evaluation": lambda env: training.EvalWrapper(training.EpisodeWrapper(training.VmapWrapper(env), 20, 1)),
    "randomised": lambda env: training.DomainRandomizationVmapWrapper(env, lambda sys: _randomised(sys, _keys())),
    "wrap": lambda env: training.wrap(env, 20),
    "wrap, repeat 2": lambda env: training.wrap(env, 20, 2),
    "wrap, randomised": lambda env: training.wrap(env, 20, 1, lambda sys: _randomised(sys, _keys())),
    "evaluation of wrap": lambda env: training.EvalWrapper(training.wrap(env, 20)),
    "evaluation of wrap, repeat 2, randomised": lambda env: training.EvalWrapper(
        training.wrap(env, 20, 2, lambda sys: _randomised(sys, _keys()))
    ),
}
SINGLE = {"alone", "episode", "episode, repeat 2", "auto reset"}


def _kinds(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.weak_type), tree)


@pytest.fixture(scope="module")
def bare_hopper(hopper):
    """Nothing is randomised by the env itself."""
    return BraxEnv(small_env(hopper))


WHOLE = "evaluation of wrap, repeat 2, randomised"
CASES = [("random", name) for name in WRAPPERS]
CASES += [
    ("bare", WHOLE),
    ("privileged", WHOLE),
    ("privileged", "wrap"),
    ("typed", "alone"),
    ("typed", "auto reset of vmap"),
]


NEWEST = {("random", WHOLE), ("privileged", "wrap"), ("typed", "alone")}


@pytest.mark.parametrize(
    ("kind", "name"), [pytest.param(*case, marks=pytest.mark.newest) if case in NEWEST else case for case in CASES]
)
def test_reset_and_step_agree_under_every_wrapper(kind, name, brax_hopper, bare_hopper, hopper):
    """By abstract evaluation of a scan, as trainers run it. (Brax's EpisodeWrapper takes no batch of typed keys.)"""
    env = bare_hopper if kind == "bare" else BraxEnv(brax_hopper.env, privileged=kind == "privileged")
    wrapped = WRAPPERS[name](env)
    assert (wrapped.action_size, wrapped.observation_size) == (env.action_size, env.observation_size)
    make = jax.random.key if kind == "typed" else jax.random.PRNGKey
    shape = () if name in SINGLE else (N,)
    keys = jax.eval_shape(lambda: make(0) if shape == () or "given" in name else jax.random.split(make(0), N))
    action = jax.ShapeDtypeStruct((*shape, hopper.nu), jnp.float32)
    first = jax.eval_shape(wrapped.reset, keys)
    second = jax.eval_shape(wrapped.step, first, action)
    assert _kinds(first) == _kinds(second)
    scanned, rewards = jax.eval_shape(
        lambda s, a: jax.lax.scan(lambda c, _: (wrapped.step(c, a), c.reward), s, None, 3), first, action
    )
    assert _kinds(scanned) == _kinds(first)
    assert rewards.shape == (3, *shape)
    assert all((leaf.shape, leaf.dtype) == (shape, jnp.float32) for leaf in (first.reward, first.done))
    assert all((leaf.shape, leaf.dtype) == (shape, jnp.float32) for leaf in first.metrics.values())
    assert all(not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in jax.tree.leaves(first))
    obs = first.obs if kind == "privileged" else {"state": first.obs}
    sizes = env.observation_size if kind == "privileged" else {"state": (env.observation_size,)}
    assert {part: leaf.shape for part, leaf in obs.items()} == {part: (*shape, *size) for part, size in sizes.items()}
    assert {leaf.dtype for leaf in obs.values()} == {jnp.dtype(jnp.float32)}


def test_what_brax_reads(brax_hopper, hopper):
    policy, critic = (brax_hopper.env.observations[role].size for role in ("policy", "critic"))
    assert (brax_hopper.observation_size, brax_hopper.action_size) == (policy, hopper.nu)
    assert (brax_hopper.backend, brax_hopper.dt) == ("native", hopper.control_dt)
    assert brax_hopper.unwrapped is brax_hopper
    assert BraxEnv(brax_hopper.env, privileged=True).observation_size == {
        "state": (policy,),
        "privileged_state": (critic,),
    }


def _play(env, keys, steps, seed=0, scale=0.5):
    """A jitted scan of random actions: the first state, every later one by time, and the actions."""
    rows = jax.eval_shape(env.reset, keys).reward.shape
    actions = scale * jax.random.normal(jax.random.key(shifted(seed)), (steps, *rows, env.action_size))

    @jax.jit
    def run(keys, actions):
        first = env.reset(keys)
        return first, jax.lax.scan(lambda state, action: (env.step(state, action),) * 2, first, actions)[1]

    return *jax.device_get(run(keys, actions)), actions


@pytest.fixture(scope="module")
def wrapped_play(brax_hopper):
    """52 episodes and more of 3 robots, of at most 6 steps each, through the whole stack."""
    return _play(training.wrap(brax_hopper, episode_length=6), _keys(), 330)


def _first_steps(states):
    """Which steps are the first of an episode."""
    return states.pipeline_state.steps == 1


def test_fifty_episodes_are_fifty_draws(wrapped_play):
    """The trap: Brax restores the first state for ever. Pose, velocity, command and parameters are new all the same."""
    _, states, _ = wrapped_play
    first = states.info["episode"][0]
    assert (first == 1).all()
    assert (states.info["episode"][-1] > 50).all()
    for robot in range(N):
        begins = [int(np.argmax(states.info["episode"][:, robot] == episode)) for episode in range(1, 51)]
        pipeline, info = states.pipeline_state, states.info
        ends = np.array(begins[1:]) - 1
        assert states.done[ends, robot].all()
        draws = {
            "key": info["rng"][begins, robot],
            "qpos": pipeline.physics.qpos[begins, robot],
            "qvel": pipeline.physics.qvel[begins, robot],
            "mass": pipeline.disturbances.params.body_mass[begins, robot],
            "friction": pipeline.disturbances.params.geom_friction[begins, robot],
        }
        # the state after a first step that ended its episode is the restored one
        kept = ~states.done[begins, robot].astype(bool)
        for name, rows in draws.items():
            assert len(np.unique(rows[kept], axis=0)) == kept.sum(), name
        assert kept.sum() > 45
        moving = pipeline.commands["velocity"].lin_vel_x[begins, robot][kept]
        assert len(np.unique(moving[moving > 0.0])) == (moving > 0.0).sum() > 20


def test_draws_last_for_their_episode(wrapped_play):
    _, states, _ = wrapped_play
    within = states.pipeline_state.steps[1:] > 1
    for leaf in (states.pipeline_state.disturbances.params.body_mass, states.info["rng"]):
        same = (leaf[1:] == leaf[:-1]).all(axis=-1)
        assert same[within].all()


def test_nothing_leaks_from_one_episode_into_the_next(wrapped_play):
    """Every episode begins with what a reset gives: time, clock, action and controller at their start."""
    first, states, _ = wrapped_play
    restored = states.pipeline_state
    over = states.done.astype(bool)
    assert over.sum() > 100
    for leaf in (restored.commands["gait"].phase, restored.action, restored.steps):
        assert (leaf[over] == 0).all()
    begins = _first_steps(states)
    np.testing.assert_allclose(restored.physics.time[begins], 0.02, rtol=1e-5)
    wanted = np.broadcast_to(first.obs, states.obs.shape)[over]
    np.testing.assert_array_equal(states.obs[over], wanted)


@pytest.fixture(scope="module")
def own_step(brax_hopper):
    """Our env's own step of many robots, jitted."""
    return eqx.filter_jit(lambda env, state, action: jax.vmap(env.step)(state, action))


def _assert_same_step(got, wanted, timestep, tolerance):
    """Brax's state after a step against our own; engines may start from another guess."""
    own = got.pipeline_state
    for one, two in (
        (own.physics.qpos, wanted.physics.qpos),
        (own.physics.qvel, wanted.physics.qvel),
        (own.disturbances.params.body_mass, wanted.disturbances.params.body_mass),
        (own.commands["velocity"].lin_vel_x, wanted.commands["velocity"].lin_vel_x),
        (own.commands["velocity"].origin, wanted.commands["velocity"].origin),
        (own.commands["gait"].phase, wanted.commands["gait"].phase),
        (got.obs, timestep.obs["policy"]),
        (got.reward, timestep.reward),
    ):
        np.testing.assert_allclose(one, two, atol=tolerance)
    np.testing.assert_array_equal(own.key, jax.random.key_data(wanted.key))


def test_an_episode_that_brax_restored_is_one_of_our_own(wrapped_play, brax_hopper, own_step):
    """A later episode's first step is `Env.reset` with the drawn key, then `Env.step`: heading origin and all."""
    _, states, actions = wrapped_play
    begins = _first_steps(states) & (states.info["episode"] > 1)
    time = next(t for t in range(1, len(begins)) if begins[t].all())
    last, got = (jax.tree.map(lambda leaf: leaf[t], states) for t in (time - 1, time))  # noqa: B023

    @eqx.filter_jit
    def own_reset(env, rng):
        return jax.vmap(lambda words: env.reset(jax.random.split(jax.random.wrap_key_data(words))[1])[0])(rng)

    begun = own_reset(brax_hopper.env, jnp.asarray(last.info["rng"]))
    _assert_same_step(got, *own_step(brax_hopper.env, begun, actions[time]), tolerance=2e-3)


def test_the_first_episode_is_the_one_that_reset_showed(wrapped_play, brax_hopper, own_step):
    """Without a restored state nothing is redrawn: an evaluation sees true observations from the start."""
    first, states, actions = wrapped_play
    begun = jax.tree.map(jnp.asarray, first.pipeline_state)
    begun = eqx.tree_at(lambda s: s.key, begun, jax.random.wrap_key_data(begun.key))
    got = jax.tree.map(lambda leaf: leaf[0], states)
    _assert_same_step(got, *own_step(brax_hopper.env, begun, actions[0]), tolerance=1e-4)


def test_keys_of_every_kind_begin_the_same_episode(brax_hopper):
    draws = jax.jit(lambda key: (lambda s: (s.info["rng"], s.pipeline_state.physics.qpos))(brax_hopper.reset(key)))
    legacy, typed = draws(jax.random.PRNGKey(3)), draws(jax.random.key(3))
    assert eqx.tree_equal(legacy, typed)
    assert _kinds(jax.eval_shape(draws, jax.random.key(3, impl="rbg"))) == _kinds(typed)


def test_a_batch_of_keys_or_actions_is_named(brax_hopper):
    with pytest.raises(TypeCheckError, match="'rng'"):
        jax.eval_shape(brax_hopper.reset, _keys())
    state = jax.eval_shape(brax_hopper.reset, jax.random.PRNGKey(0))
    with pytest.raises(TypeCheckError, match="'action'"):
        jax.eval_shape(brax_hopper.step, state, jnp.zeros((N, brax_hopper.action_size)))


def test_keys_of_others_are_carried_through(brax_hopper):
    state = jax.eval_shape(brax_hopper.reset, jax.random.PRNGKey(0))
    guest = jax.ShapeDtypeStruct((2, 2), jnp.int8)
    state.info["theirs"], state.metrics["theirs"] = {"deep": guest}, guest
    after = jax.eval_shape(brax_hopper.step, state, jnp.zeros((brax_hopper.action_size,)))
    assert _kinds(after) == _kinds(state)


@pytest.fixture(scope="module")
def long_play(hopper):
    """600 steps of one robot, without a wrapper, under random actions of a given size; the env's own limit is 5."""
    env = BraxEnv(small_env(hopper, episode_length=0.1))

    @jax.jit
    def run(scale):
        actions = scale * jax.random.normal(jax.random.key(0), (600, env.action_size))
        first = env.reset(jax.random.PRNGKey(1))
        return jax.lax.scan(lambda state, action: (env.step(state, action),) * 2, first, actions)[1]

    return lambda scale: jax.device_get(run(scale))


def test_done_is_a_fall_and_never_the_time_limit(long_play):
    states = long_play(0.0)
    assert not states.done[:50].any()
    assert states.pipeline_state.steps[-1] == 600


@pytest.mark.parametrize("scale", [0.5, 100.0])
def test_a_fallen_robot_steps_on_finitely(long_play, scale):
    states = long_play(scale)
    assert states.done[200:].mean() > 0.9
    assert states.done.dtype == np.float32
    assert set(np.unique(states.done)) <= {0.0, 1.0}
    np.testing.assert_array_equal(states.done, states.metrics["terminated"])
    for leaf in jax.tree.leaves(states):
        assert np.isfinite(leaf).all()


def test_randomised_systems_reach_the_physics(bare_hopper):
    """The wrapper assigns `sys`: heavier robots press harder, and the env is itself again afterwards."""

    def heavier(sys):
        axes = eqx.tree_at(lambda p: p.body_mass, jax.tree.map(lambda _: None, sys), 0, is_leaf=lambda x: x is None)
        return eqx.tree_at(lambda p: p.body_mass, sys, jnp.stack([sys.body_mass, 2.0 * sys.body_mass])), axes

    nominal = bare_hopper.sys
    wrapped = training.wrap(bare_hopper, 50, 1, heavier)
    state = jax.jit(wrapped.reset)(jnp.stack([jax.random.PRNGKey(0)] * 2))
    first = state.pipeline_state.physics
    np.testing.assert_array_equal(first.qpos[0], first.qpos[1])
    step = jax.jit(wrapped.step)
    for _ in range(10):
        state = step(state, jnp.zeros((2, bare_hopper.action_size)))
    light, heavy = state.pipeline_state.physics.actuator_force
    assert np.abs(heavy).sum() > 1.3 * np.abs(light).sum()
    assert bare_hopper.sys is nominal


def test_randomisers_start_from_the_assigned_system(hopper):
    env = BraxEnv(small_env(hopper, randomisers=(ScaleMass(),)))
    env.sys = eqx.tree_at(lambda p: p.body_mass, env.sys, 3.0 * env.sys.body_mass)

    @jax.jit
    def two_draws(key):
        first = env.reset(key)
        again = first.replace(info={**first.info, "episode": jnp.ones((), jnp.int32)})
        second = env.step(again, jnp.zeros((env.action_size,)))
        return [state.pipeline_state.disturbances.params.body_mass for state in (first, second)]

    masses = np.stack(two_draws(jax.random.PRNGKey(0)))[:, 1:]
    assert (masses[0] != masses[1]).all()
    ratio = masses / np.asarray(env.sys.body_mass)[1:]
    assert ((ratio > 0.89) & (ratio < 1.11)).all()


def test_a_missing_observation_is_named(hopper):
    plain = small_env(hopper)
    env = eqx.tree_at(lambda e: e.observations, plain, {"policy": plain.observations["policy"]})
    assert BraxEnv(env).observation_size == env.observations["policy"].size
    with pytest.raises(WildRobotError, match="no observation 'critic'"):
        BraxEnv(env, privileged=True)


@pytest.mark.slow
def test_it_steps_on_mjx(hopper):
    env = BraxEnv(small_env(hopper, physics=MjxPhysics(hopper), randomisers=(ScaleMass(),)))
    assert env.backend == "mjx"
    _, states, _ = _play(training.EvalWrapper(training.wrap(env, episode_length=6, action_repeat=2)), _keys(), 40)
    assert (states.info["episode"][-1] > 10).all()
    assert np.isfinite(np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(states)])).all()
    masses = states.pipeline_state.disturbances.params.body_mass[:, 0]
    assert len(np.unique(masses, axis=0)) > 10
