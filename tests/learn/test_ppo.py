"""PPO against tasks whose answers are known."""

import dataclasses
import threading

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import DivergingPhysics, Elapsed, make_env, shifted, still_env

from wildrobot_eqx import PPO, Mirror, WildRobotError, locomotion, task
from wildrobot_eqx.learn import ppo
from wildrobot_eqx.learn.gae import gae
from wildrobot_eqx.learn.mesh import DEFAULT_DEVICE
from wildrobot_eqx.observe import CommandTerm, JointVelocities, ObservationStack, ProjectedGravity

# Named in full, so that tuning a default changes no test.
BASE = PPO(
    num_envs=64,
    unroll_length=16,
    num_epochs=4,
    num_minibatches=4,
    learning_rate=3e-3,
    decay_steps=None,
    desired_kl=0.01,
    max_learning_rate=3e-3,
    discount=0.97,
    gae_lambda=0.95,
    clip=0.2,
    entropy_cost=0.0,
    value_cost=0.5,
    max_grad_norm=1.0,
    init_std=0.6,
    hidden=(32, 32),
    reset_pool=64,
)
_COLLECT, _UPDATE = eqx.filter_jit(ppo.collect), eqx.filter_jit(ppo.update)


def _collect(env, config, state, *seen):
    key_pool, key_steps = jax.random.split(state.key)
    return _COLLECT(env, config, state, ppo.make_pool(env, config, key_pool), key_steps, *seen)


def _updated(config, state, rollout, *reward_model):
    return _UPDATE(config, state, rollout, jax.random.key(1), *reward_model)


def _bits(tree):
    def plain(leaf):
        return np.asarray(jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)

    return [
        (jax.tree_util.keystr(path), plain(leaf))
        for path, leaf in jax.tree.leaves_with_path(eqx.filter(tree, eqx.is_array))
    ]


def _differences(one, two):
    pairs = zip(_bits(one), _bits(two), strict=True)
    return [name for (name, a), (_, b) in pairs if a.tobytes() != b.tobytes()]


def _train(env, config, iterations, seed=0):
    return _go_on(env, config, ppo.init(env, config, jax.random.key(shifted(seed))), iterations)


def _go_on(env, config, state, iterations):
    """The state after `iterations`, and each iteration's figures as floats."""
    rows = list(ppo.train(env, config, state, iterations))
    return rows[-1][0], [{name: float(value) for name, value in row.items()} for _, row in rows]


class TestKnownOptimum:
    """Reward -|action - qvel / 2|^2 on an engine where qvel never changes: the policy must become qvel / 2."""

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", [0, 1])
    def test_the_policy_reaches_it(self, hopper, seed):
        env = still_env(hopper, {"joint_velocities": JointVelocities(hopper)}, episode_length=0.16)
        state, figures = _train(env, BASE, 60, seed)
        goals = jnp.asarray(np.random.default_rng(0).uniform(-0.9, 0.9, (200, hopper.nu)), jnp.float32)
        action = state.agent.policy(goals, ())[0].mean
        error = np.sqrt(np.mean((np.asarray(action) - 0.5 * np.asarray(goals)) ** 2))
        untrained = np.sqrt(np.mean((0.5 * np.asarray(goals)) ** 2))
        assert error < 0.15 * untrained, (error, untrained)
        assert figures[-1]["std"] < 0.5 * BASE.init_std
        assert figures[-1]["reward_per_step"] > 0.2 * figures[0]["reward_per_step"]  # both negative


@pytest.fixture(scope="module")
def clocked(hopper):
    """One rollout of episodes of 5 steps that observe nothing but the time since their start."""
    env = still_env(hopper, {"elapsed": Elapsed()}, episode_length=0.1)
    config = dataclasses.replace(BASE, num_envs=8, unroll_length=12, num_epochs=1, num_minibatches=2, hidden=(16,))
    state = ppo.init(env, config, jax.random.key(shifted(0)))
    state, rollout, figures = _collect(env, config, state)
    return env, config, state, rollout, figures


