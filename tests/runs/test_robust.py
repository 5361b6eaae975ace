"""Robust evaluation: wider ranges, the sweep's env, pushes and their ladder, and what is written."""

import dataclasses
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import make_env, wrong_world

import wildrobot_eqx as we
from wildrobot_eqx.arrays import f32
from wildrobot_eqx.evaluate.robust import evaluate
from wildrobot_eqx.evaluate.robust import wrong_world as world
from wildrobot_eqx.evaluate.robust.cases import AxisCommand
from wildrobot_eqx.evaluate.robust.ladder import DURATIONS, Ladder
from wildrobot_eqx.evaluate.robust.push import NAME, TimedPush, aim
from wildrobot_eqx.evaluate.robust.result import RobustResult, World
from wildrobot_eqx.evaluate.robust.scores import Score, keys_of
from wildrobot_eqx.evaluate.robust.sweep import Curve, Sweep, speed_limit
from wildrobot_eqx.evaluate.robust.sweep_env import PARAMETERS, make_sweep_env, sweep_values, with_values
from wildrobot_eqx.evaluate.robust.widen import stretched, widen
from wildrobot_eqx.evaluate.walking.kicks import DIRECTIONS

# --- wider ranges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "wide"),
    [
        ((-0.1, 0.1), (-0.12, 0.12)),
        ((-0.1, 0.3), (-0.12, 0.36)),
        ((0.0, 0.5), (0.0, 0.6)),
        ((0.9, 1.1), (0.88, 1.12)),
        ((0.005, 0.02), (0.005 / 1.2, 0.0215)),  # 3.5 ms would be less than the 1.2th part
        ((-3.0, -1.0), (-3.2, -1.0 / 1.2)),
        ((11.1, 11.1), (11.1, 11.1)),
    ],
)
def test_a_range_is_stretched_about_what_is_nominal_in_it(bounds, wide):
    np.testing.assert_allclose(stretched(f32(bounds), 1.2), wide, rtol=1e-6)


def test_every_range_of_a_world_is_found_and_nothing_else_changes(robot):
    parts = wrong_world(robot)
    own = parts["disturbances"]
    wide, found = widen(own.servos.parts, 1.2, "servos")
    by_path = {item.path: item.judged for item in found}
    assert by_path["servos.backlash.play"] == (0.0, pytest.approx(0.02094))
    assert by_path["servos.motor.strength"] == pytest.approx((0.88, 1.12))
    assert by_path["servos.motor.voltage"] == pytest.approx((9.3, 12.9))
    assert float(wide["delay"].seconds[1]) == wide["delay"].longest  # the line is as long as the range asks for
    assert wide["delay"].longest > 0.03
    before, after = own.servos.parts["motor"], wide["motor"]
    assert [float(m.stall_torque[0] + m.rated + m.resistance) for m in (before, after)] == [pytest.approx(15.56)] * 2

    _, found = widen(parts["observations"]["policy"].sensing, 1.2, "sensing")
    by_path = {item.path: item.judged[-1] for item in found}
    assert by_path["sensing.angular_velocity.Bias.std"] == pytest.approx(0.024)
    assert by_path["sensing.angular_velocity.DroppedPackets.probability"] == pytest.approx(0.024)
    assert by_path["sensing.angular_velocity.ReadingDelay.seconds"] == pytest.approx(0.036)
    _, found = widen(own.randomisers, 1.2, "randomisers")
    assert "randomisers.ScaleFriction.range" in {item.path for item in found}
    _, found = widen({"push": we.events.Push()}, 1.2)
    assert {item.path for item in found} == {".push.force", ".push.duration"}


def test_the_worlds_sources_are_named(robot, env):
    plain = world.wrong_world(env, 0.005)
    assert plain.sources == {
        "servos": "standard",
        "calibration": "standard",
        "sensing": "standard",
        "randomisers": "standard",
        "events": "none",
    }
    assert plain.ranges == ()
    own = world.wrong_world(make_env(robot, **wrong_world(robot)), 0.005)
    assert set(own.sources.values()) == {"recipe"}
    assert own.env.disturbances.servos.names == tuple(wrong_world(robot)["disturbances"].servos.names)
    assert own.env.observations["policy"].history == 3
    mass = float(own.env.disturbances.randomisers[0].range[0])
    assert mass == pytest.approx(0.88)


