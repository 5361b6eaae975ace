"""The Gymnasium adapters: Gymnasium's own checks, its own vector env as the reference, and messages."""

import importlib
import subprocess
import sys

import equinox as eqx
import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_shares_objects
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from helpers import Elapsed, make_env, shifted, still_env
from jaxtyping import Array, Bool, Float

from wildrobot_eqx import MjxPhysics, ObservationStack, WildRobotError, adapters, locomotion, task
from wildrobot_eqx.adapters import GymnasiumEnv, GymnasiumVectorEnv
from wildrobot_eqx.controllers import JointPosition
from wildrobot_eqx.observe import LastAction, Signals
from wildrobot_eqx.physics.mujoco_tools.render import NoRenderer, Renderer
from wildrobot_eqx.terms import AngularVelocity, JointPositions


class Overreach(task.AbstractStatelessEnding):
    """Fails when the first action is large: a test ends an episode when it likes."""

    limit: Float[Array, ""] = eqx.field(default=0.9, converter=jnp.float32)
    truncates = False

    def __call__(self, signals: Signals) -> Bool[Array, ""]:
        return signals.action[0] > self.limit


@pytest.fixture(scope="module")
def still(hopper):
    """No physics, quick to compile; episodes of 6 steps, or until the first action exceeds 0.9."""
    terms = {"joints": JointPositions(hopper), "last_action": LastAction(JointPosition(hopper)), "elapsed": Elapsed()}
    return still_env(
        hopper,
        terms,
        endings={"overreach": Overreach()},
        reset_state=task.HomeReset(hopper, joint_noise=0.3),
        episode_length=6 * hopper.control_dt,
    )


@pytest.fixture(scope="module")
def native(hopper):
    """The native engine; episodes of 12 steps."""
    measured = ObservationStack({"joints": JointPositions(hopper), "gyro": AngularVelocity(hopper)})
    return make_env(
        hopper,
        observations={"policy": measured, "critic": measured},
        rewards={"track": locomotion.TrackLinVelX(hopper), "torque": task.Torque()},
        endings={"overreach": Overreach()},
        episode_length=12 * hopper.control_dt,
    )


@pytest.fixture(scope="module")
def native_env(native):
    """One robot on it, whose two compiles the tests share."""
    return GymnasiumEnv(native)


@pytest.fixture(scope="module")
def why_not_drawn(hopper) -> str:
    """Why nothing can be drawn on this machine; empty where it can."""
    try:
        Renderer(hopper.model, 64, 48).close()
    except NoRenderer as error:
        return str(error)
    return ""


@pytest.fixture
def drawing(why_not_drawn):
    """Skips where nothing can be drawn at all."""
    if why_not_drawn:
        pytest.skip(why_not_drawn)


def _actions(envs, steps, n, seed=0):
    """Half of a step's actions end somebody's episode, in random order."""
    actions = np.random.default_rng(shifted(seed)).uniform(-0.8, 0.8, (steps, envs, n)).astype(np.float32)
    ends = np.random.default_rng(shifted(seed + 1)).uniform(size=(steps, envs)) < 0.15
    actions[..., 0] = np.where(ends, 1.0, actions[..., 0])
    return actions


# --- one robot -------------------------------------------------------------------------------------------


def test_gymnasium_finds_nothing_wrong(native_env, why_not_drawn):
    """Warnings are errors here; the checker makes the env anew through its spec, too, and draws what can be drawn."""
    check_env(native_env, skip_render_check=bool(why_not_drawn))


def test_gymnasium_finds_nothing_wrong_with_a_dict_and_pictures(native, drawing):
    env = GymnasiumEnv(native, roles=("policy", "critic"), render_mode="rgb_array", picture_size=(64, 48))
    check_env(env)
    env.close()
    env.close()