class TestEnds:
    """A truncated episode bootstraps the value of its true final observation, a terminated one nothing."""

    def test_the_final_observation_is_not_the_reset_one(self, clocked):
        _, _, state, rollout, _ = clocked
        now, final = np.asarray(rollout.obs["critic"])[..., 0], np.asarray(rollout.final_obs["critic"])[..., 0]
        np.testing.assert_allclose(final, now + 0.02, atol=1e-6)
        ended = np.asarray(rollout.truncated)
        assert ended.sum() >= 16
        following = np.concatenate([now[1:], np.asarray(state.obs["critic"])[None, :, 0]])
        np.testing.assert_allclose(following[ended], 0.0)
        np.testing.assert_allclose(following[~ended], final[~ended], atol=1e-6)

    @pytest.mark.parametrize(("terminated", "matters"), [(False, True), (True, False)])
    def test_only_a_truncation_bootstraps(self, clocked, terminated, matters):
        """Another final observation at the episodes' ends changes what is learned, or does not, to the bit."""
        _, config, state, rollout, _ = clocked
        ended = rollout.terminated | rollout.truncated
        rollout = dataclasses.replace(rollout, terminated=ended & terminated, truncated=ended & (not terminated))
        other = rollout.final_obs["critic"] + jnp.where(ended, 3.0, 0.0)[..., None]
        moved = dataclasses.replace(rollout, final_obs={"critic": other})
        one, two = _updated(config, state, rollout)[0], _updated(config, state, moved)[0]
        assert bool(_differences(one.agent.value.mlp, two.agent.value.mlp)) is matters

    def test_returns_are_those_of_whole_episodes(self, clocked):
        """The mean return over the episodes that ended, from the rewards themselves."""
        _, _, _, rollout, figures = clocked
        ended = np.asarray(rollout.truncated)
        assert float(figures["episodes"]) == ended.sum()
        reward, total, returns = np.asarray(rollout.reward), np.zeros(ended.shape[1]), []
        for t in range(len(ended)):
            total += reward[t]
            returns += list(total[ended[t]])
            total[ended[t]] = 0.0
        np.testing.assert_allclose(figures["episode_return"], np.mean(returns), rtol=1e-4)

    def test_an_iteration_in_which_nothing_ends_repeats_the_last_return(self, clocked):
        """No false dips: 0 would be a return that no episode had."""
        env, config, state, _, figures = clocked
        patient = eqx.tree_at(lambda e: e.episode_length, env, jnp.asarray(20.0, jnp.float32))
        new, _, later = _collect(patient, config, state)
        assert float(later["episodes"]) == 0.0
        assert float(later["episode_return"]) == float(figures["episode_return"]) != 0.0
        assert float(new.last_return) == float(figures["episode_return"])

    @pytest.mark.newest
    def test_log_probs_are_of_the_actions_as_sampled(self, clocked):
        _, _, state, rollout, _ = clocked
        distribution, _ = state.agent.policy(rollout.obs["policy"], ())
        np.testing.assert_allclose(rollout.log_prob, distribution.log_prob(rollout.action), atol=1e-4)
        np.testing.assert_allclose(rollout.distribution.mode(), distribution.mode(), atol=1e-5)


DIVERGING = dataclasses.replace(BASE, num_envs=16, unroll_length=12, num_epochs=1, num_minibatches=2, hidden=(16,))


@pytest.fixture(scope="module")
def diverging(hopper):
    """One rollout in which some of 16 robots are NaN from their third step on."""
    env = still_env(hopper, {"joints": JointVelocities(hopper)}, physics=DivergingPhysics(hopper))
    state = ppo.init(env, DIVERGING, jax.random.key(0))
    return env, state, *_collect(env, DIVERGING, state)


