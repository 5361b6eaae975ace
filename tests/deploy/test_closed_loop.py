"""The player before a gate: kicked, walking sideways and turning, measured as the training env measures."""

import copy
import dataclasses
import json

import numpy as np
import pytest
from bundles import env_and_policy, make_files, opened, sealed, tampered

from wildrobot_eqx import WildRobotError, load_recipe
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.bundle.read import read_contract
from wildrobot_eqx.deploy.hardware.mujoco_robot import MujocoRobot
from wildrobot_eqx.evaluate.gate import AbstractGate
from wildrobot_eqx.gates import Motion, StandGate, WalkGate
from wildrobot_eqx.physics.mujoco_tools.kinematics import base_translation
from wildrobot_eqx.release.closed_loop import closed_loop
from wildrobot_eqx.release.gate_codec import RecordedReset, describe_gate, read_judge

MOTIONS = (Motion("left", -0.1), Motion("turn", 0.2), Motion("turn", 0.9, required=False))


def _held_to(files, gate: AbstractGate | None) -> Bundle:
    """The bundle with a verdict of that gate, as its export describes it."""
    verdict = {"passed": True, "provisional": None, "failed": [], "lines": [], **describe_gate(gate)}
    return opened(tampered(files, lambda document, _: document.update(gate=json.loads(json.dumps(verdict)))))


@pytest.mark.parametrize(
    "gate",
    [
        WalkGate(required=(0.0, 0.2), seconds=5.0, warmup=1.0, motions=MOTIONS),
        StandGate(required=(0.0, 0.5), seconds=7.0, kick_at=2.0, recovery=1.5),
    ],
)
def test_a_gate_comes_back_from_the_contract(gate, walk_files):
    """With an env of the same robot, the same commands, the same endings and the recorded first states."""
    bundle = _held_to(walk_files, gate)
    env, judge = read_judge(bundle)
    same = dataclasses.replace(gate, reported=())
    if isinstance(gate, WalkGate):
        same = dataclasses.replace(same, motions=MOTIONS[:2])
    assert judge == same
    recipe = load_recipe("walk")()
    assert env.physics.robot.model == recipe.env.physics.robot.model
    assert env.physics.timestep == 0.005
    for name, value in recipe.env.commands["velocity"].constants().items():
        assert env.commands["velocity"].constants()[name] == value
    assert np.array_equal(env.commands["velocity"].bounds(), recipe.env.commands["velocity"].bounds())
    fallen, own = env.endings["fallen"], recipe.env.endings["fallen"]
    assert (fallen.min_height, fallen.max_tilt) == (own.min_height, own.max_tilt)
    assert judge.limits(env) == same.limits(recipe.env)
    assert isinstance(env.reset_state, RecordedReset)
    assert np.array_equal(env.reset_state.qpos, bundle.golden()["start_qpos"])
    if isinstance(gate, StandGate):
        assert [case.required for case in judge.cases(env)] == [True, True]


class OtherGate(WalkGate):
    """One that a bundle does not describe."""

    def describe(self):
        return None


def test_a_gate_that_no_bundle_describes_judges_nothing(walk_files):
    assert describe_gate(None) == {}
    assert describe_gate(OtherGate()) == {"judge": "OtherGate"}
    assert read_judge(_held_to(walk_files, OtherGate())) is None
    assert read_judge(_held_to(walk_files, None)) is None
    gate = WalkGate(required=(0.0,))
    assert read_judge(_held_to(walk_files, gate)) is not None
    for lost in (
        lambda d: d.update(simulation=None),
        lambda d: d["gate"].pop("seconds"),
        lambda d: d["command"]["parts"]["velocity"].update(kind="OtherCommand"),
    ):
        files = tampered(_files(_held_to(walk_files, gate)), lambda d, _, lost=lost: lost(d))
        assert read_judge(opened(files)) is None


def test_a_gait_that_never_rests_comes_back_from_the_contract(walk_files):
    """A robot that steps on the spot is not held to stand, and its feet are timed."""
    gate = WalkGate(required=(0.0, 0.2))

    def steps(document, _):
        document["clock"].update(rests=False, swing=0.3)

    env, judge = read_judge(opened(tampered(_files(_held_to(walk_files, gate)), steps)))
    meter = judge.meter(env).gait
    assert (meter.rests, meter.duty, meter.together) == (False, 0.7, ((0,), (1,)))
    assert [limit.cases for limit in judge.limits(env) if limit.figure == "feet_down"] == [()]
    other = tampered(_files(_held_to(walk_files, gate)), lambda d, _: d["clock"].update(mid_swing={"one": 0.0}))
    with pytest.raises(WildRobotError, match="other feet"):
        read_judge(opened(other))