@pytest.mark.newest
def test_a_step_is_the_envs_own(still):
    """Observation, reward, ends and metrics, against the env stepped by hand from the same key."""
    env = GymnasiumEnv(still)
    obs, info = env.reset(seed=5)
    words = gymnasium.utils.seeding.np_random(5)[0].integers(0, 2**32, 2, np.uint32)
    state, timestep = eqx.filter_jit(still.reset)(jax.random.fold_in(jax.random.key(words[0]), words[1]))
    np.testing.assert_allclose(obs, timestep.obs["policy"], rtol=1e-6)
    assert set(info) == set(timestep.metrics)
    assert set(info.values()) == {0.0}
    step = eqx.filter_jit(still.step)
    rewards = []
    for action in _actions(1, 3, 3)[:, 0] * 0.5:
        state, timestep = step(state, jnp.asarray(action))
        obs, reward, terminated, truncated, info = env.step(action)
        np.testing.assert_allclose(obs, timestep.obs["policy"], rtol=1e-5, atol=1e-6)
        assert reward == pytest.approx(float(timestep.reward), rel=1e-5)
        assert (terminated, truncated) == (False, False)
        assert info == pytest.approx({k: float(v) for k, v in timestep.metrics.items()}, rel=1e-5, abs=1e-6)
        rewards.append(reward)
    assert len(set(rewards)) == 3


def test_a_fall_and_the_end_of_time_are_distinguished(still):
    env = GymnasiumEnv(still)
    env.reset(seed=0)
    ends = [env.step(np.zeros(3, np.float32))[2:4] for _ in range(6)]
    assert ends == [(False, False)] * 5 + [(False, True)]
    env.reset()
    assert env.step(np.ones(3, np.float32))[2:4] == (True, False)
    with pytest.raises(WildRobotError, match=r"(?s)The episode is over.*GymnasiumEnv\.step.*call reset\(\) first"):
        env.step(np.zeros(3, np.float32))


def test_seeds_repeat_and_go_on(still):
    """A seed gives one sequence of episodes; without one, the sequence goes on."""
    env = GymnasiumEnv(still)
    first = [env.reset(seed=7)[0], env.reset()[0], env.reset()[0]]
    again = [env.reset(seed=7)[0], env.reset()[0], env.reset()[0]]
    other = env.reset(seed=8)[0]
    np.testing.assert_array_equal(first, again)
    assert len({row.tobytes() for row in [*first, other]}) == 4
    fresh = [GymnasiumEnv(still).reset()[0].tobytes() for _ in range(2)]
    assert fresh[0] != fresh[1]


def test_actions_are_clipped_to_the_space_and_scaled(still):
    """The last action is observed: rows 3 to 5."""
    env = GymnasiumEnv(still, action_scale=0.5)
    env.reset(seed=0)
    assert env.step(np.array([0.5, -1.0, -7.0]))[0][3:6] == pytest.approx([0.25, -0.5, -0.5])


def test_observations_keep_within_their_space(still):
    env = GymnasiumEnv(still, observation_limit=0.25)
    env.reset(seed=0)
    obs = env.step(np.array([0.5, -0.5, 0.1]))[0]
    assert obs[3:6] == pytest.approx([0.25, -0.25, 0.1])
    assert obs in env.observation_space


def test_a_simulation_that_blows_up_ends_its_episode(native_env):
    """With finite numbers for the learner; a metric says what happened."""
    native_env.reset(seed=0)
    broken = native_env._state.physics.qvel * jnp.nan
    native_env._state = eqx.tree_at(lambda s: s.physics.qvel, native_env._state, broken)
    obs, reward, terminated, truncated, info = native_env.step(np.zeros(3, np.float32))
    assert obs in native_env.observation_space
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert info["diverged"] == 1.0
    assert np.isfinite(list(info.values())).all()


def test_a_picture_shows_the_robot(still, drawing):
    with GymnasiumEnv(still, render_mode="rgb_array", picture_size=(64, 48)) as env:
        env.reset(seed=0)
        picture = env.render()
        assert (picture.shape, picture.dtype) == ((48, 64, 3), np.uint8)
        assert picture.std() > 5.0
        env.step(np.array([-0.8, 0.8, -0.8]))
        assert np.abs(env.render().astype(int) - picture).max() > 10
    assert env.metadata["render_fps"] == 50