class TestDivergence:
    """Nothing that is learned hears of a simulation that diverged."""

    def test_it_is_counted_and_enters_no_mean(self, diverging):
        env, _, _, rollout, figures = diverging
        diverged = np.asarray(rollout.diverged)
        assert 0 < diverged.sum() < diverged.size
        assert float(figures["diverged"]) == diverged.sum()
        assert float(figures["episodes"]) == (np.asarray(rollout.truncated | rollout.terminated) & ~diverged).sum()
        assert float(figures["terminations_per_minute"]) == 0.0
        np.testing.assert_allclose(figures["reward_per_step"], np.asarray(rollout.reward)[~diverged].mean(), rtol=1e-5)
        raw = float(figures["reward_per_step"]) / env.physics.control_dt
        np.testing.assert_allclose(figures["reward/match"], raw, rtol=1e-4)
        assert all(np.isfinite(float(value)) for value in figures.values())

    def test_no_network_ever_sees_it(self, diverging):
        _, _, state, rollout, _ = diverging
        for value in (
            *rollout.obs.values(),
            *rollout.final_obs.values(),
            rollout.reward,
            rollout.log_prob,
            state.episode_return,
        ):
            assert np.isfinite(value).all()

    def test_training_goes_on(self, diverging):
        env, first, *_ = diverging
        rows = list(ppo.train(env, DIVERGING, first, 2))
        assert sum(float(figures["diverged"]) for _, figures in rows) > 0.0
        assert all(np.isfinite(float(value)) for _, row in rows for value in row.values())
        for name, bits in _bits(rows[-1][0].agent):
            assert np.isfinite(bits).all(), name