# --- the sweep's env -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def settable(hopper_env):
    """A hopper's env of a sweep, and its first states: in row i the i-th parameter is set, in the last none."""
    env, rows = make_sweep_env(hopper_env, 0.005), len(PARAMETERS) + 1
    levels = {p.name: f32(np.where(np.arange(rows) == i, p.levels[-1], p.nominal)) for i, p in enumerate(PARAMETERS)}
    cases = sweep_values(jnp.full((rows,), f32(0.2)), levels)
    keys = jnp.repeat(keys_of(0.005, 1), rows)
    return env, eqx.filter_jit(lambda env: jax.vmap(lambda c, k: with_values(env, c).reset(k))(cases, keys)[0])(env)


def test_each_parameter_moves_its_own_draw_and_no_other(settable, hopper):
    _, state = settable
    names = [parameter.name for parameter in PARAMETERS]
    mj = hopper.model.mj
    drawn = {
        "latency": state.disturbances.servo["delay"][0],
        "voltage": state.disturbances.servo["motor"].source,
        "backlash": state.disturbances.servo["backlash"].mean(axis=1),
        "friction": state.disturbances.params.geom_friction[:, 0, 0] / mj.geom_friction[0, 0],
        "mass": state.disturbances.params.body_mass.sum(axis=1) / mj.body_mass.sum(),
        "tilt": jnp.arccos(jnp.clip(-state.disturbances.params.gravity[:, 2] / 9.81, -1.0, 1.0)),
    }
    for i, parameter in enumerate(PARAMETERS):
        if parameter.name in drawn:
            wanted = np.full(len(names) + 1, parameter.nominal)
            wanted[i] = parameter.levels[-1]
            np.testing.assert_allclose(drawn[parameter.name], wanted, rtol=2e-3, atol=1e-6)
    offset = np.abs(np.asarray(state.disturbances.calibration.joint_offset)).max(axis=1)
    at = names.index("encoder_offset")
    assert 0.0 < offset[at] <= PARAMETERS[at].levels[-1]
    assert (np.delete(offset, at) == 0.0).all()
    bias = np.asarray(state.observations["policy"][1]["angular_velocity"][0])
    assert np.abs(bias[names.index("gyro_bias")]).max() > 0.02
    assert (np.delete(bias, names.index("gyro_bias"), axis=0) == 0.0).all()
    assert (np.asarray(state.commands["velocity"].lin_vel_x) == np.float32(0.2)).all()


def test_the_keys_do_not_depend_on_how_many_there_are():
    few, many = keys_of(0.005, 3), keys_of(0.005, 8)
    assert (jax.random.key_data(few) == jax.random.key_data(many[:3])).all()
    assert len({tuple(row) for row in np.asarray(jax.random.key_data(many)).tolist()}) == 8


# --- pushes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.0, 0.013, 0.1, 0.3])
def test_a_push_gives_its_impulse_whatever_its_duration(settable, hopper, seconds):
    """Over its control steps the velocity added and the change of gravity over time sum up to impulse over mass."""
    env, state = settable
    rows = len(PARAMETERS) + 1
    state = aim(state, jnp.tile(f32((0.7, 0.2, 0.0)), (rows, 1)), jnp.full((rows,), f32(seconds)))
    one = jax.tree.map(lambda leaf: leaf[-1], state)
    event, dt, push = TimedPush(hopper), env.physics.control_dt, one.disturbances.events[NAME]
    total = np.zeros(3)
    for _ in range(20):
        physics, params, push = event(jax.random.key(0), push, one.physics, one.disturbances.params, dt)
        total += np.asarray(params.gravity - one.disturbances.params.gravity) * dt
        total += np.linalg.pinv(np.asarray(event.dofs)) @ np.asarray(physics.qvel - one.physics.qvel)
    wanted = np.array([0.7, 0.2 if seconds else 0.0, 0.0])  # a planar robot takes a kick's part in its plane
    np.testing.assert_allclose(total, wanted, atol=1e-5)