def test_without_a_renderer_the_error_says_so(still, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "disable")
    env = GymnasiumEnv(still, render_mode="rgb_array")
    env.reset(seed=0)
    with pytest.raises(WildRobotError, match="Nothing can be drawn here"):
        env.render()


# --- many robots -----------------------------------------------------------------------------------------


def _same(ours, reference, exact):
    """The same nested data: keys, masks, dtypes, and values (to the bit, or as physics allows)."""
    assert type(ours) is type(reference)
    if isinstance(reference, dict):
        assert set(ours) == set(reference)
        for key in reference:
            _same(ours[key], reference[key], exact)
    elif reference is None:
        assert ours is None
    elif reference.dtype == object:
        for one, two in zip(ours, reference, strict=True):
            _same(one, two, exact)
    else:
        assert (ours.dtype, ours.shape) == (reference.dtype, reference.shape)
        tolerance = {"rtol": 1e-5, "atol": 1e-6} if exact else {"rtol": 2e-2, "atol": 2e-2}
        np.testing.assert_allclose(ours, reference, **tolerance)


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
@pytest.mark.parametrize("kind", ["still", "native"])
def test_it_gives_what_gymnasiums_own_vector_env_gives(request, kind, mode):
    """Every number, every mask, for several episodes of each env and over a second reset."""
    env = request.getfixturevalue(kind)
    roles = ("policy", "critic") if kind == "still" else None
    reference = SyncVectorEnv([lambda: GymnasiumEnv(env, roles)] * 3, autoreset_mode=mode)
    ours = GymnasiumVectorEnv(env, 3, mode, roles)
    assert ours.metadata == reference.metadata
    for name in ("observation_space", "action_space", "single_observation_space", "single_action_space"):
        assert getattr(ours, name) == getattr(reference, name)
    ends = np.zeros(3, int)
    finals = []
    for seed in (3, None):
        for one, two in zip(ours.reset(seed=seed), reference.reset(seed=seed), strict=True):
            _same(one, two, True)
        for action in _actions(3, 30, 3):
            one, two = ours.step(action), reference.step(action)
            for a, b in zip(one, two, strict=True):
                _same(a, b, kind == "still")
            assert one[0] in ours.observation_space
            ends += one[2] | one[3]
            finals += ["final_obs" in one[4]]
    assert (ends >= 4).all()
    assert any(finals) is (mode is AutoresetMode.SAME_STEP)


@pytest.mark.slow
def test_it_runs_on_mjx(hopper, native):
    """The same first observations as on the native engine, and much the same next ones."""
    mjx = eqx.tree_at(lambda e: e.physics, native, MjxPhysics(hopper))
    ours, reference = (GymnasiumVectorEnv(env, 3) for env in (mjx, native))
    np.testing.assert_allclose(ours.reset(seed=0)[0], reference.reset(seed=0)[0], atol=1e-4)
    for action in _actions(3, 3, 3) * np.float32(0.5):
        one, two = ours.step(action), reference.step(action)
        np.testing.assert_allclose(one[0], two[0], atol=0.1)
    assert one[0].dtype == np.float32
    assert np.isfinite(one[1]).all()


def test_the_last_observation_is_kept(still):
    """It is the true one, of the episode that ended, and the next episode's first is another."""
    envs = GymnasiumVectorEnv(still, 3)
    envs.reset(seed=0)
    action = np.array([[0.0, 0.1, 0.2], [1.0, 0.3, 0.4], [0.0, 0.1, 0.2]], np.float32)
    obs, reward, terminated, truncated, info = envs.step(action)
    assert terminated.tolist() == [False, True, False]
    assert not truncated.any()
    assert info["_final_obs"].tolist() == [False, True, False]
    assert info["final_obs"][0] is None
    assert info["final_obs"][1][3:] == pytest.approx([1.0, 0.3, 0.4, 0.02])
    assert obs[1][3:] == pytest.approx([0.0, 0.0, 0.0, 0.0])
    assert obs[0][3:] == pytest.approx([0.0, 0.1, 0.2, 0.02])
    assert info["final_info"]["reward/match"][1] != 0.0
    assert info["reward/match"][1] == 0.0
    assert reward[1] != 0.0