class TestUpdate:
    def test_no_advantage_moves_no_policy(self, clocked):
        """Equal rewards and equal values: nothing to prefer, so the mean stays; the normaliser still learns."""
        _, config, state, rollout, _ = clocked
        value = jax.tree.map(jnp.zeros_like, state.agent.value.mlp)
        flat = eqx.tree_at(lambda s: s.agent.value.mlp, state, value)
        rollout = dataclasses.replace(rollout, reward=jnp.zeros_like(rollout.reward))
        new, info = _updated(dataclasses.replace(config, entropy_cost=0.0), flat, rollout)
        assert _differences(flat.agent.policy.mlp, new.agent.policy.mlp) == []
        np.testing.assert_allclose(info["policy_loss"], 0.0, atol=1e-6)
        assert _differences(flat.agent.policy.norm, new.agent.policy.norm)

    @pytest.mark.newest
    def test_the_normaliser_sees_each_observation_once(self, clocked):
        _, config, state, rollout, _ = clocked
        new, _ = _updated(config, state, rollout)
        samples = np.asarray(rollout.obs["policy"]).reshape(-1, 1)
        np.testing.assert_allclose(new.agent.policy.norm.count - state.agent.policy.norm.count, len(samples))
        expected = state.agent.policy.norm.update(jnp.asarray(samples))
        np.testing.assert_allclose(new.agent.policy.norm.mean, expected.mean, rtol=1e-5)

    def test_a_fixed_learning_rate_stays(self, clocked):
        _, config, state, rollout, _ = clocked
        fixed = dataclasses.replace(config, desired_kl=None)
        new, info = _updated(fixed, state, rollout)
        assert float(new.learning_rate) == float(info["learning_rate"]) == float(state.learning_rate)

    @pytest.mark.parametrize(("desired", "factor"), [(1e6, 1.5**2), (0.0, 1.5**-2)])
    def test_the_learning_rate_follows_the_kl(self, clocked, desired, factor):
        """Two minibatches: what each has moved the policy by is far below the desired KL divergence, or above it."""
        _, config, state, rollout, _ = clocked
        config = dataclasses.replace(config, desired_kl=desired, learning_rate=1e-3, max_learning_rate=1.0)
        state = dataclasses.replace(state, learning_rate=jnp.float32(1e-3))
        np.testing.assert_allclose(_updated(config, state, rollout)[0].learning_rate, 1e-3 * factor, rtol=1e-5)

    def test_one_minibatch_that_moves_too_far_lowers_the_rate(self, clocked):
        """Before a step nothing has moved: a divergence of 0 says nothing of the rate, the one after the step does."""
        _, config, state, rollout, _ = clocked
        config = dataclasses.replace(config, num_minibatches=1, desired_kl=1e-9, max_learning_rate=1.0)
        state = dataclasses.replace(state, learning_rate=jnp.float32(1e-3))
        new, info = _updated(config, state, rollout)
        np.testing.assert_allclose(new.learning_rate, 1e-3 / 1.5, rtol=1e-5)
        same_norm = eqx.tree_at(lambda p: p.norm, new.agent.policy, state.agent.policy.norm)
        moved = rollout.distribution.kl(same_norm(rollout.obs["policy"], ())[0])
        assert float(info["kl"]) > 1e-6
        np.testing.assert_allclose(info["kl"], moved.mean(), rtol=1e-3)

    def test_the_learning_rate_stays_within_its_limit(self, clocked):
        _, config, state, rollout, _ = clocked
        new, _ = _updated(dataclasses.replace(config, desired_kl=1e6), state, rollout)
        np.testing.assert_allclose(new.learning_rate, config.max_learning_rate)

    @pytest.mark.parametrize(
        ("iteration", "to", "share"), [(0, 0.1, 1.0), (5, 0.1, 0.55), (20, 0.1, 0.1), (5, 0.02, 0.51), (10, 0.0, 0.0)]
    )
    def test_a_decaying_learning_rate_falls_to_its_share(self, clocked, iteration, to, share):
        _, config, state, rollout, _ = clocked
        steps = 10 * config.steps_per_iteration
        config = dataclasses.replace(config, desired_kl=None, decay_steps=steps, decay_to=to)
        state = dataclasses.replace(state, iteration=jnp.asarray(iteration, jnp.int32))
        new, _ = _updated(config, state, rollout)
        np.testing.assert_allclose(new.learning_rate, share * config.learning_rate, rtol=1e-5)

    def test_full_batch_steps_raise_what_they_ascend(self, clocked):
        """Actions that paid more than the value function expects become likelier, for any seed.

        The sum over actions of probability ratio times advantage is 0 before, as advantages have a mean of 0; a few
        small steps along its gradient make it positive.
        """
        _, config, state, rollout, _ = clocked
        config = dataclasses.replace(config, num_epochs=4, num_minibatches=1, desired_kl=None, learning_rate=1e-3)
        after, _ = _updated(config, dataclasses.replace(state, learning_rate=jnp.float32(1e-3)), rollout)
        value = state.agent.value
        ended = rollout.terminated | rollout.truncated
        advantages, _ = gae(
            rollout.reward,
            value(rollout.obs["critic"]),
            value(rollout.final_obs["critic"]),
            rollout.terminated,
            ended,
            config.discount,
            config.gae_lambda,
        )
        advantages = np.asarray(advantages - advantages.mean())

        def gain(agent):
            now = agent.policy(rollout.obs["policy"], ())[0].log_prob(rollout.action)
            return float((np.exp(now - rollout.log_prob) * advantages).mean() / advantages.std())

        before = eqx.tree_at(lambda a: a.policy.norm, after.agent, state.agent.policy.norm)
        assert abs(gain(state.agent)) < 1e-5
        assert gain(before) > 1e-4

    @pytest.mark.newest
    def test_the_iteration_counts(self, clocked):
        _, config, state, rollout, _ = clocked
        assert int(_updated(config, state, rollout)[0].iteration) == int(state.iteration) + 1


HOPPER = dataclasses.replace(BASE, num_envs=32, reset_pool=16, learning_rate=1e-3)


@pytest.fixture(scope="module")
def hopper_task(hopper):
    """Stand, on the native engine, rewarded for being alive and still."""
    rewards = {"alive": task.Alive(1.0), "action_rate": task.ActionRate(-0.5), "height": task.BaseHeightError(hopper)}
    command = locomotion.VelocityCommand(hopper, (0.0, 0.0), stand_probability=1.0)
    return make_env(hopper, rewards=rewards, command=command, episode_length=2.0)


