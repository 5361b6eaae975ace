"""The stand gate: puppets of known figures, and its kicks in the engine."""

import io
import json
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_physics
from puppets import Constant, gather, walk
from rich.console import Console

import wildrobot_eqx as we
from wildrobot_eqx import WildRobotError
from wildrobot_eqx.arrays import f32
from wildrobot_eqx.evaluate.gate import GateResult
from wildrobot_eqx.evaluate.rollout import judged_env
from wildrobot_eqx.evaluate.walking.episodes import run_episodes
from wildrobot_eqx.evaluate.walking.kicks import DIRECTIONS, TimedKick, aim, kicked, with_kicks
from wildrobot_eqx.evaluate.walking.meter import GaitMeter
from wildrobot_eqx.gates import StandGate


@pytest.fixture(scope="module")
def meter(env) -> GaitMeter:
    return StandGate().meter(env).gait


def failed(meter: GaitMeter, kick: float, *episodes) -> set[str]:
    """Names of the lines that these episodes fail."""
    _, lines = StandGate().judge(meter, gather(meter, *episodes), kick, 0.005)
    return {line.name for line in lines if not line.passed}


ALWAYS = {"survival", "feet_down", "travel_speed", "base_speed", "tilt", "slip", "torque_rms", "saturated", "overspeed"}
STAYING = {"displacement", "heading_error"}  # not asked for after a kick


@pytest.mark.parametrize("kick", [0.0, 0.8])
def test_a_robot_that_stands_passes_every_line(meter, kick):
    _, lines = StandGate().judge(meter, gather(meter, walk(0.0)), kick, 0.005)
    assert [str(line) for line in lines if not line.passed] == []
    assert {line.name for line in lines} == ALWAYS | (STAYING if kick == 0.0 else set())