def test_without_autoreset_the_user_resets_by_mask(still):
    envs = GymnasiumVectorEnv(still, 3, AutoresetMode.DISABLED)
    first, _ = envs.reset(seed=0)
    envs.step(np.array([[0.0, 0.1, 0.2], [1.0, 0.1, 0.2], [0.0, 0.1, 0.2]], np.float32))
    with pytest.raises(WildRobotError, match="Env 1's episode is over"):
        envs.step(np.zeros((3, 3), np.float32))
    obs, info = envs.reset(options={"reset_mask": np.array([False, True, False])})
    assert obs[:, -1] == pytest.approx([0.02, 0.0, 0.02])
    assert not np.array_equal(obs[1], first[1])
    assert info["_lin_vel_x"].tolist() == [False, True, False]
    assert envs.step(np.zeros((3, 3), np.float32))[0][:, -1] == pytest.approx([0.04, 0.02, 0.04])
    for mask in (np.ones(2, bool), np.zeros(3, bool), np.ones(3), [True] * 3):
        with pytest.raises(WildRobotError, match="reset_mask"):
            envs.reset(options={"reset_mask": mask})


def test_seeds_of_a_batch(still):
    envs = GymnasiumVectorEnv(still, 3)
    obs, _ = envs.reset(seed=10)
    assert envs.np_random_seed == (10, 11, 12)
    assert len(envs.np_random) == 3
    alone = np.stack([GymnasiumEnv(still).reset(seed=10 + i)[0] for i in range(3)])
    np.testing.assert_allclose(obs, alone, rtol=1e-6)
    np.testing.assert_array_equal(envs.reset(seed=[12, 11, 10])[0], obs[::-1])
    envs.np_random = [np.random.default_rng(i) for i in (0, 0, 1)]
    obs, _ = envs.reset()
    assert np.array_equal(obs[0], obs[1])
    assert not np.array_equal(obs[0], obs[2])
    with pytest.raises(WildRobotError, match="There are 2 seeds for 3 envs"):
        envs.reset(seed=[1, 2])


def test_nothing_given_away_is_written_again(still):
    envs = GymnasiumVectorEnv(still, 3)
    given = [envs.reset(seed=0), *(envs.step(action)[::4] for action in _actions(3, 8, 3))]
    for i, one in enumerate(given):
        for two in given[:i]:
            assert not data_shares_objects(one, two)
    given[3][0][:] = np.nan  # whatever a learner does with what it got
    assert np.isfinite(envs.step(np.zeros((3, 3), np.float32))[0]).all()


def test_gymnasiums_wrappers_take_it(still):
    """Returns and lengths of episodes, as Gymnasium counts them."""
    envs = gymnasium.wrappers.vector.RecordEpisodeStatistics(GymnasiumVectorEnv(still, 3))
    envs.reset(seed=0)
    total = np.zeros(3)
    for _ in range(6):
        _, reward, _, truncated, info = envs.step(np.zeros((3, 3), np.float32))
        total += reward
    assert truncated.all()
    assert info["episode"]["l"].tolist() == [6, 6, 6]
    np.testing.assert_allclose(info["episode"]["r"], total)
    envs.close()


def test_a_batch_of_pictures(still, drawing):
    envs = GymnasiumVectorEnv(still, 3, render_mode="rgb_array", picture_size=(64, 48))
    envs.reset(seed=0)
    assert [picture.shape for picture in envs.render()] == [(48, 64, 3)] * 3
    envs.close()


# --- mistakes --------------------------------------------------------------------------------------------