@pytest.fixture(scope="module")
def trained(hopper_task):
    return _train(hopper_task, HOPPER, 12)


def test_a_training_moves_every_network_and_all_its_figures_are_numbers(hopper_task, trained):
    """What holds for any seed; how well a training goes is for the slow tests."""
    state, figures = trained
    assert len(figures) == 12
    assert np.isfinite([list(row.values()) for row in figures]).all()
    assert int(state.iteration) == 12
    moved = _differences(ppo.init(hopper_task, HOPPER, jax.random.key(shifted(0))).agent, state.agent)
    leaves = [name for name, _ in _bits(state.agent) if ".mlp." in name or name.endswith(".log_std")]
    assert len(leaves) == 13
    assert set(leaves) <= set(moved)


def test_one_seed_gives_the_same_bits(hopper_task, trained):
    """Every leaf of the training state, native engine, threads and all."""
    again, _ = _train(hopper_task, HOPPER, 12)
    assert _differences(trained[0], again) == []


def test_another_seed_gives_others(hopper_task):
    one, other = (ppo.init(hopper_task, HOPPER, jax.random.key(shifted(seed))) for seed in (0, 1))
    assert any("agent" in name for name in _differences(one, other))


def test_training_goes_on_where_it_stopped(hopper_task, trained):
    """12 iterations in one go, or 5 and then 7 from the state alone: the same bits."""
    stopped, _ = _train(hopper_task, HOPPER, 5)
    assert _differences(trained[0], _go_on(hopper_task, HOPPER, stopped, 12)[0]) == []


def test_a_new_weight_or_range_recompiles_nothing(hopper_task):
    traces = []

    def counted(env, config, state):
        traces.append(1)
        key_pool, key_steps = jax.random.split(state.key)
        return ppo.collect(env, config, state, ppo.make_pool(env, config, key_pool), key_steps)

    collect = eqx.filter_jit(counted)
    state = ppo.init(hopper_task, HOPPER, jax.random.key(shifted(0)))
    before = collect(hopper_task, HOPPER, state)[1].reward
    changed = eqx.tree_at(
        lambda e: (e.rewards["alive"].weight, e.commands["velocity"].lin_vel_x, e.controller.scale),
        hopper_task,
        (jnp.float32(5.0), jnp.asarray([0.3, 0.4], jnp.float32), jnp.full((3,), 0.1, jnp.float32)),
    )
    after = collect(changed, HOPPER, state)[1].reward
    assert len(traces) == 1
    assert float(after.mean()) > float(before.mean()) + 0.05


def test_a_symmetric_agent_needs_a_gait_clock_or_a_lean_and_two_feet(hopper, robot):
    def agent(body, config=HOPPER, **terms):
        return ppo.make_agent(still_env(body, {"elapsed": Elapsed(), **terms}), config, jax.random.key(0))

    def clock(body):
        return {"clock": CommandTerm("gait", locomotion.gaits.two_beat(body).observed)}

    lean = {"gravity": ProjectedGravity(robot)}
    assert agent(robot).policy.mirror is None
    leaning = agent(robot, **lean)
    assert leaning.policy.mirror.index == leaning.value.mirror.index == 2, "the y of gravity"
    assert agent(robot, **lean, **clock(robot)).policy.mirror.index == 4, "the clock comes first"
    assert agent(robot, dataclasses.replace(HOPPER, symmetric=False), **lean, **clock(robot)).policy.mirror is None
    for terms in ({"gravity": ProjectedGravity(hopper)}, clock(hopper)):
        assert agent(hopper, **terms).policy.mirror is None, "on one foot"


class Sideways(Elapsed):
    """A term of a user's own whose sign is the side."""

    @property
    def side(self):
        return 0

    @property
    def mirror(self):
        return Mirror((0,), (-1.0,))


