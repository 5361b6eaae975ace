"""Gymnasium around our adapters: modes by name, masks, ids, and its own wrappers of observations."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector as wrappers
from helpers import still_env

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.adapters import GymnasiumEnv, GymnasiumVectorEnv, register_gymnasium
from wildrobot_eqx.controllers import JointPosition
from wildrobot_eqx.observe import JointPositions, LastAction


@pytest.fixture(scope="module")
def still(hopper):
    """No physics, quick to compile; episodes of 6 steps."""
    terms = {"joints": JointPositions(hopper), "last_action": LastAction(JointPosition(hopper))}
    return still_env(hopper, terms, episode_length=6 * hopper.control_dt)


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_mode_is_taken_by_its_name(mode, still):
    for given in (mode, mode.value, mode.name, mode.name.lower()):
        envs = GymnasiumVectorEnv(still, 2, given)
        assert envs.metadata["autoreset_mode"] is mode


@pytest.mark.parametrize("given", ["sometimes", "", "Same Step"])
def test_an_unknown_mode_is_reported(given, still):
    with pytest.raises(WildRobotError, match="autoreset mode") as caught:
        GymnasiumVectorEnv(still, 2, given)
    assert "SameStep" in caught.value.hint


@pytest.mark.parametrize(
    "mask", [[True, False], np.array([1, 0]), np.array([True]), np.zeros(2, bool), "x", np.ones((2, 1), bool)]
)
def test_a_wrong_mask_is_our_error_and_gymnasiums(mask, still):
    envs = GymnasiumVectorEnv(still, 2, "Disabled")
    envs.reset(seed=0)
    with pytest.raises(WildRobotError) as caught:
        envs.reset(options={"reset_mask": mask})
    assert isinstance(caught.value, AssertionError)
    assert caught.value.where == "GymnasiumVectorEnv.reset"


ONE = np.float32(1.0)
WRAPPERS = {
    "NormalizeObservation": lambda envs: wrappers.NormalizeObservation(envs),
    "NormalizeObservation, NormalizeReward": lambda e: wrappers.NormalizeReward(wrappers.NormalizeObservation(e)),
    "TransformObservation": lambda envs: wrappers.TransformObservation(envs, lambda obs: 2.0 * obs),
    "FlattenObservation": wrappers.FlattenObservation,
    "RescaleObservation": lambda envs: wrappers.RescaleObservation(envs, -ONE, ONE),
    "ReshapeObservation": lambda envs: wrappers.ReshapeObservation(envs, (2, 3)),
    "DtypeObservation": lambda envs: wrappers.DtypeObservation(envs, np.float64),
    "RecordEpisodeStatistics": wrappers.RecordEpisodeStatistics,
    "ClipAction": wrappers.ClipAction,
    "RescaleAction": lambda envs: wrappers.RescaleAction(envs, -0.5 * ONE, 0.5 * ONE),
}


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")  # of Gymnasium's own limits, in DtypeObservation
@pytest.mark.parametrize("name", WRAPPERS)
def test_gymnasiums_own_wrappers_give_what_they_give_over_its_own_vector_env(name, still):
    envs = WRAPPERS[name](GymnasiumVectorEnv(still, 2, "NextStep"))
    sync = gymnasium.vector.SyncVectorEnv([lambda: GymnasiumEnv(still)] * 2, autoreset_mode=AutoresetMode.NEXT_STEP)
    reference = WRAPPERS[name](sync)
    np.testing.assert_allclose(envs.reset(seed=3)[0], reference.reset(seed=3)[0], rtol=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(9):
        action = rng.uniform(-0.5, 0.5, envs.action_space.shape).astype(np.float32)
        one, two = envs.step(action), reference.step(action)
        for a, b in zip(one[:4], two[:4], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_observations_by_role_are_filtered(still):
    roles = tuple(still.observations)
    envs = wrappers.FilterObservation(GymnasiumVectorEnv(still, 2, "NextStep", roles=roles), ["policy"])
    obs, _ = envs.reset(seed=0)
    assert set(obs) == {"policy"}


@pytest.fixture
def registered(still):
    made = []

    def make():
        made.append(1)
        return still

    register_gymnasium("lab/still-v0", make)
    yield made
    gymnasium.registry.pop("lab/still-v0")


def test_an_id_makes_one_robot_and_many(registered, still):
    assert registered == []
    single = gymnasium.make("lab/still-v0")
    assert type(single.unwrapped) is GymnasiumEnv
    many = gymnasium.make_vec("lab/still-v0", num_envs=3, action_scale=0.5)
    assert type(many.unwrapped) is GymnasiumVectorEnv
    assert many.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert many.spec.id == "lab/still-v0"
    obs, _ = wrappers.NormalizeObservation(many).reset(seed=0)
    assert obs.shape == (3, still.observations["policy"].size)
    sync = gymnasium.make_vec("lab/still-v0", num_envs=2, vectorization_mode="sync")
    assert sync.reset(seed=0)[0].shape == (2, still.observations["policy"].size)
    assert registered == [1]
    named = gymnasium.make_vec("lab/still-v0", num_envs=2, autoreset_mode="same_step")
    assert named.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


def test_a_forked_process_is_refused(registered, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: -1)
    with pytest.raises(WildRobotError, match="does not survive a fork"):
        gymnasium.make("lab/still-v0")


def test_an_id_that_is_none_is_reported(still):
    with pytest.raises(WildRobotError) as caught:
        register_gymnasium("not an id!", lambda: still)
    assert caught.value.where == "register_gymnasium"