WRONG = {
    "short": (np.zeros(2, np.float32), r"shape is \[2\], not \[3\]"),
    "batched": (np.zeros((1, 3), np.float32), r"shape is \[1, 3\], not \[3\]"),
    "integer": (np.zeros(3, int), "dtype is int64, not float32"),
    "bool": (np.zeros(3, bool), "dtype is bool"),
    "ragged": ([[0.0], [0.0, 1.0]], "no array"),
    "nan": (np.array([0.0, np.nan, 0.0]), "is nan for joint 'knee_pitch'"),
    "infinite": (np.array([0.0, 0.0, np.inf]), "is inf for joint"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_action_is_named(still, kind):
    action, message = WRONG[kind]
    env = GymnasiumEnv(still)
    env.reset(seed=0)
    with pytest.raises(WildRobotError, match=message) as caught:
        env.step(action)
    assert "GymnasiumEnv.step" in caught.value.where
    assert caught.value.hint
    assert len(str(caught.value).splitlines()) <= 3


def test_a_wrong_action_of_a_batch_is_named(still):
    envs = GymnasiumVectorEnv(still, 3)
    envs.reset(seed=0)
    with pytest.raises(WildRobotError, match=r"(?s)shape is \[3\], not \[3, 3\].*a row per env"):
        envs.step(np.zeros(3, np.float32))
    bad = np.zeros((3, 3), np.float32)
    bad[1, 2] = np.nan
    with pytest.raises(WildRobotError, match=r"is nan for joint '\w+' of env 1"):
        envs.step(bad)


@pytest.mark.parametrize("cls", [GymnasiumEnv, lambda env, **kw: GymnasiumVectorEnv(env, 2, **kw)])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"roles": ("polici",)}, "(?s)no observation 'polici'.*did you mean 'policy'"),
        ({"render_mode": "human"}, "no render mode 'human'"),
        ({"action_scale": 0.0}, "action_scale is 0.0"),
        ({"observation_limit": np.inf}, "observation_limit is inf"),
    ],
)
def test_a_wrong_argument_is_named(still, cls, arguments, message):
    with pytest.raises(WildRobotError, match=message):
        cls(still, **arguments)


def test_what_comes_too_early_is_reported(still):
    for env, action in ((GymnasiumEnv(still), np.zeros(3)), (GymnasiumVectorEnv(still, 3), np.zeros((3, 3)))):
        with pytest.raises(WildRobotError, match=r"(?s)no episode.*call reset\(\) first"):
            env.step(action)
        with pytest.raises(WildRobotError, match="no episode"):
            env.render()
        with pytest.raises(WildRobotError, match="no option 'speed'"):
            env.reset(options={"speed": 0.3})
        env.reset()
        with pytest.raises(WildRobotError, match="made to draw nothing"):
            env.render()
    with pytest.raises(WildRobotError, match="num_envs is 0"):
        GymnasiumVectorEnv(still, 0)
    with pytest.raises(WildRobotError, match="no episodes yet"):
        GymnasiumVectorEnv(still, 2).reset(options={"reset_mask": np.array([True, False])})


def test_a_missing_gymnasium_is_reported_in_short(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("wildrobot_eqx.adapters.gymnasium")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(WildRobotError, match=r"(?s)not installed.*pip install 'wildrobot-eqx\[gymnasium\]'"):
        adapters.__getattr__("GymnasiumEnv")


def test_importing_one_adapter_loads_no_other():
    code = (
        "import sys, wildrobot_eqx.adapters as adapters\n"
        "assert 'GymnasiumEnv' in dir(adapters)\n"
        "before = {'gymnasium', 'brax'} & set(sys.modules)\n"
        "from wildrobot_eqx.adapters import GymnasiumEnv\n"
        "print(sorted(before), 'gymnasium' in sys.modules, 'brax' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert out.stdout.strip() == "[] True False", out.stderr
    with pytest.raises(AttributeError, match="NoSuchEnv"):
        adapters.__getattr__("NoSuchEnv")
    assert importlib.import_module("wildrobot_eqx.adapters.gymnasium").GymnasiumEnv is GymnasiumEnv