def _files(bundle: Bundle) -> dict[str, bytes]:
    return {"contract.json": sealed(bundle.contract.document), **bundle.files}


def test_a_bundle_of_another_robot_is_not_judged(hop):
    env, _ = env_and_policy("walk")
    with pytest.raises(WildRobotError, match=r"is of the robot 'hopper', and not of the one in this env"):
        closed_loop(hop, env, WalkGate(required=(0.0,)), 1)


def test_a_stand_gate_that_does_not_say_when_it_kicks_is_refused(hop):
    document = copy.deepcopy(hop.contract.document)
    document["gate"] = {"passed": True, "lines": [], **describe_gate(StandGate())}
    read_contract(sealed(document))
    del document["gate"]["kick_at"]
    with pytest.raises(WildRobotError, match="does not say when it kicks"):
        read_contract(sealed(document))


def test_a_kick_is_the_one_of_training(bundle, request):
    robot = MujocoRobot(bundle)
    velocity = np.array([0.3, -0.4, 0.0])
    before = robot.data.qvel.copy()
    robot.kick(velocity)
    name = "robot" if "left_knee_pitch" in robot.joints else "hopper"
    wanted = base_translation(request.getfixturevalue(name)) @ velocity
    np.testing.assert_allclose(robot.data.qvel - before, wanted)
    assert np.abs(wanted).max() == pytest.approx(0.4 if name == "robot" else 0.3)


EPISODES, SECONDS = 8, 1.2
KICKED = StandGate(required=(0.0, 0.4), reported=(), seconds=SECONDS, kick_at=0.4, recovery=0.0)
STEERED = WalkGate(
    required=(0.0,),
    reported=(),
    seconds=SECONDS,
    warmup=0.4,
    motions=(Motion("turn", 0.5), Motion("left", 0.12)),
)


@pytest.fixture(scope="module")
def planar_files():
    """The robust walk's bundle, of a policy that keeps the robot upright for a second."""
    return make_files("walk_robust", calm=True)


def _agree(found, wanted, least: int):
    """What the player's episodes came to is what the training env's came to."""
    assert [(f.command, f.axis) for f in found.figures] == [(f.command, f.axis) for f in wanted.figures]
    for one, other in zip(found.figures, wanted.figures):
        compared = [name for name, value in other.values.items() if value is not None and np.isfinite(value)]
        assert one.values.keys() == other.values.keys()
        assert len(compared) >= least
        for name in compared:
            np.testing.assert_allclose(one.values[name], other.values[name], atol=2e-3, rtol=1e-2, err_msg=name)
    assert [(line.name, line.command, line.axis, line.limit) for line in found.lines] == [
        (line.name, line.command, line.axis, line.limit) for line in wanted.lines
    ]


@pytest.mark.slow
@pytest.mark.parametrize("described", [False, True], ids=["of the recipe", "of the bundle"])
@pytest.mark.parametrize(("gate", "least"), [(KICKED, 8), (STEERED, 6)], ids=["kicked", "steered"])
def test_a_player_measures_as_the_env_does(gate, least, described, planar_files):
    """From the same first states: those of the recipe's env, or those that the bundle has recorded of it."""
    bundle, (env, policy) = _held_to(planar_files, gate), env_and_policy("walk_robust", calm=True)
    judge_env, judge = read_judge(bundle) if described else (env, gate)
    assert judge == gate
    found = closed_loop(bundle, judge_env, judge, EPISODES)
    wanted = gate(
        dataclasses.replace(env, reset_state=judge_env.reset_state), policy, episodes=EPISODES, timesteps=(0.005,)
    )
    _agree(found, wanted, least)
    assert found.episodes == EPISODES
    if gate is KICKED:
        still, moved = (shown.values for shown in found.figures)
        assert moved["base_speed"] > 2.0 * still["base_speed"]
        assert found.columns == "kick"
        assert {line.when for line in found.lines} == {"after a kick of"}
    else:
        assert [(f.axis, f.command) for f in found.figures] == [("", 0.0), ("turn", 0.5), ("left", 0.12)]
        assert {line.axis for line in found.lines} == {"", "turn", "left"}


@pytest.mark.slow
def test_a_player_reaches_as_the_env_does():
    """A gate of goals, which only the recipe has."""
    bundle, (env, policy) = opened(make_files("reach")), env_and_policy("reach")
    gate = dataclasses.replace(load_recipe("reach")().gate, seconds=1.0, hold=0.2)
    found = closed_loop(bundle, env, gate, 16)
    wanted = gate(env, policy, episodes=16, timesteps=(0.005,))
    assert read_judge(bundle) is None
    _agree(found, wanted, 1)
