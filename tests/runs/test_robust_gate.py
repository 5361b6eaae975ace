"""Robust evaluation by a gate: an arm that reaches, gates of one's own, and what is written."""

import dataclasses
import json
from io import StringIO

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Bool
from puppets import Constant
from rich.console import Console
from test_report import Page

import wildrobot_eqx as we
from wildrobot_eqx.evaluate.robust import by_gate
from wildrobot_eqx.evaluate.robust.by_gate import SLACK, judge_by_gate
from wildrobot_eqx.evaluate.robust.cases import by_velocity, why_not
from wildrobot_eqx.evaluate.robust.evaluate import evaluate_robust
from wildrobot_eqx.gates import Limit
from wildrobot_eqx.report.page import write_report
from wildrobot_eqx.report.robust_plots import write_robust_plots

LINK = 0.12  # m, of the arm


class Inverse(Constant):
    """The arm's inverse kinematics: the joints go where the fingertip is at the goal, as the drawing has it."""

    at: int = eqx.field(static=True)
    home: jax.Array

    def __init__(self, env: we.Env):
        self.action, self.log_std = jnp.zeros((2,), jnp.float32), jnp.zeros((2,), jnp.float32)
        self.at = next(part.start for part in env.observations["policy"].layout if part.name == "goal")
        self.home = env.physics.robot.home_joints

    def __call__(self, obs, carry):
        goal = obs[..., self.at : self.at + 2]
        angle = jnp.arctan2(goal[..., 1], goal[..., 0])
        elbow = 2.0 * jnp.arccos(jnp.clip(jnp.linalg.norm(goal, axis=-1) / (2.0 * LINK), 0.0, 1.0)) * jnp.sign(angle)
        joints = jnp.stack([angle - 0.5 * elbow, elbow], axis=-1)
        return we.policies.Normal(joints - self.home, self.log_std), carry


@pytest.fixture(scope="module")
def reach():
    return we.load_recipe("reach")(num_envs=8, physics="native")


@pytest.fixture(scope="module")
def gate(reach):
    """Within half a centimetre, after a second."""
    goal = we.gates.SiteAt(reach.env.physics.robot, "fingertip", "goal", tolerance=0.005)
    return dataclasses.replace(reach.gate, goal=goal, seconds=1.2, hold=0.2)


@pytest.fixture(scope="module")
def judged(reach, gate):
    """What became of the arm that knows its inverse kinematics."""
    return evaluate_robust(reach.env, gate, Inverse(reach.env), episodes=512)


# --- who is judged how -----------------------------------------------------------------------------------


def test_whoever_has_a_gate_or_walks_is_judged(reach, hopper_env):
    assert why_not(reach.env, reach.gate) is None
    assert not by_velocity(reach.env, reach.gate)
    assert not by_velocity(hopper_env, reach.gate)
    assert by_velocity(hopper_env, we.gates.WalkGate())
    assert by_velocity(hopper_env, None)
    assert why_not(hopper_env, None) is None
    assert "gate" in str(why_not(reach.env, None))
    with pytest.raises(we.WildRobotError) as error:
        evaluate_robust(reach.env, None, Constant(2))
    assert error.value.where == "env.commands"


def test_episodes_of_a_gate_have_their_own_length(reach):
    with pytest.raises(we.WildRobotError) as error:
        evaluate_robust(reach.env, reach.gate, Constant(2), seconds=1.0)
    assert error.value.where == "--seconds"


# --- an arm that reaches ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_limit_gives_way_by_the_slack(judged):
    lines = judged.world.result.lines
    assert [(line.name, line.limit) for line in lines] == [("success", ">= 85.5 %"), ("survival", ">= 85.5 %")]
    assert judged.world.result.episodes == 512
    assert judged.provisional == "512 of 1024 episodes"
    assert judged.world.sources["servos"] == "standard"
    assert set(judged.world.left_out) == {"ShiftCentreOfMass", "Payload", "ScaleFriction"}


