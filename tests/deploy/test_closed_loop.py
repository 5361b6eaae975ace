"""The player before a gate: kicked, walking sideways and turning, measured as the training env measures."""

import copy
import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest
from bundles import env_and_policy, make_files, opened, sealed
from jaxtyping import Array, Float

import wildrobot_eqx as we
from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.bundle.contract import read_contract
from wildrobot_eqx.deploy.hardware.mujoco_robot import MujocoRobot
from wildrobot_eqx.evaluate.walking.episodes import run_episodes
from wildrobot_eqx.evaluate.walking.figures import figures
from wildrobot_eqx.evaluate.walking.kicks import aim, kicked, with_kicks
from wildrobot_eqx.evaluate.walking.meter import GaitMeter
from wildrobot_eqx.gates import Motion, StandGate, WalkGate
from wildrobot_eqx.physics.mujoco_tools.kinematics import base_translation
from wildrobot_eqx.release.closed_loop import closed_loop
from wildrobot_eqx.release.gate_codec import describe_gate, read_judge

MOTIONS = (Motion("left", -0.1), Motion("turn", 0.2), Motion("turn", 0.9, required=False))


@pytest.mark.parametrize(
    "gate",
    [
        WalkGate(required=(0.0, 0.2), seconds=5.0, warmup=1.0, motions=MOTIONS),
        StandGate(required=(0.0, 0.5), seconds=7.0, kick_at=2.0, recovery=1.5),
    ],
)
def test_a_gate_comes_back_from_the_contract(gate):
    judge = read_judge(json.loads(json.dumps(describe_gate(gate))), 8)
    same = dataclasses.replace(gate, reported=(), episodes=8)
    if isinstance(gate, WalkGate):
        same = dataclasses.replace(same, motions=())  # they are cases of their own
        assert [case.motion for case in judge.cases] == [None, None, *MOTIONS[:2]]
        assert [case.told for case in judge.cases[2:]] == [{"speed": 0.0, "lateral": -0.1}, {"speed": 0.0, "turn": 0.2}]
        assert judge.warmup == 1.0
    else:
        assert [(case.kick, case.kick_at) for case in judge.cases] == [(0.0, 2.0), (0.5, 2.0)]
        assert judge.warmup == 3.5
    assert judge.gate == same


@pytest.mark.parametrize("told", [None, {"judge": "OtherGate"}])
def test_a_gate_that_nobody_here_knows_judges_nothing(told):
    assert read_judge(told, 8) is None
    assert describe_gate(None) is None


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


@pytest.fixture(scope="module")
def planar():
    """The robust walk's bundle and env, with a policy that keeps the robot upright for a second."""
    return opened(make_files("walk_robust", calm=True)), *env_and_policy("walk_robust", calm=True)


class From(we.resets.AbstractReset):
    """Always this pose."""

    qpos: Float[Array, " nq"]
    qvel: Float[Array, " nv"]

    def __call__(self, key, commands):
        return self.qpos, self.qvel


def _tallies(planar, env, warmup, commands, motions=None, vary=lambda env, row: env, kicks=None):
    """The training env's, from the bundle's first poses."""
    rows = planar[0].golden()
    starts = (rows[name][:EPISODES] for name in ("start_qpos", "start_qvel"))
    poses = tuple(jnp.tile(jnp.asarray(start), (len(commands), 1)) for start in starts)

    def each(env, row):
        pose, kick = row
        return dataclasses.replace(vary(env, kick), reset_state=From(*pose))

    meter = GaitMeter(env.physics.robot, SECONDS, warmup)
    return meter, run_episodes(
        env, planar[2], meter, commands, EPISODES, SECONDS, motions=motions, vary=each, rows=(poses, kicks)
    )


def _agree(meter, tally, shown, least):
    """What the player's episodes came to is what the training env's came to."""
    wanted = figures(meter, tally, 0.0)
    compared = [name for name, value in shown.items() if name in wanted and np.isfinite(value)]
    assert len(compared) >= least
    for name in compared:
        np.testing.assert_allclose(shown[name], wanted[name], atol=2e-3, rtol=1e-2, err_msg=name)


@pytest.mark.slow
def test_a_kicked_player_measures_as_a_kicked_env(planar):
    bundle, env, _ = planar
    kicks = (0.0, 0.4)
    told = describe_gate(StandGate(required=kicks, seconds=SECONDS, kick_at=0.4, recovery=0.0))
    found = closed_loop(bundle, read_judge(told, EPISODES), print)
    meter, tallies = _tallies(planar, with_kicks(env, 0.4), 0.4, (0.0, 0.0), vary=kicked, kicks=aim(kicks, EPISODES))
    for tally, shown in zip(tallies, found.figures):
        _agree(meter, tally, shown.values, 8)
    still, moved = (shown.values for shown in found.figures)
    assert moved["base_speed"] > 2.0 * still["base_speed"]
    assert found.columns == "kick"
    assert {line.when for line in found.lines} == {"after a kick of"}


@pytest.mark.slow
def test_a_player_told_to_turn_measures_as_an_env_told_to(planar):
    """The held heading turns on, and errors are against it: told nothing, they would be larger."""
    bundle, env, _ = planar
    assert [c.name for c in env.observations["policy"].terms["command"].channels] == [
        "lin_vel_x",
        "lin_vel_y",
        "yaw_rate",
    ]
    gate = WalkGate(required=(0.0,), seconds=SECONDS, warmup=0.4, motions=(Motion("turn", 0.5), Motion("left", 0.12)))
    found = closed_loop(bundle, read_judge(describe_gate(gate), EPISODES), print)
    assert [(f.axis, f.command) for f in found.figures] == [("", 0.0), ("turn", 0.5), ("left", 0.12)]
    assert {line.axis for line in found.lines} == {"", "turn", "left"}
    meter, tallies = _tallies(planar, env, 0.4, (0.0,) * 3, motions=((0.0, 0.0), (0.0, 0.5), (0.12, 0.0)))
    for tally, shown in zip(tallies, found.figures):
        _agree(meter, tally, shown.values, 6)