def test_a_term_of_ones_own_tells_the_side(robot):
    env = still_env(robot, {"elapsed": Elapsed(), "sideways": Sideways()})
    assert ppo.make_agent(env, HOPPER, jax.random.key(0)).policy.mirror.index == 1


def test_first_episodes_start_at_ages_of_their_own(hopper_task):
    state = ppo.init(hopper_task, HOPPER, jax.random.key(shifted(0)))
    assert len(np.unique(np.asarray(state.env_state.steps))) > HOPPER.num_envs // 2


def test_without_a_critic_the_value_function_sees_what_the_policy_sees(clocked):
    """The same bits as with a critic of the same terms."""
    env, config, state, rollout, _ = clocked
    alone = eqx.tree_at(lambda e: e.observations, env, {"policy": env.observations["policy"]})
    first = eqx.filter_eval_shape(ppo.init, alone, config, jax.random.key(0))
    pool = eqx.filter_eval_shape(ppo.make_pool, alone, config, first.key)
    _, traced, _ = eqx.filter_eval_shape(ppo.collect, alone, config, first, pool, first.key)
    assert set(first.obs) == set(traced.obs) == set(traced.final_obs) == {"policy"}
    assert jax.tree.structure(first.agent) == jax.tree.structure(state.agent)
    one = _updated(config, state, rollout)[0]
    final = {"policy": rollout.final_obs["critic"]}
    rollout = dataclasses.replace(rollout, obs={"policy": rollout.obs["policy"]}, final_obs=final)
    two = _updated(config, state, rollout)[0]
    assert _differences(one.agent, two.agent) == []


def test_an_env_without_a_policy_observation_is_refused(hopper):
    env = still_env(hopper, {"elapsed": Elapsed()})
    env = still_env(hopper, {"elapsed": Elapsed()}, observations={"actor": env.observations["policy"]})
    with pytest.raises(WildRobotError, match="no observation called 'policy'") as caught:
        ppo.init(env, BASE, jax.random.key(shifted(0)))
    assert "actor" in caught.value.where


def test_nothing_left_to_do_compiles_nothing(hopper_task, monkeypatch):
    def never(*arguments):
        raise AssertionError("compiled")

    monkeypatch.setattr(ppo, "_compile_update", never)
    state = ppo.init(hopper_task, HOPPER, jax.random.key(shifted(0)))
    assert list(ppo.train(hopper_task, HOPPER, state, 0)) == []


def test_an_error_of_the_compile_is_raised_where_the_caller_stands(hopper_task, monkeypatch):
    """Once, by the loop, and the thread is over: nothing of it is left inside XLA when the process ends."""

    def broken(*arguments):
        raise FloatingPointError("no update")

    monkeypatch.setattr(ppo, "_compile_update", broken)
    state = ppo.init(hopper_task, HOPPER, jax.random.key(shifted(0)))
    before = set(threading.enumerate())
    with pytest.raises(FloatingPointError, match="no update"):
        next(ppo.train(hopper_task, HOPPER, state, 1))
    assert set(threading.enumerate()) <= before


def test_compiling_the_update_runs_nothing_of_it(clocked):
    """It is lowered and compiled for the shapes alone, and what comes out is `update` itself."""
    env, config, state, rollout, _ = clocked
    compiled = ppo._compile_update(env, config, state, None, None, DEFAULT_DEVICE)
    one, _ = compiled(config, state, rollout, jax.random.key(1), None, DEFAULT_DEVICE)
    two, _ = _updated(config, state, rollout)
    assert _differences(one.agent, two.agent) == []


class _Counting(task.AbstractStatelessReward):
    """Counts how often it is traced."""

    traces: list = eqx.field(static=True)
    weight: jax.Array

    def __call__(self, signals):
        self.traces.append(None)
        return jnp.zeros((), jnp.float32)