def _ladder() -> Ladder:
    """Kicks fell one phase of ten from 0.3 m/s, and all that go ahead from 0.5 m/s; the others stand everything."""
    survived = np.ones((6, len(DURATIONS), len(DIRECTIONS), 10), bool)
    survived[2:, 0, :, 3] = False
    survived[4:, 0, DIRECTIONS.index("ahead")] = False
    return Ladder(survived, 2.0, 0.1, 0.3)


def test_the_largest_push_is_the_last_rung_below_which_nobody_failed():
    ladder, ahead = _ladder(), DIRECTIONS.index("ahead")
    assert ladder.largest(0.95, 0) == pytest.approx(0.2)
    assert ladder.largest(0.5, 0, ahead) == pytest.approx(0.4)
    assert ladder.largest(0.5, 0) == pytest.approx(0.6)
    assert ladder.beyond(0.5, 0)
    assert not ladder.beyond(0.95, 0)
    assert ladder.weakest(0.5, 0) == "ahead"
    kick = ladder.to_json()["pushes"][0]["directions"]["ahead"]["50%"]
    assert kick == {"velocity": 0.4, "impulse": 0.8, "force": None, "or_more": False}
    push = ladder.to_json()["pushes"][1]["all"]["95%"]
    assert push == {"velocity": 0.6, "impulse": 1.2, "force": 12.0, "or_more": True}


def test_a_rung_survived_by_luck_does_not_count():
    ladder = _ladder()
    ladder.survived[0, 0] = False
    assert ladder.largest(0.5, 0) == 0.0


# --- the sweep -------------------------------------------------------------------------------------------


def _curve(name: str, survival: list[float], error: list[float]) -> Curve:
    parameter = {p.name: p for p in PARAMETERS}[name]
    return Curve(parameter, tuple(Score(s, e) for s, e in zip(survival, error)), 0.06)


GOOD = _curve("voltage", [1.0] * 7, [0.03, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02])
LATE = _curve("latency", [1.0, 1.0, 1.0, 0.98, 0.9, 1.0, 0.0], [0.02, 0.02, 0.03, 0.05, 0.05, 0.05, np.nan])
HEAVY = _curve("mass", [1.0] * 7, [0.2, 0.07, 0.05, 0.02, 0.02, 0.02, 0.02])


def test_the_most_speed_error_scales_with_the_robot(robot, hopper):
    assert speed_limit(robot) == 0.06
    assert speed_limit(hopper) == pytest.approx(0.06 * (hopper.leg_length / robot.leg_length) ** 0.5, rel=0.01)


def test_the_worst_parameter_loses_most_survival_and_among_equals_most_speed():
    assert Sweep((GOOD, LATE, HEAVY), 10, 1.0).worst is LATE
    sweep = Sweep((GOOD, HEAVY), 10, 1.0)
    assert sweep.worst is HEAVY
    assert "mass: at 70 % of nominal" in sweep.summary
    flat = _curve("mass", [1.0] * 7, [0.02] * 7)
    assert Sweep((flat,), 10, 1.0).worst is None


def test_a_parameter_holds_around_its_nominal_without_a_gap():
    assert LATE.holds == pytest.approx((0.0, 0.03))
    assert HEAVY.holds == pytest.approx((0.9, 1.3))
    assert _curve("mass", [0.9] * 7, [0.0] * 7).holds is None


# --- what is written -------------------------------------------------------------------------------------


COMMANDS = (AxisCommand("ahead", 0.0), AxisCommand("ahead", 0.2), AxisCommand("turn", -0.2))
MANY = (
    *(AxisCommand("ahead", v / 10) for v in range(-3, 7)),
    AxisCommand("left", -0.15),
    AxisCommand("left", 0.15),
    COMMANDS[2],
)