@pytest.mark.slow
def test_an_arm_that_goes_by_the_drawing_misses_by_its_gears_and_encoders_alone(judged):
    """Nothing else of the sweep moves its fingertip by half a centimetre."""
    curves = {curve.parameter.name: curve for curve in judged.sweep.curves}
    assert set(curves) == {"latency", "voltage", "backlash", "mass", "encoder_offset", "tilt"}
    assert judged.sweep.episodes == 16
    success = {name: [level.figures[0].values["success"] for level in c.levels] for name, c in curves.items()}
    assert curves["backlash"].nominal.margin == pytest.approx(1.0 / 0.855 - 1.0)
    harm = {"backlash", "encoder_offset"}
    for name, curve in curves.items():
        ends = curve.parameter.levels[0], curve.parameter.levels[-1]
        assert (curve.holds == ends) is (name not in harm), name
        assert (min(success[name]) == 1.0) is (name not in harm), name
    assert judged.sweep.worst in [curves[name] for name in harm]
    assert not judged.passed
    assert judged.failed_lines()[0].startswith("in a wrong world, success in all episodes (5 ms physics): ")


@pytest.mark.slow
def test_what_is_written_is_plain_and_drawn(judged, tmp_path):
    document = json.loads(json.dumps(judged.to_json(), allow_nan=False))
    assert (document["kind"], document["gate"], document["slack"]) == ("gate", "GoalGate", SLACK)
    assert document["passed"] is judged.passed
    assert document["sweep"]["figure"] == "success"
    assert document["sweep"]["bounds"] == [pytest.approx(0.855), None]
    latency = document["sweep"]["parameters"][0]
    assert set(latency["levels"][0]["figures"]) == {"all episodes"}
    assert document["sweep"]["left_out"].keys() == {"friction", "gyro_bias"}
    (tmp_path / "robust.json").write_text(json.dumps(document))
    assert [path.name for path in write_robust_plots(tmp_path / "plots", document)] == ["robust_sweep.png"]
    page = Page(write_report(tmp_path).read_text(encoding="utf-8"))
    assert "Robustness" in page.text
    assert "must be >= 85.5 %" in page.text
    assert judged.sweep.summary in page.text
    assert "has no IMU" in page.text
    out = StringIO()
    for part in judged.pages():
        Console(file=out, width=80).print(part, soft_wrap=isinstance(part, str))
    assert "…" not in out.getvalue()
    assert "Without friction: Nothing of the robot 'reacher' can touch anything." in out.getvalue()


