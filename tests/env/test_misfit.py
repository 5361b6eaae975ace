"""Figures that are sized for another robot are told before a training, and why a robot stands, during it."""

import dataclasses
import logging
import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import wildrobot_eqx as we
from wildrobot_eqx.arrays import f32
from wildrobot_eqx.check.misfit import misfits, standing_share
from wildrobot_eqx.train.standing import StandingWatch, lifted_share, why_standing


@pytest.fixture(scope="module")
def env(robot) -> we.Env:
    """The walk recipe's env on the biped."""
    return we.load_recipe("walk")(physics="native").env


def spoiled(env: we.Env, path: str, value: float | list[float]) -> we.Env:
    """The env with one array leaf changed, such as "rewards.foot.width"."""

    def leaf(env: we.Env):
        found = env
        for name in path.split("."):
            found = found[name] if isinstance(found, dict) else getattr(found, name)
        return found

    return eqx.tree_at(leaf, env, f32(value))


def test_what_is_made_of_a_robot_fits_it(env):
    assert misfits(env) == ()


# What is wrong, where it is told, in which words, and whether a robot can hardly learn by it.
WRONG = {
    "a threshold of another robot": ("rewards.contacts.load", 30.0, "rewards['contacts'].load", "bears 17.5 N", True),
    "one that is next to nothing": ("rewards.slip.load", 0.1, "rewards['slip'].load", "0.29% of the weight", False),
    "a wide clearance": ("rewards.foot.width", 0.06, "rewards['foot'].width", "still gets 43%", True),
    "a swing above the knee": ("rewards.foot.height", 0.2, "rewards['foot'].height", "0.45 of the legs' 0.443 m", True),
    "hardly a swing": ("rewards.foot.height", 0.006, "rewards['foot'].height", "0.014 of the legs'", False),
    "a wide kernel": ("rewards.track.width", 0.6, "rewards['track'].width", "standing still gets 55%", True),
    "commands in the deadband": ("commands.velocity.deadband", 0.7, "commands['velocity'].lin_vel_x", "stand", True),
    "a run": ("commands.velocity.lin_vel_x", [0.0, 1.8], "commands['velocity'].lin_vel_x", "0.86 of sqrt(g L)", False),
    "a hurried clock": ("commands.gait.period", 0.2, "commands['gait'].period", "0.94 sqrt(L / g)", False),
    "a dear torque": ("rewards.torque.weight", -0.5, "rewards['torque'].weight", "cost 22 per second", True),
    "a dear slip": ("rewards.slip.weight", -500.0, "rewards['slip'].weight", "costs 21.7 per second", True),
    "a dear height": ("rewards.height.weight", -8000.0, "rewards['height'].weight", "costs 15.7 per second", True),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_figure_of_another_robot_is_told(env, wrong):
    path, value, leaf, words, problem = WRONG[wrong]
    found = [misfit for misfit in misfits(spoiled(env, path, value)) if misfit.leaf == f"env.{leaf}"]
    assert len(found) == 1
    assert words in found[0].seen
    assert found[0].problem is problem
    assert found[0].fix


def test_a_task_that_is_no_walk_has_no_such_figures():
    assert misfits(we.load_recipe("reach")(physics="native").env) == ()


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.65), (-0.3, 0.6), (0.1, 0.1)])
def test_what_standing_pays_is_the_mean_over_the_commands(robot, low, high):
    term = we.rewards.TrackLinVelX(robot, width=0.15, slope=0.5)
    speeds = np.linspace(low, high, 20_001)
    mean = float(np.mean(np.exp(-np.square(speeds / 0.15)) - 0.5 * np.abs(speeds)))
    assert standing_share(term, low, high) == pytest.approx(mean, abs=1e-4)


# --- while it trains ---------------------------------------------------------------------------------------


def figures(env: we.Env, lifted: float, **earned: float) -> dict[str, float]:
    return {"feet_to_lift": 0.4, "feet_lifted": 0.4 * lifted, **{f"reward/{name}": v for name, v in earned.items()}}


