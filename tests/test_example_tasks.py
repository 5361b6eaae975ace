"""The example recipes of other tasks: each passes `check`, its parts keep their promises, and it trains."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

import wildrobot_eqx as we
from wildrobot_eqx import cli
from wildrobot_eqx.cli import finish
from wildrobot_eqx.report import case_film, film

FOLDER = Path(__file__).parents[1] / "docs" / "examples"
TASKS = ("get_up", "motion_prior", "push_object", "trot")
by_task = pytest.mark.parametrize("name", TASKS)


@pytest.fixture(scope="module")
def made() -> Callable[[str], tuple[ModuleType, we.Recipe]]:
    """An example's module and its recipe with few envs, made once."""
    known = {}

    def of(name: str) -> tuple[ModuleType, we.Recipe]:
        if name not in known:
            function = we.load_recipe(FOLDER / f"{name}.py")
            module = sys.modules[function.function.__module__]
            known[name] = module, function(physics="native", num_envs=8)
        return known[name]

    return of


@pytest.mark.parametrize(
    "name", [name if name in ("trot", "push_object") else pytest.param(name, marks=pytest.mark.slow) for name in TASKS]
)
def test_it_passes_check(name, capsys):
    assert cli.main(["check", str(FOLDER / f"{name}.py"), "--physics", "native"]) == 0
    assert "The contract holds" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(("name", "physics"), [*((name, "native") for name in TASKS), ("push_object", "mjx")])
def test_it_trains(name, physics, capsys):
    """Ten iterations whose figures are finite, whose reward moves, and whose parameters do."""
    path = str(FOLDER / f"{name}.py")
    assert cli.main(["run", path, "--verify", "--num-envs", "8", "--physics", physics]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("ok", "FAIL"))]
    assert len(lines) == 7
    assert all(line.startswith("ok") for line in lines)


@pytest.mark.slow
@by_task
def test_its_gate_judges_and_its_film_is_written(name, tmp_path, capsys):
    """One iteration, then all that follows: the gate's verdict on 64 episodes and a film."""
    out = tmp_path / "run"
    cli.main(["run", str(FOLDER / f"{name}.py"), "--steps", "160", "--num-envs", "8", "--out", str(out)])
    assert (out / "eval.json").is_file()
    assert (out / ("walk.mp4" if name == "trot" else "film.mp4")).stat().st_size > 10_000


def test_a_film_asks_for_what_the_gate_asks_for(made, monkeypatch, tmp_path):
    """A walker whose gate holds no velocity is not filmed standing, nor one that is judged at speeds."""
    monkeypatch.setattr(finish, "restore", lambda *_: None)
    monkeypatch.setattr(finish, "trainer_of", lambda _: SimpleNamespace(policy=lambda _: None))
    monkeypatch.setattr(case_film, "film_cases", lambda *_: ["the gate's cases"])
    monkeypatch.setattr(film, "render_walk", lambda *arguments: [arguments[-1]])
    trot = made("trot")[1]

    def filmed(recipe: we.Recipe) -> object:
        (shown,) = finish.render(recipe, SimpleNamespace(path=tmp_path))
        return shown

    assert filmed(made("motion_prior")[1]) == "the gate's cases"
    assert filmed(made("get_up")[1]) == "the gate's cases"
    assert filmed(trot) == ((0.0, 2.0), (0.2, 4.0), (0.4, 4.0), (0.0, 2.0))
    assert filmed(dataclasses.replace(trot, gate=None)) == film.SCRIPT
    assert filmed(dataclasses.replace(trot, gate=we.gates.WalkGate())) == film.SCRIPT
    assert filmed(dataclasses.replace(trot, gate=we.gates.StandGate())) == film.STANDING


def test_the_quadruped_is_a_robot_and_swings_diagonal_feet_together(made):
    _, recipe = made("trot")
    robot = recipe.env.physics.robot
    we.testing.check_robot(robot)
    gait = recipe.env.commands["gait"]
    half = dataclasses.replace(gait.sample(jax.random.key(0)), phase=jnp.float32(0.5 * np.pi), moving=jnp.float32(1.0))
    aloft = {foot.name for foot, swings in zip(robot.feet, half.aloft) if swings}
    assert aloft == {"front_left", "hind_right"}


