import dataclasses
import io
import json
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import default_commands, hearing, make_env, shifted, wrong_world
from puppets import DT, PERIOD, Constant, March, gather, walk
from rich.console import Console

from wildrobot_eqx import Env, Ground, ObservationStack, WildRobotError
from wildrobot_eqx.evaluate.gate import CommandFigures, GateLine, GateResult, Limit
from wildrobot_eqx.evaluate.rollout import judge_key, judged_env
from wildrobot_eqx.evaluate.walking.episodes import measured, with_command
from wildrobot_eqx.evaluate.walking.measure import measure
from wildrobot_eqx.evaluate.walking.meter import GaitMeter
from wildrobot_eqx.evaluate.walking.motions import Motion, judge_motion
from wildrobot_eqx.evaluate.walking.stand_gate import StandGate
from wildrobot_eqx.evaluate.walking.walk_gate import WalkGate
from wildrobot_eqx.physics import NativePhysics, ScaleMass
from wildrobot_eqx.resets import HomeReset
from wildrobot_eqx.terms import CommandTerm


@pytest.fixture(scope="module")
def meter(robot) -> GaitMeter:
    return GaitMeter(robot, seconds=10.0, warmup=3.0)


def failed(meter: GaitMeter, command: float, *episodes) -> set[str]:
    """Names of the lines that these episodes fail."""
    _, lines = WalkGate().judge(meter, gather(meter, *episodes), command, 0.005)
    return {line.name for line in lines if not line.passed}


def found(meter: GaitMeter, command: float, *episodes) -> dict[str, float]:
    return WalkGate().judge(meter, gather(meter, *episodes), command, 0.005)[0].values


ALWAYS = {"survival", "speed_error", "drift", "heading_error", "pitch", "slip", "torque_rms", "saturated", "overspeed"}
STANDING = {"feet_down", "travel_speed"}
STEPPING = {"swing_peak_left", "swing_peak_right", "swing_ratio"}


@pytest.mark.parametrize("command", [0.0, 0.1, 0.2, 0.3, 0.4])
def test_a_perfect_walk_passes_every_line(meter, command):
    _, lines = WalkGate().judge(meter, gather(meter, walk(command)), command, 0.005)
    assert [str(line) for line in lines if not line.passed] == []
    assert {line.name for line in lines} == ALWAYS | (STANDING if command == 0.0 else STEPPING)


