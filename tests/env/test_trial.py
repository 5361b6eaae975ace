"""A trial finds what only shows in motion: planted in the hopper's env, simulated or written into its record."""

import dataclasses
import json

import equinox as eqx
import faults
import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from helpers import shifted
from jaxtyping import Array, Float

from wildrobot_eqx import ObservationStack, locomotion, task
from wildrobot_eqx.arrays import f32
from wildrobot_eqx.check.trial import run_trial
from wildrobot_eqx.check.trial import trial as trial_module
from wildrobot_eqx.check.trial.judge import judge
from wildrobot_eqx.check.trial.simulate import simulate
from wildrobot_eqx.cli import main
from wildrobot_eqx.control import AbstractController
from wildrobot_eqx.observe import AbstractStatelessTerm
from wildrobot_eqx.physics.mujoco_tools.contacts import deepest_contact
from wildrobot_eqx.robots import Mirror
from wildrobot_eqx.terms import BaseHeight


@pytest.fixture(scope="module")
def good():
    """The hopper's env and the record of a trial of it."""
    env = faults.good_env()
    return env, simulate(env, jax.random.key(shifted(0)), 24, 3.0)


def _problems(remarks):
    return {remark.subject: remark.finding for remark in remarks if remark.problem}


def _notices(remarks):
    return {remark.subject: remark.finding for remark in remarks if not remark.problem}


def test_a_good_env_shows_no_problem(good):
    env, record = good
    assert record.traces == 1
    assert record.reward.shape == (300, 24)
    remarks = judge(env, record)
    assert _problems(remarks) == {}
    planar = "some entries never change: gravity 1; gyro 0, 2; command 1; linvel 1"
    assert _notices(remarks) == {"env.observations": planar}


# --- what a record may show ------------------------------------------------------------------------------


def _set(array, index, value):
    new = array.copy()
    new[index] = value
    return new


def test_a_home_pose_that_falls_is_reported(good):
    env, record = good
    fallen = _set(record.terminated, (30, slice(0, 6)), True)
    (seen,) = _problems(judge(env, dataclasses.replace(record, terminated=fallen))).values()
    assert "6 of 8 fell within 3.0 s, the first after 0.60 s" in seen


def test_a_robot_on_points_may_fall_slowly(good):
    """Nothing holds it upright under zero action: that is no fault of its home pose."""
    env, record = good
    fallen = dataclasses.replace(record, terminated=_set(record.terminated, (60, slice(0, 8)), True))
    robot = env.physics.robot
    foot = robot.model.mj.site_bodyid[robot.feet[0].site]

    def ball(mj):
        mj.geom_type[mj.geom_bodyid == foot] = mujoco.mjtGeom.mjGEOM_SPHERE

    on_points = dataclasses.replace(robot, model=robot.model.edit(ball))
    env = eqx.tree_at(lambda e: e.physics.robot, env, on_points)
    assert "the home pose" not in _problems(judge(env, fallen))
    assert "8 of 8 fell" in _notices(judge(env, fallen))["the home pose"]


def test_a_home_pose_without_torque_headroom_is_reported(good):
    env, record = good
    for share, grade in ((0.97, _problems), (0.7, _notices)):
        force = _set(record.force, (slice(None), slice(0, 8), 1), share * 8.0)
        seen = grade(judge(env, dataclasses.replace(record, force=force)))["the home pose"]
        assert f"{100 * share:.0f}% of the torque of 'knee_pitch'" in seen


def test_a_figure_of_another_robot_is_told(good):
    env, record = good
    term = locomotion.GaitContacts(env.physics.robot, load=15.0)
    commands = {**env.commands, "gait": locomotion.gaits.two_beat(env.physics.robot)}
    wrong = dataclasses.replace(env, rewards={**env.rewards, "contacts": term}, commands=commands)
    metrics = {**record.metrics, "raw/contacts": record.metrics["raw/alive"], "reward/contacts": record.reward}
    found = _problems(judge(wrong, dataclasses.replace(record, metrics=metrics)))
    assert "a foot counts as loaded from 15 N" in found["env.rewards['contacts'].load"]