def test_lying_robots_lie_anyhow_and_above_the_floor(made):
    """On belly, both sides and back; no part of any is more than a few millimetres in the floor."""
    _, recipe = made("get_up")
    env, robot = recipe.env, recipe.env.physics.robot
    we.testing.check_reset(env.reset_state, env)
    draw = jax.jit(jax.vmap(lambda key: env.reset_state(key, {})[0]))
    poses = np.asarray(draw(jax.random.split(jax.random.key(1), 64)))
    mj, data = robot.model.mj, mujoco.MjData(robot.model.mj)
    up, lean, depth = [], [], []
    for qpos in poses:
        data.qpos[:] = qpos
        mujoco.mj_forward(mj, data)
        rotation = data.xmat[robot.base.body].reshape(3, 3)
        up.append(rotation[2, 2])
        lean.append(rotation[2, 1])
        depth.append(min([0.0, *(data.contact[i].dist for i in range(data.ncon))]))
    assert min(up) < -0.9
    assert max(up) > 0.9
    assert min(lean) < -0.9
    assert max(lean) > 0.9
    assert min(depth) > -0.005


def test_standing_is_told_from_lying_and_ends_an_episode_after_its_time(made):
    _, recipe = made("get_up")
    env = recipe.env
    home = dataclasses.replace(env, reset_state=we.resets.HomeReset(env.physics.robot, 0.0, 0.0, 0.0))
    for one, stands in ((home, True), (env, False)):
        state, _ = one.reset(jax.random.key(3))
        assert bool(recipe.gate.goal(one.signals(state))) == stands
    stood, signals = env.endings["stood"], home.signals(home.reset(jax.random.key(3))[0])
    held, over = stood.init(signals), []
    for _ in range(52):
        ends, held = stood.step(held, signals)
        over.append(bool(ends))
    assert over.index(True) in (49, 50)  # after one second of 20 ms steps, as single precision has it
    assert env.endings["stood"].truncates


def test_the_feet_of_the_clip_hold_still_on_the_ground(made):
    """MuJoCo's kinematics of the clip at its speed: the two diagonals in turn stand, and do not slip."""
    module, recipe = made("motion_prior")
    robot = recipe.env.physics.robot
    times = np.arange(0.0, module.PERIOD, 0.01)
    mj, data = robot.model.mj, mujoco.MjData(robot.model.mj)
    angles = module.clip(robot, times) + np.asarray(robot.home_joints)
    places = []
    for time, row in zip(times, angles):
        data.qpos[:] = np.asarray(robot.home_qpos)
        data.qpos[:3] = module.SPEED * time, 0.0, 0.0
        data.qpos[np.array(robot.joint_qpos)] = row
        mujoco.mj_kinematics(mj, data)
        places.append([data.geom(f"{foot.name}_foot").xpos.copy() for foot in robot.feet])
    places = np.array(places)
    down = np.abs(places[:, :, 2] + module.HEIGHT) < 1e-6
    np.testing.assert_array_equal(down.sum(axis=1)[1:], np.where(np.arange(len(times)) == 25, 4, 2)[1:])
    both = down[1:] & down[:-1]
    moved = np.diff(places[:, :, 0], axis=0)
    assert np.abs(moved[both]).max() < 1e-6
    assert moved.min() > -0.01
    assert places[:, :, 2].max(axis=0) + module.HEIGHT == pytest.approx(module.LIFT, abs=1e-3)


def test_the_clip_has_the_velocities_of_its_angles_and_the_layout_of_the_observation(made):
    module, recipe = made("motion_prior")
    robot, times = recipe.env.physics.robot, np.arange(0.0, 1.0, 0.05) + 0.0125
    states = module.clip_states(robot, times)
    ahead = module.clip(robot, times + 1e-5)
    np.testing.assert_allclose((ahead - states[:, : robot.nu]) / 1e-5, states[:, robot.nu :], atol=0.05)
    sizes = [(part.name, part.stop - part.start) for part in recipe.env.layout("style")]
    assert sizes == [("joint_pos", robot.nu), ("joint_vel", robot.nu)]
    assert recipe.reward_model.reference.shape[1] == 2 * states.shape[1]