PEAKS = {"swing_peak_left", "swing_peak_right"}
DEFECTS = {
    "too slow": (0.3, {"speed": 0.27}, {"speed_error"}),
    "too fast": (0.1, {"speed": 0.13}, {"speed_error"}),
    "limps on the left": (0.2, {"swing": (0.3, 0.45)}, {"swing_ratio"}),
    "limps on the right": (0.2, {"swing": (0.45, 0.3)}, {"swing_ratio"}),
    "shuffles": (0.2, {"height": (0.02, 0.02)}, PEAKS),
    "lifts one foot only": (0.2, {"height": (0.05, 0.02)}, {"swing_peak_right"}),
    "drags its feet": (0.2, {"drag": True}, PEAKS | {"swing_ratio", "slip"}),
    "slips": (0.2, {"slip": 0.06}, {"slip"}),
    "drifts": (0.2, {"sideways": -0.021}, {"drift"}),
    "turns": (0.2, {"heading": math.radians(-5.1)}, {"heading_error"}),
    "leans forward": (0.2, {"pitch": math.radians(8.1)}, {"pitch"}),
    "leans back": (0.2, {"pitch": math.radians(-8.1)}, {"pitch"}),
    "strains": (0.2, {"torque": 1.48}, {"torque_rms"}),
    "saturates": (0.2, {"saturate": 0.24}, {"saturated"}),
    "overspeeds": (0.2, {"overspeed": 0.14}, {"overspeed"}),
    "falls": (0.2, {"fall_at": 8.0}, {"survival", "speed_error", "drift", "heading_error"}),
    "marches at zero command": (0.0, {"march": True}, {"feet_down"}),
    "creeps at zero command": (0.0, {"speed": -0.011}, {"travel_speed"}),
    "creeps sideways at zero command": (0.0, {"sideways": 0.011}, {"travel_speed"}),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_fails_its_own_line_and_no_other(meter, defect):
    command, spoiled, lines = DEFECTS[defect]
    assert failed(meter, command, walk(command, **spoiled)) == lines


@pytest.mark.parametrize(
    ("command", "spoiled"),
    [
        (0.3, {"speed": 0.28}),
        (0.2, {"swing": (0.4, 0.33)}),
        (0.2, {"height": (0.031, 0.031)}),
        (0.2, {"slip": 0.045}),
        (0.2, {"sideways": 0.019}),
        (0.2, {"pitch": math.radians(7.5)}),
        (0.2, {"torque": 1.45}),
        (0.2, {"saturate": 0.2}),
        (0.2, {"overspeed": 0.1}),
        (0.2, {"chatter": True}),
    ],
)
def test_a_lesser_defect_passes(meter, command, spoiled):
    assert failed(meter, command, walk(command, **spoiled)) == set()


def test_opposite_errors_do_not_cancel(meter):
    assert failed(meter, 0.2, walk(0.2, speed=0.16), walk(0.2, speed=0.24)) == {"speed_error"}
    assert failed(meter, 0.2, walk(0.2, pitch=0.2), walk(0.2, pitch=-0.2)) == {"pitch"}
    limps = walk(0.2, swing=(0.3, 0.45)), walk(0.2, swing=(0.45, 0.3))
    assert failed(meter, 0.2, *limps) == {"swing_ratio"}
    assert failed(meter, 0.0, walk(0.0, speed=0.02), walk(0.0, speed=-0.02)) == {"travel_speed"}


def test_the_figures_of_a_known_walk(meter):
    values = found(meter, 0.3, walk(0.3, height=(0.05, 0.04)))
    assert values["survival"] == 1.0
    assert values["speed"] == pytest.approx(0.3, abs=1e-4)
    assert values["step_rate"] == pytest.approx(2.0 / PERIOD, rel=0.05)
    assert values["duty_factor"] == pytest.approx(0.6, abs=0.02)
    assert values["swing_peak_left"] == pytest.approx(0.05, abs=2e-4)
    assert values["swing_peak_right"] == pytest.approx(0.04, abs=2e-4)
    assert values["swing_ratio"] == pytest.approx(1.0, abs=0.03)
    assert values["feet_down"] == pytest.approx(0.2, abs=0.02)
    assert values["torque_rms"] == pytest.approx(1.0, rel=1e-5)
    assert values["torque_peak_ratio"] == pytest.approx(0.25)
    assert values["action_rate"] == pytest.approx(0.1, rel=1e-5)
    assert values["slip"] == 0.0


def one_joint_strains(command: float, torque: float = 3.1):
    """The others hardly work, so that the mean over all joints hides it; its sign changes."""
    samples = walk(command, torque=0.2)
    sign = jnp.where(jnp.arange(samples.torque.shape[0]) % 2 == 0, 1.0, -1.0)
    return eqx.tree_at(lambda s: s.torque, samples, samples.torque.at[:, 4].set(torque * sign))


def test_the_joint_that_strains_is_named(meter, robot):
    """Every joint's torque is in the result, though a robot without a continuous torque is held to no more lines."""
    figures, lines = WalkGate().judge(meter, gather(meter, walk(0.2, torque=0.2), one_joint_strains(0.2)), 0.2, 0.005)
    assert {line.name for line in lines if not line.passed} == set()
    assert "joint_torque_continuous" not in {*figures.values, *(line.name for line in lines)}
    name, rms = robot.joint_names[4], math.sqrt((0.2**2 + 3.1**2) / 2.0)
    document = figures.to_json()
    assert document["worst_joint"] == name
    assert set(document["joints"]) == set(robot.joint_names)
    assert document["joints"][name] == pytest.approx(
        {"torque_rms": rms, "torque_peak": 3.1, "torque_rms_ratio": rms / 4.0}, rel=1e-5
    )
    assert document["joints"][robot.joint_names[5]]["torque_rms"] == pytest.approx(0.2, rel=1e-5)
    assert figures.values["joint_torque_ratio"] == pytest.approx(rms / 4.0, rel=1e-5)
    caption = GateResult(tuple(lines), (figures,), 2, 10.0).table().caption
    assert name in caption
    assert f"{rms:.2f} N m" in caption


@pytest.mark.parametrize("judge", ["walk", "stand", "left", "turn"])
def test_a_continuous_torque_is_a_line_for_every_joint(judge, robot):
    servo = dataclasses.replace(robot.servo, continuous_torques=(1.5,) * robot.nu)
    meter = GaitMeter(dataclasses.replace(robot, servo=servo), seconds=10.0, warmup=3.0)

    def lines(*episodes):
        tally = gather(meter, *episodes)
        if judge == "walk":
            return WalkGate().judge(meter, tally, 0.2, 0.005)
        if judge == "stand":
            return StandGate().judge(meter, tally, 0.0, 0.005)
        return judge_motion(meter, tally, Motion(judge, 0.1), 0.005)

    for torque, passed in ((1.49, True), (1.51, False)):
        figures, found = lines(one_joint_strains(0.2, torque))
        (line,) = (line for line in found if line.name == "joint_torque_continuous")
        assert line.passed == passed
        assert line.value == pytest.approx(torque / 1.5, rel=1e-5)
        assert figures.worst_joint == robot.joint_names[4]


def test_joints_of_which_nothing_was_measured_are_null(meter, robot):
    figures, _ = WalkGate().judge(meter, gather(meter, walk(0.2, fall_at=0.5)), 0.2, 0.005)
    document = figures.to_json()
    assert document["worst_joint"] is None
    assert document["joints"][robot.joint_names[0]] == dict.fromkeys(("torque_rms", "torque_peak", "torque_rms_ratio"))
    json.dumps(document, allow_nan=False)


def test_swing_time_is_that_of_the_load(meter):
    values = found(meter, 0.2, walk(0.2, swing=(0.3, 0.4)))
    assert values["swing_ratio"] == pytest.approx(10 / 14)  # samples of 20 ms


def test_what_happens_before_the_warm_up_counts_only_for_survival_and_drift(meter):
    good, bad = walk(0.2), walk(0.2, torque=3.9, slip=1.0, pitch=0.5, overspeed=1.0)
    early = np.arange(good.pitch.size) * DT < 2.9

    def mixed(a, b):
        return jnp.where(early.reshape(-1, *[1] * (a.ndim - 1)), b, a)

    assert failed(meter, 0.2, jax.tree.map(mixed, good, bad)) == set()
    assert "survival" in failed(meter, 0.2, walk(0.2, fall_at=0.5))


def test_a_fallen_episode_stops_counting(meter):
    values = found(meter, 0.2, walk(0.2), walk(0.2, fall_at=5.0, speed=2.0, slip=0.1))
    alone = found(meter, 0.2, walk(0.2))
    assert values["survival"] == 0.5
    assert values["speed"] == pytest.approx(alone["speed"])
    assert 0.0 < values["slip"] < 0.05  # 2 s of the fallen episode against 7 s of the other


def test_samples_that_are_not_finite_end_the_episode(meter):
    tally = gather(meter, walk(0.2), walk(0.2, nan_at=6.0))
    assert tally.broken.tolist() == [False, True]
    assert tally.upright.tolist() == [True, False]
    assert np.isfinite(tally.position).all()
    assert "survival" in failed(meter, 0.2, walk(0.2, nan_at=6.0))


def test_a_figure_that_is_not_finite_fails_its_line():
    assert not Limit("drift", high=0.2).accepts(math.nan)
    assert not Limit("drift", low=0.0).accepts(math.inf)


@pytest.fixture(scope="module")
def calm(robot) -> Env:
    """Episodes begin in the home pose at rest: what nothing steers is not judged by its luck."""
    return make_env(robot, reset_state=HomeReset(robot, joint_noise=0.0, velocity_noise=0.0))


@pytest.fixture(scope="module")
def standing(calm) -> GateResult:
    """A policy that only ever stands, judged by the engine."""
    gate = WalkGate(required=(0.0, 0.2), reported=(0.5,), seconds=3.0, warmup=1.0)
    with hearing() as heard:
        result = gate(calm, Constant(calm.action_size), episodes=2, timesteps=(0.005,))
    assert heard.messages[-1] == "5 ms steps: 3 of 3 s, 6 of 6 upright"
    return result


def test_a_policy_that_stands_passes_at_zero_and_fails_to_walk(standing):
    assert not standing.passed
    assert {line.name for line in standing.lines if line.command == 0.0 and not line.passed} == set()
    assert {line.name for line in standing.lines if line.command == 0.2 and not line.passed} == {
        "speed_error",
        "swing_peak_left",
        "swing_peak_right",
        "swing_ratio",
    }
    assert any(text.startswith("speed error at 0.2 m/s (5 ms physics): 0.2") for text in standing.failed_lines())


@pytest.fixture(scope="module")
def marching(calm) -> dict[str, GateResult]:
    """Open-loop marches, judged by the engine at 0.1 m/s."""
    gate = WalkGate(required=(0.1,), reported=(), seconds=6.0, warmup=2.0)
    lifts = {"walks": (0.5, 0.5), "shuffles": (0.4, 0.4), "limps": (0.2, 0.6, -0.3)}
    return {name: gate(calm, March(calm, *lift), episodes=8, timesteps=(0.005,)) for name, lift in lifts.items()}


def test_a_policy_that_shuffles_fails_the_swing_peaks(marching):
    failed = {line.name for line in marching["shuffles"].lines if not line.passed}
    assert failed - {"heading_error"} == PEAKS  # nothing steers it
    value = marching["shuffles"].figures[0].values["swing_peak_left"]
    assert 0.02 < value < 0.03


def test_a_policy_that_limps_fails_the_symmetry(marching):
    failed = {line.name for line in marching["limps"].lines if not line.passed}
    assert "swing_ratio" in failed
    assert "survival" not in failed
    assert marching["limps"].figures[0].values["swing_ratio"] < 0.8


def test_the_same_march_with_higher_and_equal_steps_passes_both(marching):
    failed = {line.name for line in marching["walks"].lines if not line.passed}
    assert not failed & {"survival", "speed_error", "swing_ratio", *PEAKS}


def test_a_result_is_plain_json_and_a_table(standing):
    document = json.loads(json.dumps(standing.to_json(), allow_nan=False))
    assert document["passed"] is False
    assert [f["command"] for f in document["figures"]] == [0.0, 0.2, 0.5]
    assert document["figures"][1]["values"]["swing_peak_left"] is None
    assert not any(line["command"] == 0.5 for line in document["lines"])
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(standing.table())
    shown = console.export_text()
    assert "foot slip (m/s)" in shown
    assert "…" not in shown
    assert "0.5*" in shown
    assert "FAILED" in shown


def test_a_policy_that_is_not_finite_fails_everything(env):
    gate = WalkGate(required=(0.0, 0.2), reported=(0.5,), seconds=3.0, warmup=1.0)
    result = gate(env, Constant(env.action_size, math.nan), episodes=2, timesteps=(0.005,))
    assert not any(line.passed for line in result.lines)


def test_a_robot_with_one_foot_is_judged(hopper_env):
    gate = WalkGate(required=(0.2,), reported=(), seconds=0.4, warmup=0.1)
    result = gate(hopper_env, Constant(hopper_env.action_size), episodes=2, timesteps=(0.005,))
    names = {line.name for line in result.lines}
    assert "swing_peak_foot" in names
    assert "swing_ratio" not in names
    assert not result.passed


def test_an_imperfect_world_is_judged_as_the_model_has_it(hopper):
    """Without servos, calibration errors, pushes and drawn parameters; the policy's sensors are its own."""
    env = make_env(hopper, **wrong_world(hopper))
    judged = judged_env(env, 0.005)
    disturbances = judged.disturbances
    assert (disturbances.servos, disturbances.events, disturbances.randomisers) == (None, {}, ())
    calibration = disturbances.calibration(jax.random.key(0), env.action_size)
    assert np.asarray(calibration.joint_offset) == pytest.approx(0.0)
    state, timestep = eqx.filter_eval_shape(judged.reset, jax.random.key(0))
    after, _ = eqx.filter_eval_shape(judged.step, state, jnp.zeros(env.action_size))
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert timestep.obs["policy"].shape == (env.observations["policy"].size,)


def test_the_judge_changes_physics_and_command_only(robot):
    env = make_env(robot, randomisers=(ScaleMass(),))
    judged = judged_env(env, 0.002)
    assert isinstance(judged.physics, NativePhysics)
    assert judged.physics.timestep == 0.002
    assert judged.disturbances is None
    assert eqx.tree_equal(judged.reset_state, env.reset_state)
    own = eqx.tree_at(lambda c: c["velocity"].interval, env.commands, jnp.float32(jnp.inf))
    assert eqx.tree_equal(judged.commands, own)
    for speed in (0.0, 0.03, 0.4):
        command = with_command(judged, jnp.float32(speed)).commands["velocity"]
        assert float(command.sample(judge_key(0.002)).lin_vel_x) == pytest.approx(speed)


def test_the_command_of_a_judged_episode_is_never_drawn_again(env, batched):
    """The gates reset each episode in an env of its own command, and step all of them in one."""
    state, _ = batched.reset(seed=3)
    one = jax.tree.map(lambda leaf: leaf[0], state)
    keys = jax.random.split(jax.random.key(shifted(0)), 2000)

    def speeds(env):
        command, asked = env.commands["velocity"], one.commands["velocity"]
        return jax.vmap(lambda key: command.step(key, asked, one.physics, 0.02, {}).lin_vel_x)(keys)

    asked = float(one.commands["velocity"].lin_vel_x)
    assert np.unique(speeds(judged_env(env, 0.005))) == pytest.approx([asked])
    assert np.unique(speeds(env)).size > 1


def test_measurements_read_the_right_sensors(env, batched):
    state, timestep = batched.reset(seed=3)
    state, timestep = batched.hold(state, 50)
    sample = jax.vmap(lambda s, t: measure(env.physics.robot, s, t))(state, timestep)
    assert np.asarray(sample.foot_load).sum(axis=1) == pytest.approx(3.56 * 9.81, rel=0.05)
    assert np.abs(sample.foot_height).max() < 0.002
    assert np.abs(sample.heading_error).max() < 0.1
    assert np.abs(sample.pitch).max() < 0.1
    # 1 m along the commanded heading is (1, 0), whatever the world heading.
    heading = np.asarray(state.commands["velocity"].origin)
    ahead = np.stack([np.cos(heading), np.sin(heading)], axis=1).astype(np.float32)
    moved = eqx.tree_at(lambda s: s.physics.xpos, state, state.physics.xpos.at[:, :, :2].add(ahead[:, None]))
    there = jax.vmap(lambda s, t: measure(env.physics.robot, s, t))(moved, timestep)
    assert np.asarray(there.position - sample.position) == pytest.approx(np.tile([1.0, 0.0], (4, 1)), abs=1e-5)


def test_heights_are_measured_above_the_robots_ground(env, batched, robot):
    """A robot lifted by a plateau of 0.7 m has its soles on the floor there, and 0.7 m up for one on the plane."""
    plateau = Ground(jnp.full((7, 7), 0.7, jnp.float32), 3.0)
    state, timestep = jax.tree.map(lambda leaf: leaf[0], batched.hold(batched.reset(seed=3)[0], 50))
    up = eqx.tree_at(lambda s: s.physics.site_xpos, state, state.physics.site_xpos.at[:, 2].add(0.7))
    on = eqx.tree_at(lambda e: e.physics.robot, env, dataclasses.replace(robot, ground=plateau))
    np.testing.assert_allclose(measured(on)(up, timestep).foot_height, 0.0, atol=2e-3)
    np.testing.assert_allclose(measured(env)(up, timestep).foot_height, 0.7, atol=2e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timesteps": (0.003,)}, "does not divide"),
        ({"episodes": 0}, "at least one episode"),
        ({"timesteps": ()}, "at least one episode and one timestep"),
    ],
)
def test_bad_options_are_refused(env, options, message):
    with pytest.raises(WildRobotError, match=message):
        WalkGate()(env, Constant(env.action_size), **options)