def _result(survival: float, error: float, commands: tuple[AxisCommand, ...] = COMMANDS) -> RobustResult:
    each = dict.fromkeys(commands, Score(survival, error))
    score = Score(survival, error)
    found = World(score, each, 8, 1.0, {"servos": "standard", "events": "none"}, (), 0.06)
    return RobustResult(0.005, "", found, Sweep((GOOD, LATE, HEAVY), 10, 1.0), _ladder())


@pytest.mark.parametrize(
    ("survival", "error", "failed"),
    [(0.97, 0.06, 0), (0.969, 0.0, 1), (1.0, 0.061, 1), (0.0, float("nan"), 2)],
)
def test_both_lines_decide(survival, error, failed):
    result = _result(survival, error)
    assert len(result.failed_lines()) == failed
    assert result.passed is (failed == 0)
    json.dumps(result.to_json(), allow_nan=False)
    assert not RobustResult(0.005).passed


LONG = tuple(AxisCommand("ahead", speed) for speed in (0.0, 0.073, 0.147, 0.219, 0.292))


def test_a_small_robots_pushes_are_told_apart():
    from io import StringIO

    from rich.console import Console

    shown = []
    for stood in (1, 2):
        ladder = Ladder(np.ones((stood, 3, 8, 10), bool), 0.1, 0.021, 0.1)
        out = StringIO()
        Console(file=out, width=80).print(dataclasses.replace(RobustResult(0.005), ladder=ladder).pages()[-1])
        shown.append(next(line for line in out.getvalue().splitlines() if line.startswith("kick")).split())
    assert [line[1:3] for line in shown] == [[">=0.0021", "0.021"], [">=0.0042", "0.042"]]


@pytest.mark.parametrize("commands", [COMMANDS, MANY, LONG], ids=["few", "many", "long"])
def test_tables_fit_a_terminal_of_80_columns(commands):
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    for page in _result(0.9, 0.1, commands).pages():
        Console(file=out, width=80).print(page, soft_wrap=isinstance(page, str))
    assert "…" not in out.getvalue()
    assert all(str(command) in out.getvalue() for command in commands)
    assert "the worst parameter is command latency: at 60 ms" in out.getvalue()


@pytest.mark.slow
def test_a_stopped_evaluation_keeps_what_was_done(copied, cli, monkeypatch):
    def one(result, *_):
        result.world = _result(1.0, 0.0).world

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "_world", one)
    monkeypatch.setattr(evaluate, "_sweep", stop)
    done = cli("eval", copied.path, "--robust")
    assert done.status == 130
    assert "what was done is saved" in done.err
    written = json.loads((copied.path / "robust.json").read_text())
    assert written["provisional"] == "stopped"
    assert written["world"]["commands"]
    assert written["sweep"] is None


def test_options_that_mean_nothing_are_refused(copied, cli):
    assert "add --robust" in cli("eval", copied.path, "--seconds=3").err
    assert (
        "takes one physics timestep" in cli("eval", copied.path, "--robust", "--timestep=0.005", "--timestep=0.002").err
    )
    assert "equal to 0.1" in cli("eval", copied.path, "--robust", "--episodes=8", "--seconds=0").err


@pytest.mark.slow
def test_all_of_it_on_a_hopper(copied, cli):
    done = cli("eval", copied.path, "--robust", "--episodes=8", "--seconds=0.4", "--json")
    document = json.loads(done.out)
    assert done.status == (0 if document["passed"] else 1)
    assert document["provisional"] == "8 of 1024 episodes, 0.4 of 10 s"
    written = json.loads((copied.path / "robust.json").read_text())
    assert written["iteration"] == 40
    assert {k: written[k] for k in ("lines", "sweep", "pushes")} == {
        k: document[k] for k in ("lines", "sweep", "pushes")
    }
    assert [p["name"] for p in written["sweep"]["parameters"]] == [p.name for p in PARAMETERS]
    assert written["pushes"]["complete"]
    assert (copied.path / "plots" / "robust_pushes.png").is_file()
    assert "Robustness" in (copied.path / "report.html").read_text()