def _rollout(recipe: we.Recipe, before: jax.Array, after: jax.Array) -> we.Rollout:
    """One that holds what a reward model reads: some transitions, as 5 steps of as many envs as there is room for."""
    shape = (5, len(before) // 5)
    obs = {"style": before[: 5 * shape[1]].reshape(*shape, -1)}
    final = {"style": after[: 5 * shape[1]].reshape(*shape, -1)}
    nothing, never = jnp.zeros(shape), jnp.zeros(shape, bool)
    action = jnp.zeros((*shape, recipe.env.action_size))
    normal = we.policies.Normal(action, jnp.zeros(recipe.env.action_size))
    return we.Rollout(obs, final, (), action, normal, nothing, nothing, never, never, never)


def test_the_prior_learns_to_pay_for_the_clip_and_not_for_standing(made):
    """Of transitions that are all a standing robot's, and of the clip's own."""
    _, recipe = made("motion_prior")
    prior, env = recipe.reward_model, recipe.env
    clip = _rollout(recipe, *jnp.split(prior.reference, 2, axis=1))
    still = jnp.zeros_like(clip.obs["style"]).reshape(-1, clip.obs["style"].shape[-1])
    standing = _rollout(recipe, still, still)
    state = prior.init(jax.random.key(0), env)
    update = eqx.filter_jit(prior.update)
    for key in jax.random.split(jax.random.key(1), 100):
        state, figures = update(state, standing, key)
    most = float(prior.dt * prior.weight)
    paid = [float(prior.relabel(state, rollout).mean()) / most for rollout in (clip, standing)]
    assert paid[0] > 0.6
    assert paid[1] < 0.3
    assert float(figures["score_of_clip"]) > 0.2 > -0.2 > float(figures["score_of_policy"])
    broken = dataclasses.replace(standing, diverged=jnp.ones_like(standing.diverged))
    _, ignored = update(state, broken, jax.random.key(2))
    _, heeded = update(state, standing, jax.random.key(2))
    assert float(ignored["score_of_policy"]) > float(heeded["score_of_policy"])


def test_the_puck_is_drawn_beside_the_tip_and_seen_where_it_is(made):
    _, recipe = made("push_object")
    env, robot = recipe.env, recipe.env.physics.robot
    we.testing.check_reset(env.reset_state, env)
    puck, tip = robot.free_body("puck"), robot.model.mj.site("tip").id
    reset = eqx.filter_jit(lambda env, keys: jax.vmap(env.reset)(keys))
    state, timestep = reset(env, jax.random.split(jax.random.key(0), 64))
    place, at = np.asarray(state.physics.xpos[:, puck.body]), np.asarray(state.physics.site_xpos[:, tip])
    assert np.linalg.norm((place - at)[:, :2], axis=1).min() > 0.034, "the tip begins in the puck"
    assert np.ptp(place[:, 1]) > 0.1
    goal = np.asarray(state.commands["goal"].point)
    part = next(part for part in env.layout("policy") if part.name == "puck")
    seen = np.asarray(timestep.obs["policy"][:, part.start : part.stop])
    np.testing.assert_allclose(seen, np.hstack([(place - at)[:, :2], goal - place[:, :2]]), atol=1e-5)
    far = np.linalg.norm(goal - place[:, :2], axis=1)
    there = jax.jit(jax.vmap(lambda state: recipe.gate.goal(env.signals(state))))(state)
    np.testing.assert_array_equal(there, far <= 0.025)


def test_the_place_behind_the_puck_is_opposite_to_its_goal(made):
    _, recipe = made("push_object")
    env, robot = recipe.env, recipe.env.physics.robot
    state, _ = eqx.filter_jit(env.reset)(jax.random.key(0))
    puck, tip = robot.free_body("puck"), robot.model.mj.site("tip").id
    behind = env.rewards["behind"]
    at, goal = np.array([0.2, 0.0]), np.array([0.25, 0.0])

    def rate(place: np.ndarray) -> float:
        physics = dataclasses.replace(
            state.physics,
            xpos=state.physics.xpos.at[puck.body, :2].set(at),
            site_xpos=state.physics.site_xpos.at[tip, :2].set(place),
        )
        commands = {"goal": we.commands.PointState(jnp.asarray(goal, jnp.float32))}
        return float(behind(env.signals(dataclasses.replace(state, physics=physics, commands=commands))))

    gap = np.array([0.035 * 0.05 / 0.06, 0.0])
    assert rate(at - gap) == pytest.approx(0.0, abs=1e-6)
    assert rate(at + gap) == pytest.approx(2.0 * gap[0], rel=1e-4)
