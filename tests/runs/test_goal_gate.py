"""Gates as data: one that the package does not know is judged, reported and filmed like its own."""

import dataclasses
import json

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
from wildrobot_eqx.evaluate.gate import Figure, Limit
from wildrobot_eqx.evaluate.goal_gate import GoalTally
from wildrobot_eqx.evaluate.rollout import hold_commands
from wildrobot_eqx.physics.mujoco_tools.render import NoRenderer, Renderer
from wildrobot_eqx.release.gate_codec import describe_gate
from wildrobot_eqx.report.case_film import film_cases, record_cases
from wildrobot_eqx.report.page import write_report


@pytest.fixture(scope="module")
def reach():
    return we.load_recipe("reach")(num_envs=8, physics="native")


@pytest.fixture(scope="module")
def redrawn(reach):
    """The same, with a goal that is drawn anew at nearly every control step."""
    goal = we.commands.PointCommand(radius=(0.1, 0.2), interval=0.03)
    return dataclasses.replace(reach.env, commands={"goal": goal})


class Last(eqx.Module):
    """The place that was asked for, and how far it has moved in all."""

    point: Array
    moved: Array


class PlaceMeter(we.gates.AbstractMeter):
    """Remembers what was asked for; it never ends."""

    def init(self, state, timestep):
        return Last(state.commands["goal"].point, jnp.zeros(()))

    def step(self, tally, state, timestep):
        point = state.commands["goal"].point
        return Last(point, tally.moved + jnp.sum(jnp.abs(point - tally.point)))

    def running(self, tally) -> Bool[Array, ""]:
        return jnp.ones((), bool)

    def figures(self, tally, case):
        return {"x": float(tally.point[:, 0].mean()), "moved": float(tally.moved.mean())}

    def shown(self):
        return {"x": Figure("place <x>", "mm", 1000.0, 0)}


class PlaceGate(we.gates.AbstractGate):
    """A gate of a user's own: is the robot asked for the places that its cases name?"""

    episodes: int = 4
    seconds: float = 0.4
    timesteps: tuple[float, ...] = (0.01,)

    def cases(self, env):
        places = {"near <b>": (0.1, 0.0), "far": (0.2, 0.05)}
        drawn = we.gates.Case("drawn", required=False)
        return (*(we.gates.Case(name, {"goal": value}) for name, value in places.items()), drawn)

    def meter(self, env):
        return PlaceMeter()

    def limits(self, env):
        return (Limit("x", high=0.15), Limit("moved", high=0.0, cases=("far",), shown=Figure("moved", "m")))


@pytest.fixture(scope="module")
def judged(redrawn):
    return PlaceGate()(redrawn, Constant(2), episodes=2)


def test_a_command_is_held_from_the_first_step_to_the_last(judged):
    values = {figures.case: figures.values for figures in judged.figures}
    assert values["near <b>"] == {"x": pytest.approx(0.1), "moved": 0.0}
    assert values["far"] == {"x": pytest.approx(0.2), "moved": 0.0}
    assert values["drawn"]["moved"] > 0.1


def test_limits_hold_for_the_cases_that_they_name(judged):
    assert {(line.name, line.case, line.passed) for line in judged.lines} == {
        ("x", "near <b>", True),
        ("x", "far", False),
        ("moved", "far", True),
    }
    assert judged.failed_lines() == ["place <x> at far (10 ms physics): 200 mm, must be <= 150 mm"]
    assert judged.provisional == "2 of 4 episodes"


def test_its_verdict_is_reported_as_tables_json_and_a_report(judged, tmp_path):
    document = json.loads(json.dumps(judged.to_json(), allow_nan=False))
    assert document["columns"] == "case"
    assert document["shown"]["x"] == {"label": "place <x>", "unit": "mm", "scale": 1000.0, "digits": 0}
    console = Console(width=80, record=True, file=None)
    console.print(*judged.tables())
    text = console.export_text()
    assert all(part in text for part in ("near <b>", "drawn*", "place <x> (mm)", "case:"))
    (tmp_path / "eval.json").write_text(json.dumps(document))
    (tmp_path / "film.mp4").write_bytes(b"film")
    page = Page(write_report(tmp_path).read_text(encoding="utf-8"))
    assert "place <x> (mm)" in page.text
    assert "near <b>" in page.text
    assert page.cells.count("failed") == 1
    assert page.cells.count("passed") == 2
    assert page.tags.count("video") == 1
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {"gate.png"}


@pytest.mark.parametrize("spoiled", [{"x": 3}, {"x": {"scale": "y", "digits": 1e9}}, []])
def test_a_report_bears_what_a_verdict_should_not_say(judged, tmp_path, spoiled):
    (tmp_path / "eval.json").write_text(json.dumps({**judged.to_json(), "shown": spoiled}))
    assert write_report(tmp_path).is_file()


def test_its_first_cases_are_filmed_with_their_names(redrawn):
    scenes = record_cases(redrawn, PlaceGate(), Constant(2))
    assert [scene.caption for scene in scenes] == ["near <b>", "far", "drawn"]
    np.testing.assert_allclose(scenes[1].marks, np.tile([0.2, 0.05, np.nan], (20, 1, 1)), rtol=1e-6)
    assert scenes[0].qpos.shape == (20, 2)


def test_an_env_without_a_gate_is_filmed_too(reach, tmp_path):
    env = dataclasses.replace(reach.env, episode_length=jnp.float32(0.2))
    try:
        Renderer(env.physics.robot.model, 64, 48).close()
    except NoRenderer as error:
        pytest.skip(str(error))
    (path,) = film_cases(env, None, Constant(2), tmp_path)
    assert path.read_bytes()[4:8] == b"ftyp"