DEFECTS = {
    "leans forward": ({"pitch": math.radians(8.1)}, {"tilt"}),
    "leans sideways": ({"roll": math.radians(-8.1)}, {"tilt"}),
    "sways": ({"sway": 0.031}, {"base_speed"}),
    "creeps": ({"speed": -0.011}, {"travel_speed"}),
    "marches": ({"march": True}, {"feet_down"}),
    "slips": ({"slip": 0.06}, {"slip"}),
    "strains": ({"torque": 1.48}, {"torque_rms"}),
    "saturates": ({"saturate": 0.24}, {"saturated"}),
    "overspeeds": ({"overspeed": 0.14}, {"overspeed"}),
    "falls": ({"fall_at": 8.0}, {"survival", "travel_speed"}),
    "is no number": ({"nan_at": 8.0}, {"survival", "travel_speed"}),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_fails_its_own_line_and_no_other(meter, defect):
    spoiled, lines = DEFECTS[defect]
    assert failed(meter, 0.8, walk(0.0, **spoiled)) == lines


def test_only_without_a_kick_must_it_stay_where_it_is(meter):
    """0.9 cm/s are no creeping robot's, but 9 cm in 10 s; heading counts, too."""
    aside, turned = walk(0.0, sideways=0.0099, speed=0.004), walk(0.0, heading=math.radians(5.1))
    assert "displacement" in failed(meter, 0.0, aside)
    assert "displacement" not in failed(meter, 0.8, aside)
    assert failed(meter, 0.0, turned) == {"heading_error"}
    assert failed(meter, 0.8, turned) == set()


def test_what_happens_before_it_must_be_back_counts_only_for_survival(meter):
    good, bad = walk(0.0), walk(0.0, torque=3.9, slip=1.0, pitch=0.5, sway=1.0)
    time = np.arange(good.pitch.size) * meter.dt

    def until(end):
        return jax.tree.map(lambda a, b: jnp.where((time < end).reshape(-1, *[1] * (a.ndim - 1)), b, a), good, bad)

    assert failed(meter, 0.8, until(5.9)) == set()
    assert failed(meter, 0.8, until(8.0)) == {"tilt", "base_speed", "slip", "torque_rms"}
    assert "survival" in failed(meter, 0.8, walk(0.0, fall_at=4.0))


def test_survival_is_reported_by_direction(meter):
    episodes = [walk(0.0, fall_at=4.0 if i in (2, 10, 12) else None) for i in range(16)]
    values = StandGate().judge(meter, gather(meter, *episodes), 0.8, 0.005)[0].values
    survival = [values[f"survival_{name}"] for name in DIRECTIONS]
    assert survival == [1.0, 1.0, 0.0, 1.0, 0.5, 1.0, 1.0, 1.0]
    assert values["survival"] == 13 / 16


def turn(robot, physics):
    """The robot's IMU turned by a quarter to the left."""
    part = robot.imu().quat
    quarter = f32([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])
    turned = we.rotation.quat_multiply(quarter, part.read(physics.sensordata))
    return eqx.tree_at(
        lambda p: p.sensordata,
        physics,
        physics.sensordata.at[part.address : part.address + part.size].set(turned),
    )


def test_a_timed_kick_comes_once_and_at_its_time(robot):
    physics, params = random_physics(robot), we.NativePhysics(robot).params()
    event = TimedKick(robot, at=0.06)
    heading = float(we.rotation.yaw(robot.imu().quat.read(physics.sensordata)))
    angle = np.arctan2(-0.4, 0.3) - heading
    event = eqx.tree_at(lambda e: (e.kick.speed, e.kick.angle), event, (f32(0.5), f32(angle)))
    state = event.init(jax.random.key(0), 0.02)
    changes = []
    for _ in range(6):
        after, same, state = event(jax.random.key(0), state, physics, params, 0.02)
        assert same is params
        physics = turn(robot, physics)  # the kick goes by the first heading
        changes.append(np.asarray(after.qvel - physics.qvel)[:3])
    assert np.abs(np.delete(changes, 3, axis=0)).max() == 0.0
    assert changes[3] == pytest.approx([0.3, -0.4, 0.0], abs=1e-6)


@pytest.fixture(scope="module")
def stiff(env) -> GateResult:
    """A robot that holds its home pose: nobody trained it."""
    gate = StandGate(seconds=5.0, kick_at=1.0)
    return gate(env, Constant(env.action_size), episodes=16, timesteps=(0.005,))


@pytest.mark.slow
def test_a_robot_that_only_holds_its_pose_fails_the_hard_kicks_and_nothing_else(stiff):
    survival = {figures.command: figures.values["survival"] for figures in stiff.figures}
    assert survival[0.0] == survival[0.5] == 1.0
    assert 0.25 < survival[0.8] < 0.75
    assert survival[1.0] <= 0.125
    (hard,) = (figures for figures in stiff.figures if figures.command == 0.8)
    assert hard.values["survival_ahead"] == hard.values["survival_back"] == 0.0
    assert [(line.name, line.command) for line in stiff.lines if not line.passed] == [("survival", 0.8)]
    assert all(line.command != 1.0 for line in stiff.lines), "reported only"


@pytest.mark.slow
def test_kicks_go_where_they_are_said_to(env):
    """Before a stiff robot stops, it has moved along its kick, whatever its heading in the world."""
    meter = GaitMeter(env.physics.robot, 0.1, 0.0)
    (tally,) = run_episodes(
        with_kicks(judged_env(env, 0.005), 0.0),
        Constant(env.action_size),
        meter,
        (0.0,),
        8,
        0.1,
        vary=kicked,
        rows=aim((0.5,), 8),
    )
    moved = tally.position - tally.start
    off = np.arctan2(moved[:, 1], moved[:, 0]) - np.arange(8) * np.pi / 4
    assert np.abs(np.angle(np.exp(1j * off))).max() < 0.4


@pytest.mark.slow
def test_a_result_is_plain_json_and_a_table(stiff):
    document = json.loads(json.dumps(stiff.to_json(), allow_nan=False))
    assert document["columns"] == "kick"
    assert document["provisional"] == "16 of 256 episodes, 1 of 2 physics timesteps"
    assert str(stiff.lines[-1]).startswith("overspeed after a kick of 0.8 m/s (5 ms physics): ")
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(stiff.table())
    shown = console.export_text()
    assert "kick, m/s:" in shown
    assert "survival, back left (%)" in shown
    assert "…" not in shown


@pytest.mark.parametrize(
    ("options", "message"), [({"episodes": 0}, "at least one episode"), ({"timesteps": ()}, "one")]
)
def test_bad_options_are_refused(env, options, message):
    with pytest.raises(WildRobotError, match=message):
        StandGate()(env, Constant(env.action_size), **options)


def test_episodes_that_end_before_the_robot_must_be_back_are_refused():
    with pytest.raises(WildRobotError, match="leave nothing"):
        StandGate(seconds=6.0)