def test_a_warm_up_as_long_as_the_episode_is_refused():
    with pytest.raises(WildRobotError, match="leaves nothing"):
        WalkGate(seconds=3.0)


@pytest.mark.parametrize(
    ("episodes", "timesteps", "document"),
    [
        (256, (0.005, 0.002), ""),
        (300, (0.002, 0.005, 0.001), ""),
        (64, (0.005, 0.002), "64 of 256 episodes"),
        (256, (0.002,), "1 of 2 physics timesteps"),
        (1, (0.001,), "1 of 256 episodes, 0 of 2 physics timesteps"),
    ],
)
def test_less_than_the_whole_gate_is_provisional(episodes, timesteps, document):
    assert WalkGate().provisional(episodes, timesteps) == document


def test_a_provisional_verdict_says_so():
    line = GateLine("survival", 0.0, 0.005, 1.0, ">= 99 %", True)
    result = GateResult((line,), (), 64, 20.0, "64 of 256 episodes")
    assert result.table().title == "Gate, provisional (64 of 256 episodes): passed"
    assert result.to_json()["provisional"] == "64 of 256 episodes"
    assert GateResult((line,), (), 256, 20.0).to_json()["provisional"] is None


@pytest.mark.parametrize("count", [1, 7, 8, 16])
def test_many_commands_are_reported_in_tables_that_fit_a_terminal(count):
    commands = [round(-0.3 + 0.1 * i, 1) for i in range(count)]
    values = {"survival": 1.0, "speed_error": 0.012, "swing_peak_right": 0.05}
    figures = tuple(CommandFigures(c, dt, c < 0.5, values) for dt in (0.005, 0.002) for c in commands)
    lines = (GateLine("survival", 0.0, 0.005, 1.0, ">= 99 %", True),)
    tables = GateResult(lines, figures, 256, 20.0).tables()
    assert [table.title for table in tables] == ["Gate: passed", *[None] * ((count - 1) // 7)]
    out = io.StringIO()
    Console(width=80, file=out).print(*tables)
    text = out.getvalue()
    assert "…" not in text
    heads = [head.rstrip("*") for row in text.splitlines() if row.startswith("figure") for head in row.split()[2:]]
    assert heads == [f"{c:g}" for c in commands]


def test_long_names_and_figures_leave_room_for_fewer_commands():
    """A quadruped's, whose feet have names of two words."""
    commands = [0.0, 0.077, 0.15, 0.23, 0.31, 0.39, 0.46]
    values = {"survival": 1.0, "speed_error": -0.012, "swing_peak_front_right": 0.05}
    figures = tuple(CommandFigures(c, 0.005, c < 0.35, values) for c in commands)
    lines = (GateLine("swing_peak_front_right", 0.077, 0.005, 0.03, ">= 1.84 cm", True),)
    tables = GateResult(lines, figures, 256, 20.0).tables()
    assert len(tables) == 2
    out = io.StringIO()
    Console(width=80, file=out).print(*tables)
    assert "…" not in out.getvalue()


class TestMotions:
    """Sideways and turning: puppets whose every figure is known."""

    def lines(self, meter, motion, *episodes):
        found, lines = judge_motion(meter, gather(meter, *episodes), motion, 0.005)
        return found, {line.name for line in lines if not line.passed}

    def test_a_step_to_the_left_as_commanded(self, meter):
        found, wrong = self.lines(meter, Motion("left", 0.1), walk(0.0, march=True, sideways=0.1))
        assert wrong == set()
        assert found.values["lateral_speed"] == pytest.approx(0.1, abs=1e-4)
        assert found.axis == "left"

    @pytest.mark.parametrize(
        ("motion", "spoiled", "wrong"),
        [
            (Motion("left", 0.1), {"sideways": 0.05}, {"lateral_error"}),
            (Motion("left", -0.1), {"sideways": 0.1}, {"lateral_error"}),
            (Motion("left", 0.1), {"sideways": 0.1, "heading": math.radians(6.0)}, {"heading_error"}),
            (Motion("left", 0.1), {"sideways": 0.1, "fall_at": 5.0}, {"survival", "lateral_error", "heading_error"}),
            (Motion("left", 0.1), {"sideways": 0.13}, {"lateral_error"}),
            (Motion("left", 0.1), {"sideways": 0.1, "slip": 0.06}, {"slip"}),
            (Motion("turn", 0.5), {"turn": 0.43}, {"turn_error"}),
            (Motion("turn", -0.5), {"turn": 0.5}, {"turn_error"}),
            (Motion("turn", 0.5), {"turn": 0.5, "torque": 1.48}, {"torque_rms"}),
            (Motion("turn", 0.5, required=False), {"turn": 0.0}, set()),
        ],
    )
    def test_each_defect_fails_its_own_line(self, meter, motion, spoiled, wrong):
        assert self.lines(meter, motion, walk(0.0, march=True, **spoiled))[1] == wrong

    def test_turns_add_up_beyond_half_a_circle_and_opposite_errors_do_not_cancel(self, meter):
        found, wrong = self.lines(meter, Motion("turn", 1.0), walk(0.0, march=True, turn=1.0))
        assert found.values["turn"] == pytest.approx(1.0, abs=1e-3)
        assert wrong == set()
        two = [walk(0.0, march=True, turn=turn) for turn in (0.8, 1.2)]
        assert self.lines(meter, Motion("turn", 1.0), *two)[1] == {"turn_error"}

    def test_an_env_that_never_asks_for_it_is_refused(self, hopper_env):
        gate = WalkGate(required=(), reported=(), motions=(Motion("turn", 0.2),), seconds=0.2, warmup=0.1)
        with pytest.raises(WildRobotError, match="ang_vel_z"):
            gate(hopper_env, Constant(hopper_env.action_size), episodes=1, timesteps=(0.005,))

    @pytest.mark.slow
    def test_a_gate_shows_speeds_and_motions_in_tables_of_their_own(self, hopper):
        """In the engine: a robot that stands still while it is commanded to turn fails that line, and says so."""
        commands = default_commands(hopper, ang_vel_z=(-1.0, 1.0), lin_vel_y=(-0.1, 0.1))
        motions = (Motion("turn", 0.5), Motion("left", 0.05, required=False))
        gate = WalkGate(required=(0.0,), reported=(), motions=motions, seconds=0.4, warmup=0.1)
        document = ObservationStack({"command": CommandTerm("velocity", commands["velocity"].observed)})
        env = make_env(hopper, commands=commands, observations={"policy": document})
        result = gate(env, Constant(hopper.nu), episodes=2, timesteps=(0.005,))
        assert [(f.axis, f.command) for f in result.figures] == [("", 0.0), ("turn", 0.5), ("left", 0.05)]
        assert any("turn error at turn 0.5 rad/s" in line for line in result.failed_lines())
        titles = [table.title for table in result.tables()]
        assert titles == ["Gate, provisional (2 of 256 episodes, 1 of 2 physics timesteps): FAILED", None, None]
        console = Console(width=80, file=None, record=True)
        for table in result.tables():
            console.print(table)
        text = console.export_text()
        assert "turn, rad/s:" in text
        assert "left, m/s:" in text
        assert json.dumps(result.to_json())


def test_who_is_judged_is_reported_exactly_that(hopper):
    """A turn while it walks is neither left away nor made one on the spot."""
    ranges = {"lin_vel_x": (-0.3, 0.6), "lin_vel_y": (-0.2, 0.2), "ang_vel_z": (-0.5, 0.5)}
    env = make_env(hopper, commands=default_commands(hopper, **ranges, axis_probability=0.0, in_place_probability=1.0))
    document = with_command(judged_env(env, 0.005), jnp.float32(0.3), jnp.asarray([0.1, -0.4], jnp.float32))
    states = jax.vmap(document.commands["velocity"].sample)(jax.random.split(jax.random.key(0), 20))
    drawn = np.stack([states.lin_vel_x, states.lin_vel_y, states.ang_vel_z], axis=1)
    np.testing.assert_allclose(drawn, np.tile([0.3, 0.1, -0.4], (20, 1)), rtol=1e-6)