def test_a_camera_that_stands_sees_the_mark_and_does_not_follow(reach):
    model = reach.env.physics.robot.model
    try:
        renderer = Renderer(model, 160, 120, follow=False)
    except NoRenderer as error:
        pytest.skip(str(error))
    with renderer:
        qpos = np.zeros(2)
        plain = renderer.draw(qpos, "track").astype(int)
        marked = renderer.draw(qpos, "track", np.array([[0.1, 0.1, 0.05]])).astype(int)
        again = renderer.draw(qpos, "track").astype(int)
    assert np.abs(plain - again).mean() < 0.5
    changed = np.abs(marked - plain).max(axis=-1) > 40
    assert 3 < changed.sum() < 0.05 * changed.size
    assert (marked[changed][:, 0] > marked[changed][:, 2] + 40).mean() > 0.5  # red


def test_a_mark_without_a_height_is_a_line(reach):
    """A vertical line, higher than a ball."""
    model = reach.env.physics.robot.model
    try:
        renderer = Renderer(model, 160, 120, follow=False)
    except NoRenderer as error:
        pytest.skip(str(error))
    with renderer:
        plain = renderer.draw(np.zeros(2), "track").astype(int)
        drawn = [renderer.draw(np.zeros(2), "track", np.array([[0.0, 0.15, z]])).astype(int) for z in (0.0, np.nan)]
    tall = [np.flatnonzero((np.abs(picture - plain).max(axis=-1) > 40).any(axis=1)).size for picture in drawn]
    assert tall[1] > 2 * tall[0] > 0


def test_a_command_that_the_env_does_not_have_is_refused(reach):
    for values, where in (({"goals": (0.1, 0.1)}, "env.commands"), ({"goal": (0.1,)}, "env.commands['goal']")):
        held = {name: jnp.asarray(value, jnp.float32) for name, value in values.items()}
        with pytest.raises(we.WildRobotError) as error:
            hold_commands(reach.env, held)
        assert error.value.where == where


def test_only_gates_of_walking_are_described_to_a_bundle(reach):
    assert describe_gate(reach.gate) == {"judge": "GoalGate"}
    description = describe_gate(we.gates.StandGate())
    assert description["judge"] == "StandGate"
    assert {"required", "seconds", "warmup", "kick_at", "recovery"} <= description.keys()


@pytest.fixture(scope="module")
def meter(reach):
    return we.gates.GoalGate(reach.gate.goal, hold=0.1, seconds=0.4).meter(reach.env)


class TestGoal:
    """The goal gate's own counting."""

    def test_success_is_a_streak_to_the_end_of_an_episode_that_did_not_fail(self, meter):
        tally = GoalTally(
            running=jnp.array([True, True, False, True]),
            steps=jnp.array([20, 20, 20, 20]),
            there=jnp.array([5, 15, 20, 10]),
            streak=jnp.array([5, 4, 20, 10]),
        )
        figures = meter.figures(tally, we.gates.Case("all"))
        assert meter.hold == 5
        assert figures["success"] == 0.5
        assert figures["survival"] == 0.75
        assert figures["time_there"] == pytest.approx(50 / 80)
        assert figures["time_to_goal"] == pytest.approx(np.median([15, 10]) * 0.02)

    def test_steps_at_the_goal_are_counted_and_a_break_begins_anew(self, reach, meter):
        """The goal is moved under a fingertip that rests."""
        state, timestep = reach.env.reset(jax.random.key(0))
        tip = state.physics.site_xpos[0, :2]
        tally, streaks = meter.init(state, timestep), []
        for there, failed in ((1, 0), (1, 0), (0, 0), (1, 0), (1, 0), (1, 1), (1, 0)):
            point = tip + jnp.float32(0.0 if there else 0.02)
            now = eqx.tree_at(lambda s: s.commands["goal"].point, state, point)
            over = dataclasses.replace(timestep, terminated=jnp.asarray(bool(failed)))
            tally = meter.step(tally, now, over)
            streaks.append(int(tally.streak))
        assert streaks == [1, 2, 0, 1, 2, 0, 0]
        assert int(tally.there) == 4
        assert int(tally.steps) == 6  # it is over
        assert not bool(tally.running)

    def test_a_state_that_is_not_finite_ends_it(self, reach, meter):
        state, timestep = reach.env.reset(jax.random.key(0))
        broken = eqx.tree_at(lambda s: s.physics.qvel, state, jnp.full((2,), jnp.nan))
        assert not bool(meter.step(meter.init(state, timestep), broken, timestep).running)

    def test_first_poses_are_those_of_the_gate(self, reach):
        robot = reach.env.physics.robot
        reset = we.resets.JointReset(robot, {"elbow": (1.25, 1.25)})
        gate = we.gates.GoalGate(reach.gate.goal, hold=0.1, seconds=0.4, reset=reset)
        state, _ = gate.prepare(reach.env).reset(jax.random.key(0))
        assert float(state.physics.qpos[1]) == 1.25

    def test_a_robot_that_rests_reaches_nothing(self, reach):
        gate = dataclasses.replace(reach.gate, seconds=0.4, hold=0.2)
        result = gate(reach.env, Constant(2), episodes=4, timesteps=(0.01,))
        assert [(line.name, line.passed) for line in result.lines] == [("success", False), ("survival", True)]
        assert result.failed_lines() == ["success in all episodes (10 ms physics): 0.0 %, must be >= 95 %"]

    def test_a_goal_that_cannot_last_is_refused(self, reach):
        with pytest.raises(we.WildRobotError) as error:
            we.gates.GoalGate(reach.gate.goal, hold=2.0, seconds=1.0)
        assert error.value.where == "GoalGate, hold and seconds"