def test_a_posture_of_no_joint_is_a_notice(good):
    """A recipe that names joints of another robot holds none of this one: no problem of the env."""
    env, record = good
    held = dataclasses.replace(env, rewards={**env.rewards, "held": task.Posture(env.physics.robot, joints=())})
    nothing = np.zeros_like(record.reward)
    metrics = {**record.metrics, "raw/held": nothing, "reward/held": nothing}
    remarks = judge(held, dataclasses.replace(record, metrics=metrics))
    assert _notices(remarks)["env.rewards['held']"] == "it holds no joint of this robot"
    assert _problems(remarks) == {}


def test_first_poses_in_the_floor_are_reported(good):
    env, record = good
    deep = record.first_qpos.copy()
    deep[3, 1] -= 0.03
    seen = _problems(judge(env, dataclasses.replace(record, first_qpos=deep)))["env.reset_state"]
    assert "floor and foot" in seen
    depth, pairs = deepest_contact(env.physics.model, deep)
    assert f"at worst {1e3 * depth[3]:.0f} mm" in seen
    assert 0.02 < depth[3] < 0.06
    assert pairs[3] == "floor and foot"


def test_a_second_trace_is_reported(good):
    env, record = good
    assert "traced it 2 times" in _problems(judge(env, dataclasses.replace(record, traces=2)))["a second call"]


def test_targets_on_their_limits_are_reported(good):
    env, record = good
    high = float(env.physics.robot.joint_range[2, 1])
    for share, grade in ((1.0, _problems), (0.3, _notices)):
        rows = slice(0, round(share * record.target.shape[0]))
        target = _set(record.target, (rows, slice(8, 16), 2), high)
        seen = grade(judge(env, dataclasses.replace(record, target=target)))["env.controller"]
        assert "'ankle_pitch'" in seen
        assert "hip" not in seen


# --- what is simulated -----------------------------------------------------------------------------------


class Pays(task.AbstractStatelessReward):
    """A penalty with one minus sign too many."""

    weight: Float[Array, ""] = eqx.field(default=-1.0, converter=f32)

    def __call__(self, signals):
        return -jnp.sum(jnp.square(signals.action))


class Costs(task.AbstractStatelessReward):
    """A reward that only costs."""

    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return -jnp.sum(jnp.square(signals.action)) - 0.1


class Dead(task.AbstractStatelessReward):
    """Never anything but 0."""

    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return jnp.minimum(jnp.sum(jnp.square(signals.action)), 0.0)


class Flat(task.AbstractStatelessReward):
    """Always the same, but not 0."""

    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return 2.0 * jnp.ones((), jnp.float32)


class Loud(task.AbstractStatelessReward):
    """Drowns the others."""

    weight: Float[Array, ""] = eqx.field(default=1e6, converter=f32)

    def __call__(self, signals):
        return jnp.sum(jnp.square(signals.action))


class Clock(AbstractStatelessTerm):
    """Grows without bound."""

    size = 1

    mirror = Mirror((0,), (1.0,))
    source = unit = frame = "s"
    measurable = True

    def __call__(self, signals):
        return signals.physics.time[None]


class Raw(AbstractStatelessTerm):
    """Millimetres of a joint's way: numbers no network likes."""

    size = 1

    mirror = Mirror((0,), (1.0,))
    source = unit = frame = "mm"
    measurable = True

    def __call__(self, signals):
        return 1e4 * signals.physics.qpos[3:4]


class Stuck(AbstractStatelessTerm):
    """A sensor that is not there."""

    size = 2

    mirror = Mirror((0, 1), (1.0, 1.0))
    source = unit = frame = "1"
    measurable = True

    def __call__(self, signals):
        return jnp.full((2,), 0.25, jnp.float32)


class Crossed(AbstractController):
    """Hands each action on to the next joint."""

    home: Float[Array, " nu"]

    def __init__(self, robot):
        self.home = robot.home_joints

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.home.size

    def rest(self):
        return self.home

    def init(self):
        return ()

    def __call__(self, state, action):
        return self.home + 0.1 * jnp.roll(action, 1), state