class TestCurriculum:
    """On an engine where nothing falls: the level rises with every iteration."""

    CONFIG = dataclasses.replace(BASE, num_envs=4, unroll_length=4, num_epochs=1, hidden=(8,), reset_pool=4)
    CURRICULUM = task.Curriculum(
        {"commands.velocity.lin_vel_x": (0.1, 0.1)}, {"terminations_per_minute": 1.0}, rise=0.25, window=1.0
    )

    def _env(self, hopper, **changes):
        return still_env(
            hopper,
            {"joint_velocities": JointVelocities(hopper)},
            command=locomotion.VelocityCommand(hopper, (0.4, 0.4), stand_probability=0.0, interval=0.02),
            episode_length=0.08,
            **changes,
        )

    def _run(self, env, iterations, state=None):
        if state is None:
            state = ppo.init(env, self.CONFIG, jax.random.key(shifted(0)), curriculum=self.CURRICULUM)
        return list(ppo.train(env, self.CONFIG, state, iterations, self.CURRICULUM))

    def test_levels_rise_ranges_follow_and_nothing_is_traced_again(self, hopper):
        traces = []
        env = self._env(hopper, rewards={"count": _Counting(traces, jnp.ones((), jnp.float32))})
        state = ppo.init(env, self.CONFIG, jax.random.key(shifted(0)), curriculum=self.CURRICULUM)
        rows, counts = [], []
        for row in ppo.train(env, self.CONFIG, state, 6, self.CURRICULUM):
            rows.append(row)
            counts.append(len(traces))
        assert counts == [counts[0]] * 6
        assert counts[0] > 0
        assert [float(row["curriculum_level"]) for _, row in rows] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
        speeds = [float(row["commanded_lin_vel_x"]) for _, row in rows]
        assert speeds[0] == pytest.approx(0.1)
        assert speeds[-1] == pytest.approx(0.4)
        assert speeds == sorted(speeds)

    @pytest.mark.slow
    def test_a_run_that_is_split_goes_on_at_its_level(self, hopper):
        env = self._env(hopper)
        whole = self._run(env, 5)[-1][0]
        half = self._run(env, 3)[-1][0]
        assert float(half.curriculum.level) == 0.75
        assert _differences(self._run(env, 5, half)[-1][0], whole) == []

    def test_without_one_a_state_holds_nothing_of_it(self, hopper):
        env = self._env(hopper)
        assert ppo.init(env, self.CONFIG, jax.random.key(shifted(0))).curriculum is None


class Unmirrored(Sideways):
    """A term of a user's own without a mirror image."""

    @property
    def mirror(self):
        return None


def test_a_symmetric_policy_without_a_mirror_image_is_refused_by_name(robot):
    lean = {"gravity": ProjectedGravity(robot)}
    env = still_env(robot, {"odd": Unmirrored(), **lean})
    with pytest.raises(WildRobotError, match=r"Unmirrored \(observations\.policy\.terms\.odd\)") as refused:
        ppo.init(env, HOPPER, jax.random.key(0))
    assert "symmetric" in refused.value.where
    assert "PPO(symmetric=False)" in refused.value.hint
    plain = dataclasses.replace(HOPPER, symmetric=False)
    assert ppo.make_agent(env, plain, jax.random.key(0)).policy.mirror is None
    env = eqx.tree_at(lambda e: e.controller.reflection, still_env(robot, lean), None)
    with pytest.raises(WildRobotError, match=r"JointPosition \(controller\)"):
        ppo.make_agent(env, HOPPER, jax.random.key(0))


def test_a_value_function_without_a_mirror_image_stays_plain_and_says_so(robot, caplog):
    env = still_env(robot, {"gravity": ProjectedGravity(robot)})
    critic = ObservationStack({"gravity": ProjectedGravity(robot), "odd": Unmirrored()})
    env = dataclasses.replace(env, observations={**env.observations, "critic": critic})
    agent = ppo.make_agent(env, HOPPER, jax.random.key(0))
    assert agent.policy.mirror is not None
    assert agent.value.mirror is None
    assert "observations.critic.terms.odd" in caplog.text