@pytest.mark.slow
def test_a_stopped_evaluation_keeps_its_first_part(reach, gate, judged, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    found = judged.world.result
    monkeypatch.setattr(by_gate, "judge_as_is", lambda *_: (list(found.figures), list(found.lines)))
    monkeypatch.setattr(by_gate, "sweep_by_gate", stop)
    kept = []
    with pytest.raises(KeyboardInterrupt):
        judge_by_gate(reach.env, gate, Constant(2), 4, 4, 1, 0.005, lambda found: kept.append(found.to_json()))
    assert [document["provisional"] for document in kept] == [None, "stopped"]
    assert kept[-1]["lines"]
    assert kept[-1]["sweep"] is None


# --- a gate of one's own ---------------------------------------------------------------------------------


class Seen(eqx.Module):
    """Where the elbow was first, and what was asked for."""

    elbow: Array
    place: Array
    mass: Array


class SeenMeter(we.gates.AbstractMeter):
    """Remembers the first state."""

    def init(self, state, timestep):
        mass = state.disturbances.params.body_mass.sum()
        return Seen(state.physics.qpos[1], state.commands["goal"].point, mass)

    def step(self, tally, state, timestep):
        return tally

    def running(self, tally) -> Bool[Array, ""]:
        return jnp.ones((), bool)

    def figures(self, tally, case):
        return {
            "elbow": float(tally.elbow.mean()),
            "spread": float(np.ptp(tally.elbow)),
            "x": float(tally.place[:, 0].mean()),
            "mass": float(tally.mass.mean()),
        }


class SeenGate(we.gates.AbstractGate):
    """Each episode begins with an elbow of its own; two cases name places, one draws them, one is not required."""

    episodes: int = 2
    seconds: float = 0.04
    timesteps: tuple[float, ...] = (0.01,)

    def cases(self, env):
        places = [
            we.gates.Case(name, {"goal": value}) for name, value in {"near": (0.1, 0.0), "far": (0.2, 0.0)}.items()
        ]
        return (*places, we.gates.Case("drawn", batch=1), we.gates.Case("shown", {"goal": (0.1, 0.1)}, required=False))

    def meter(self, env):
        return SeenMeter()

    def limits(self, env):
        return (Limit("mass", high=0.15), Limit("x", high=0.12, cases=("near",)))

    def prepare(self, env):
        robot = env.physics.robot
        reset = we.resets.JointReset(robot, {"shoulder": (0.0, 0.0), "elbow": (0.0, 0.0)})
        return dataclasses.replace(env, reset_state=reset)

    def rows(self, cases, episodes):
        return 0.1 * jnp.arange(1, len(cases) * episodes + 1, dtype=jnp.float32)

    def vary(self, env, row):
        return eqx.tree_at(lambda e: e.reset_state.positions, env, jnp.array([[0.0], [1.0]]) * jnp.stack([row, row]))


@pytest.fixture(scope="module")
def own(reach):
    """Two episodes per level and case."""
    return evaluate_robust(reach.env, SeenGate(), Constant(2), episodes=192)


@pytest.mark.slow
def test_a_gates_own_episodes_are_the_same_at_every_level_but_for_the_dial(own):
    curves = {curve.parameter.name: curve for curve in own.sweep.curves}
    drawn = curves["mass"].nominal.figures[2].values["x"]
    for name, curve in curves.items():
        for level, found in zip(curve.parameter.levels, curve.levels):
            assert [f.case for f in found.figures] == ["near", "far", "drawn"]
            assert [f.values["elbow"] for f in found.figures] == pytest.approx([0.15, 0.35, 0.15])
            assert all(f.values["spread"] == pytest.approx(0.1) for f in found.figures)
            assert [f.values["x"] for f in found.figures] == pytest.approx([0.1, 0.2, drawn])
            mass = 0.16 * (level if name == "mass" else 1.0)
            assert [f.values["mass"] for f in found.figures] == pytest.approx([mass] * 3, rel=1e-4)
            lines = [("mass", "near"), ("x", "near"), ("mass", "far"), ("mass", "drawn")]
            assert [(line.name, line.case) for line in found.lines] == lines
    assert own.sweep.worst is curves["mass"]
    assert curves["mass"].holds == pytest.approx((0.7, 1.0))
    assert "mass at near" in own.sweep.summary


@pytest.mark.slow
def test_a_gate_of_ones_own_is_judged_at_its_own_timestep_and_drawn(own, tmp_path):
    assert own.timestep == 0.01
    assert [f.case for f in own.world.result.figures] == ["near", "far", "drawn"]
    assert own.world.result.episodes == 64
    assert own.passed
    spreads = [f.values["spread"] for f in own.world.result.figures]
    assert spreads == pytest.approx([6.3, 6.3, 6.3], rel=1e-5)
    assert write_robust_plots(tmp_path, own.to_json())


class Asks(SeenGate):
    """It requires nothing."""

    def limits(self, env):
        return (Limit("x", cases=("shown",)),)


def test_a_gate_that_requires_nothing_is_refused(reach):
    with pytest.raises(we.WildRobotError) as error:
        evaluate_robust(reach.env, Asks(), Constant(2), episodes=2)
    assert error.value.where == "Asks, cases and limits"