@pytest.fixture(scope="module")
def bad():
    """Remarks on an env with many faults at once."""
    env = faults.good_env()
    stack = env.observations["policy"]
    terms = {**stack.terms, "clock": Clock(), "raw": Raw(), "stuck": Stuck(), "height": BaseHeight(env.physics.robot)}
    rewards = {
        "pays": Pays(),
        "costs": Costs(),
        "dead": Dead(),
        "flat": Flat(),
        "off": Pays(weight=0.0),
        "loud": Loud(),
    }
    planted = faults.remake(
        env,
        controller=Crossed(env.physics.robot),
        rewards={**env.rewards, **rewards},
        observations={"policy": ObservationStack(terms, policy=False)},
    )
    return run_trial(planted, num_envs=12)


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("env.rewards['pays']", "the penalty pays"),
        ("env.rewards['dead']", "never varies: always 0"),
        ("env.observations['policy'].terms['clock']", "grows without bound"),
        ("env.observations['policy'].terms['raw']", "reaches "),
        ("env.observations['policy'].terms['stuck']", "never changes: [0.25, 0.25]"),
        ("env.observations['policy'].terms['height']", "cannot measure it (xpos), yet the policy reads it"),
        ("env.controller", "entry 2 of the action, 'ankle_pitch', moves the target of 'hip_pitch'"),
    ],
)
def test_planted_problems_are_seen(bad, subject, words):
    assert words in _problems(bad.remarks)[subject]
    assert not bad.passed


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("env.rewards['costs']", "it only ever costs"),
        ("env.rewards['flat']", "never varies: always 2"),
        ("env.rewards['off']", "its weight is 0"),
        ("env.rewards['loud']", "of all reward"),
    ],
)
def test_planted_oddities_are_noticed(bad, subject, words):
    assert words in _notices(bad.remarks)[subject]


def test_nothing_else_is_called_a_problem(bad):
    subjects = {"env.rewards['pays']", "env.rewards['dead']", "env.controller"}
    subjects |= {f"env.observations['policy'].terms[{name!r}]" for name in ("clock", "raw", "stuck", "height")}
    assert {remark.subject for remark in bad.problems} == subjects
    grades = [remark.problem for remark in bad.remarks]
    assert grades == sorted(grades, reverse=True), "problems come first"


class Breaks(task.AbstractStatelessReward):
    """The logarithm of a number that turns negative after half a second, in one env in three."""

    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        late = (signals.physics.time > 0.51) & (jnp.max(jnp.abs(signals.action)) > 4.9)
        return jnp.log(jnp.where(late, -1.0, 1.0))


def test_the_first_nan_is_placed_by_env_step_and_term():
    env = faults.good_env()
    planted = faults.remake(env, rewards={"breaks": Breaks()}, endings={})
    trial = run_trial(planted, num_envs=9)
    (problem,) = trial.problems
    assert problem.subject == "env.rewards['breaks']"
    assert "first in env 6 (extreme actions), step 25; later also timestep.reward" in problem.finding
    assert "rewards" not in trial.figures


# --- the command -----------------------------------------------------------------------------------------


def test_check_run_passes_the_hopper_and_prints_its_figures(good, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(trial_module, "simulate", lambda *arguments: asked.append(arguments) or good[1])
    assert main(["check", "hop", "--run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["passed"] is True
    run = document["run"]
    assert asked[0][2:] == (48, 3.0)
    assert run["problems"] == []
    assert len(run["notices"]) <= 2
    assert run["seconds"] > 0.0
    assert np.isclose(sum(row["fraction"] for row in run["rewards"].values()), 1.0)
    assert run["rewards"]["alive"]["min"] == run["rewards"]["alive"]["max"] == 1.0
    assert 0.0 < run["joints"]["knee_pitch"]["hold_torque"] < 0.3
    assert main(["check", "hop", "--run"]) == 0
    out = capsys.readouterr().out
    for text in ("Rewards in the trial", "torque to hold still", "some entries never change", "shows no problem"):
        assert text in out


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["walk"], ["hop", "--physics=mjx"], ["walk", "--physics=mjx"]], ids=" ".join)
def test_shipped_recipes_show_no_problem(arguments, capsys):
    assert main(["check", *arguments, "--run"]) == 0
    out = capsys.readouterr().out
    assert "The trial shows no problem." in out
    assert "Rewards in the trial" in out


def test_check_run_waits_for_the_contract(tmp_path, capsys):
    recipe = tmp_path / "planted.py"
    recipe.write_text(
        "import faults\nfrom wildrobot_eqx import PPO, Recipe, recipe\n\n@recipe\ndef planted() -> Recipe:\n"
        "    env = faults.plant('vector reward', faults.good_env())\n"
        "    return Recipe(env=env, learner=PPO(num_envs=8), steps=8)\n"
    )
    assert main(["check", str(recipe), "--run"]) == 1
    assert "--run waits until the contract holds." in capsys.readouterr().out