def test_a_robot_that_stands_is_told_once_and_why(env, caplog):
    watch = StandingWatch(env, iterations=100)
    one = figures(env, 0.05, alive=4.0, track=0.9, foot=2.6, slip=-0.4, rate=-0.1, heading=1.5)
    with caplog.at_level(logging.WARNING, "wildrobot_eqx"):
        told = {i: lines for i in range(1, 100) if (lines := watch.update(i, one))}
    assert list(told) == [30]
    first, pays, costs, cure = told[30]
    assert "after 30 of 100 iterations its feet are free for 5% of the time" in first
    assert "alive 4.00 of 4.00, foot 2.60 of 4.00, heading 1.50 of 1.50, track 0.90 of 2.00" in pays
    assert costs.endswith("slip -0.40, rate -0.10")
    assert "narrow env.rewards.foot.width, env.rewards.track.width" in cure
    assert [record.message for record in caplog.records] == [first, pays, costs, cure]
    assert "feet are free for 5%" in watch.update(100, one)[0]


def test_a_robot_that_lifts_its_feet_late_is_told_so(env):
    watch = StandingWatch(env, iterations=60)
    for i in range(1, 58):
        told = watch.update(i, figures(env, 0.1, alive=4.0))
        assert bool(told) is (i == 18)
    assert watch.stood
    resumed = StandingWatch(env, iterations=60, stood=True)
    for one in (watch, resumed):
        assert [one.update(i, figures(env, 0.8, alive=4.0)) for i in (58, 59)] == [(), ()]
        (line,) = one.update(60, figures(env, 0.8, alive=4.0))
        assert "after 60 of 60 iterations the robot lifts its feet" in line
    walker = StandingWatch(env, iterations=60)
    assert [walker.update(i, figures(env, 0.8, alive=4.0)) for i in range(1, 61)] == [()] * 60


def test_ten_iterations_are_too_few_to_say_that_it_stands(env):
    watch = StandingWatch(env, iterations=10)
    assert [watch.update(i, figures(env, 0.1, alive=4.0)) for i in range(1, 11)] == [()] * 10


def test_what_is_sized_wrong_is_the_first_suspect(env):
    wrong = spoiled(spoiled(env, "rewards.contacts.load", 30.0), "rewards.foot.width", 0.06)
    lines = why_standing(wrong, figures(env, 0.0, alive=4.0))
    assert [line.split(":")[0] for line in lines[1:]] == ["env.rewards['contacts'].load", "env.rewards['foot'].width"]


def test_a_width_of_nothing_is_told_and_divides_nothing(env):
    for leaf in ("rewards.foot.width", "rewards.track.width"):
        (found,) = [misfit for misfit in misfits(spoiled(env, leaf, 0.0)) if misfit.leaf.endswith(".width")]
        assert "pays nothing" in found.seen


def test_every_gait_of_an_env_is_looked_at(env):
    """Two are no reason to stop a training that is to be told why its robot stands."""
    slow = eqx.tree_at(lambda gait: gait.period, env.commands["gait"], jnp.float32(9.0))
    two = dataclasses.replace(env, commands={**env.commands, "gait": slow, "other": slow})
    found = [misfit.leaf for misfit in misfits(two)]
    assert found == ["env.commands['gait'].period", "env.commands['other'].period"]


def test_nothing_is_said_without_a_gait():
    assert lifted_share({}) is None
    assert lifted_share({"feet_to_lift": 0.001, "feet_lifted": 0.0}) is None
    assert math.isclose(lifted_share({"feet_to_lift": 0.4, "feet_lifted": 0.1}) or 0.0, 0.25)
    watch = StandingWatch(we.load_recipe("hop")(physics="native").env, iterations=60)
    assert [watch.update(i, {"reward/alive": jnp.float32(1.0)}) for i in range(1, 61)] == [()] * 60
