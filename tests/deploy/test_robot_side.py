"""The graph of a control step against the env's own modules in JAX: the very bits of the clock, and all of the rest."""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest
from bundles import env_and_policy
from helpers import make_env, random_physics, with_switches
from own import Lacking, Sees, Wrapped, own_env, own_policy, readings_at_random

import wildrobot_eqx as we
from wildrobot_eqx import ObservationStack, WildRobotError, rotation
from wildrobot_eqx.controllers import Delay, JointPosition, LowPass
from wildrobot_eqx.deploy.export.onnx.control import control_graph
from wildrobot_eqx.deploy.export.robot_side import robot_side, without_delay
from wildrobot_eqx.learn.agent import make_agent
from wildrobot_eqx.locomotion import HeadingController, VelocityState, gaits

PERIODS = [0.4, 0.5, 0.6, 0.64, 0.7, 0.72, 0.8, 1.0]  # s; with most of them a half cycle is a whole number of steps
PHASE = "state.commands.gait.phase"


class Graph:
    """A control step's graph, run by onnxruntime; what it hands on is zero at first."""

    def __init__(self, env, policy, reads=None):
        self.side = robot_side(env)
        self.blank = self.side.blank()
        reads = self.side.reads() if reads is None else reads
        graph = control_graph(self.side, reads, policy, env.observations["policy"].history, {})
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(graph.model, options, providers=["CPUExecutionProvider"])
        self.inputs, self.states = dict(graph.inputs), graph.states
        self.outputs = ["observation", "action", "target", *(state.output for state in graph.states)]
        self.start()

    def start(self):
        self.state = {s.input: np.zeros(s.shape, np.float32) for s in self.states}

    def __call__(self, reading):
        """Observation, action and target."""
        given = {
            "command": reading.command,
            "joint_positions": reading.joint_positions,
            "joint_velocities": reading.joint_velocities,
            "foot_switches": reading.foot_switches,
            **{f"sensor.{name}": value for name, value in reading.sensors.items()},
        }
        inputs = {name: np.asarray(given[name], np.float32)[None] for name in self.inputs}
        observation, action, target, *after = self.session.run(self.outputs, {**inputs, **self.state})
        self.state = dict(zip(self.state, after))
        return observation[0], action[0], target[0]


def _named(state) -> dict[str, np.ndarray]:
    """The leaves of a state by their names in the graph."""
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        parts = [str(getattr(key, "name", getattr(key, "key", getattr(key, "idx", key)))) for key in path]
        found[".".join(["state", *parts])] = np.asarray(leaf)
    return found


# What runs a few times costs more to compile than to run.
_jit = functools.partial(eqx.filter_jit, compiler_options={"xla_backend_optimization_level": 0})


@_jit
def _observe(side, first, state, reading, unknown):
    return side.observe(first, state, reading, unknown)


@_jit
def _act(side, first, state, action):
    return side.act(first, state, action)


def _agree(graph: Graph, readings, atol: float = 3e-6) -> list[np.ndarray]:
    """The graph computes what the env's modules do, all that it hands on included; returns the observations."""
    side, state, unknown = graph.side, graph.side.init(), graph.blank[1]
    seen = []
    for k, reading in enumerate(readings):
        first = jnp.asarray(k == 0)
        observation, action, target = graph(reading)
        wanted, state = _observe(side, first, state, reading, unknown)
        np.testing.assert_allclose(observation, wanted, atol=atol, err_msg=f"observation, step {k}")
        wanted, state = _act(side, first, state, jnp.asarray(action))
        np.testing.assert_allclose(target, wanted, atol=atol, err_msg=f"target, step {k}")
        named = _named(state)
        for name in graph.state.keys() & named.keys():
            np.testing.assert_allclose(graph.state[name][0], named[name], atol=atol, err_msg=f"{name}, step {k}")
        seen.append(observation)
    return seen


@functools.cache
def _graph(name: str) -> Graph:
    return Graph(*env_and_policy(name))


@pytest.mark.parametrize("name", ["hop", "walk", "reach"])
def test_a_control_step_is_the_envs_own(name):
    graph = _graph(name)
    graph.start()
    readings = readings_at_random(graph.side, 40)
    first = _agree(graph, readings)
    assert np.std(first, axis=0).min() > 1e-3
    graph.start()
    assert np.array_equal(_agree(graph, readings[:3]), first[:3])


def test_the_first_step_hangs_on_nothing_that_was_before():
    """Whatever the states hold: the flag alone says that an episode begins."""
    graph, rng = _graph("hop"), np.random.default_rng(0)
    reading = readings_at_random(graph.side, 1)[0]
    results = []
    for spoilt in (False, True):
        graph.start()
        if spoilt:
            graph.state = {
                n: v if n == "started" else rng.normal(size=v.shape).astype(v.dtype) for n, v in graph.state.items()
            }
        results.append([*graph(reading), *graph.state.values()])
    assert all(np.array_equal(a, b) for a, b in zip(*results))
    assert graph.state["started"] == 1.0
    assert {s.kind for s in graph.states} == {"step", "started"}


# --- the gait's clock --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def speeds() -> np.ndarray:
    """Commands that start and stop all the time."""
    rng = np.random.default_rng(0)
    return np.repeat(rng.choice([0.0, 0.0, 0.3], 200), rng.integers(1, 60, 200)).astype(np.float32)


@pytest.fixture(scope="module")
def trained(speeds, robot) -> tuple[np.ndarray, np.ndarray]:
    """The clock's phases in training, and the sines that a policy sees, by period."""
    clock, physics, zero = gaits.two_beat(robot), random_physics(robot), jnp.zeros((), jnp.float32)

    @eqx.filter_jit
    def roll(periods, speeds):
        def one(period, state, speed):
            others = {"velocity": VelocityState(speed, zero, zero, zero, zero)}
            own = eqx.tree_at(lambda c: c.period, clock, period)
            state = own.step(jax.random.key(0), state, physics, 0.02, others)
            return state, own.observe(state)[0]

        def step(states, speed):
            states, sines = jax.vmap(lambda period, state: one(period, state, speed))(periods, states)
            return states, (states.phase, sines)

        first = jax.vmap(lambda _: clock.sample(jax.random.key(0)))(periods)
        return jax.lax.scan(step, first, speeds)[1]

    phases, sines = roll(jnp.asarray(PERIODS, jnp.float32), jnp.asarray(speeds))
    return np.asarray(phases), np.asarray(sines)


@pytest.mark.parametrize("place", range(len(PERIODS)), ids=PERIODS)
def test_the_clock_is_trainings_to_the_bit(place, speeds, trained):
    """Over starts and stops; and the sine, whose sign is a symmetric policy's side, is never on the other side."""
    env, policy = env_and_policy("walk")
    env = eqx.tree_at(lambda e: e.commands["gait"].period, env, jnp.float32(PERIODS[place]))
    graph = Graph(env, policy, _graph("walk").side.reads())
    inputs = {name: np.zeros((1, size), np.float32) for name, size in graph.inputs.items()}
    inputs["sensor.chest_imu_quat"][0, 0] = 1.0
    at = next(part.start for part in env.observations["policy"].layout if part.name == "gait_phase")
    state = {**graph.state, "started": np.ones((1, 1), np.float32)}
    phases, sines = (values[:, place] for values in trained)
    before = np.concatenate([[np.float32(0.0)], phases[:-1]])
    once = {(was.tobytes(), speed.tobytes()): k for k, (was, speed) in enumerate(zip(before, speeds))}
    for k in once.values():  # a step hangs on nothing else, so each kind of step is done once
        given = {"command": speeds[k].reshape(1, 1), PHASE: before[k].reshape(1)}
        observation, phase = graph.session.run(["observation", f"next_{PHASE}"], {**inputs, **state, **given})
        assert phase.view(np.int32) == phases[k].view(np.int32)
        assert np.sign(observation[0, at]) == np.sign(sines[k])
        assert observation[0, at] == pytest.approx(sines[k], abs=3e-7)
    assert len(once) > 30
    assert (phases == 0.0).any()
    assert len(np.unique(phases)) > 15


def test_an_episode_begins_at_phase_zero():
    """As `Env.reset` does, whatever the command; the clock runs from the second observation on."""
    graph = _graph("walk")
    reading = eqx.tree_at(lambda r: r.command, readings_at_random(graph.side, 1)[0], jnp.asarray([0.3]))
    for _ in range(2):
        graph.start()
        phases = []
        for _ in range(2):
            graph(reading)
            phases.append(float(graph.state[PHASE][0]))
        assert phases == [0.0, pytest.approx(2.0 * np.pi * 0.02 / 0.7)]


# --- rotations and headings ----------------------------------------------------------------------------------


def _looking(graph: Graph, quats, speed=0.3):
    """The graph's observations and headings, of IMUs turned so."""
    reading, _ = graph.blank
    reading = eqx.tree_at(lambda r: r.command, reading, jnp.full_like(reading.command, speed))
    name = "chest_imu_quat"
    for quat in quats:
        yield graph(dataclasses.replace(reading, sensors={**reading.sensors, name: quat}))[0]


def test_rotations_are_trainings():
    graph = _graph("walk")
    quats = np.random.default_rng(1).normal(size=(150, 4))
    quats = (quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float32)
    down = jnp.asarray([0.0, 0.0, -1.0], jnp.float32)
    gravity = jax.vmap(lambda q: rotation.rotate_inverse(q, down))(quats)
    heading = jax.vmap(rotation.yaw)(quats)
    seen, found = [], []
    for quat in quats:
        graph.start()  # an episode's first heading is the one that it holds
        seen += [observation[:3] for observation in _looking(graph, [quat])]
        found.append(graph.state["state.commands.velocity.origin"][0])
    np.testing.assert_allclose(seen, gravity, atol=5e-7)
    np.testing.assert_allclose(found, heading, atol=2e-6)


def test_the_heading_hold_is_trainings():
    """Limit, gain, wrap and the origin of the first reading, several times round."""
    graph, hold = _graph("walk"), HeadingController()
    turns = [np.array([np.cos(a / 2), 0, 0, np.sin(a / 2)], np.float32) for a in np.linspace(2.5, 22.0, 130)]
    graph.start()
    at = next(p.start for p in graph.side.stack.layout if p.name == "command") + 1
    rates = [observation[at] for observation in _looking(graph, turns)]
    wanted = []
    for turn in turns:
        heading = rotation.wrap_angle(rotation.yaw(jnp.asarray(turn)) - rotation.yaw(jnp.asarray(turns[0])))
        wanted.append(hold(jnp.zeros(()), heading))
    assert rates[0] == 0.0
    np.testing.assert_allclose(rates, wanted, atol=4e-6)
    assert np.abs(rates).max() == np.float32(0.6)
    assert np.ptp(rates) == np.float32(1.2)


def test_angles_are_wrapped_as_in_training(walk_turning):
    """Of a target that was turned by any angle, however far."""
    graph, side, unknown = walk_turning, walk_turning.side, walk_turning.blank[1]
    (reading,) = readings_at_random(side, 1)
    part = next(p for p in side.stack.layout if p.name == "command")
    _, state = _observe(side, jnp.asarray(True), side.init(), reading, unknown)
    graph.start()
    graph(reading)
    carried = graph.state
    for angle in np.linspace(-20.0, 20.0, 41).astype(np.float32):
        graph.state = {**carried, "state.commands.velocity.target": angle.reshape(1)}
        turned = eqx.tree_at(lambda s: s.commands["velocity"].target, state, jnp.asarray(angle))
        wanted, _ = _observe(side, jnp.asarray(False), turned, reading, unknown)
        found = graph(reading)[0]
        np.testing.assert_allclose(found[part.start : part.stop], wanted[part.start : part.stop], atol=5e-6)


@pytest.fixture(scope="module")
def walk_turning(robot) -> Graph:
    """A biped that is asked to walk sideways and to turn."""
    command = we.commands.VelocityCommand(robot, (0.0, 0.3), lin_vel_y=(-0.1, 0.1), ang_vel_z=(-0.5, 0.5))
    env = make_env(robot, command=command, rewards={}, endings={})
    terms = {**env.observations["policy"].terms, "command": we.terms.CommandTerm("velocity", command.observed)}
    env = dataclasses.replace(env, observations={"policy": ObservationStack(terms)})
    policy = make_agent(dataclasses.replace(env), we.PPO(hidden=(8,)), jax.random.key(0)).policy
    return Graph(env, policy)


def test_a_turning_heading_leads_no_further_than_in_training(walk_turning):
    """Turns that start and stop, a robot that lags, and the way round through pi."""
    graph, rng = walk_turning, np.random.default_rng(0)
    turns = np.repeat(rng.choice([0.0, 0.5, -0.5, 0.2], 12), 25).astype(np.float32)
    yaws = np.cumsum(0.7 * turns * 0.02 + rng.normal(size=turns.size) * 2e-3).astype(np.float32) + np.float32(2.8)
    reading, _ = graph.blank
    graph.start()
    readings, ahead = [], []
    for turn, yaw in zip(turns, yaws):
        quat = jnp.asarray([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)], jnp.float32)
        new = (jnp.asarray([0.2, 0.0, turn], jnp.float32), {**reading.sensors, "chest_imu_quat": quat})
        readings.append(eqx.tree_at(lambda r: (r.command, r.sensors), reading, new))
    _agree(graph, readings, atol=3e-5)
    graph.start()
    for reading, yaw in zip(readings, yaws):
        graph(reading)
        ahead.append(float(graph.state["state.commands.velocity.target"][0]) - float(yaw - yaws[0]))
    assert np.abs((np.array(ahead) + np.pi) % (2 * np.pi) - np.pi).max() == pytest.approx(0.1, abs=0.02)


# --- what is read, and what is no robot's business -------------------------------------------------------------


def _reads(env, **terms):
    stack = env.observations["policy"]
    stack = ObservationStack({**{n: stack.terms[n] for n in stack.names}, **terms}, policy=False)
    return robot_side(dataclasses.replace(env, observations={"policy": stack})).reads()


def test_only_what_reaches_the_policy_is_read(hopper):
    env = make_env(hopper)
    assert robot_side(env).reads() == {
        "command",
        "joint_positions",
        "joint_velocities",
        "torso_imu_quat",
        "torso_imu_gyro",
    }
    few = ObservationStack({"joint_positions": we.terms.JointPositions(hopper)})
    assert robot_side(dataclasses.replace(env, observations={"policy": few})).reads() == {"joint_positions"}
    led = ObservationStack({"velocity": we.terms.CommandTerm("velocity", env.commands["velocity"].observed)})
    side = robot_side(dataclasses.replace(env, observations={"policy": led}))
    assert side.reads() == {"command", "torso_imu_quat"}  # the heading that a command holds
    clock = ObservationStack({"gait": we.terms.CommandTerm("gait", env.commands["gait"].observed)})
    assert robot_side(dataclasses.replace(env, observations={"policy": clock})).reads() == {"command"}


def test_what_a_state_hands_on_is_read_too(tmp_path):
    """Through a state alone: a term that shows what it read the step before."""

    class Late(we.terms.AbstractTerm):
        unit, frame, size, measurable, source = "rad/s", "joint", 1, True, "joint encoders"

        def init(self, signals):
            return {"old": jnp.zeros((1,)), "older": jnp.zeros((1,))}

        def step(self, state, signals):
            return state["older"], {"old": signals.physics.qvel[:1], "older": state["old"]}

    env = own_env(tmp_path)
    env = dataclasses.replace(env, observations={"policy": ObservationStack({"late": Late()})}, commands={})
    assert robot_side(env).reads() == {"joint_velocities"}


def test_switches_are_read_by_their_terms_alone(robot):
    switched = with_switches(robot)
    env = make_env(switched)
    assert "foot_switches" in _reads(env, switches=we.terms.FootSwitches(switched))
    assert "foot_switches" not in _reads(env)
    with pytest.raises(WildRobotError, match=r"reads physics\.foot_force, which no robot measures"):
        _reads(env, contacts=Force())
    with pytest.raises(WildRobotError, match=r"reads physics\.foot_force"):
        _reads(make_env(robot), contacts=Force(above=1.0))  # no switch in its feet
    assert "foot_switches" in _reads(env, contacts=Force(above=1.0))


class Force(we.terms.AbstractStatelessTerm):
    """A foot's force on the floor, which a switch does not measure; or whether it does so by more than a threshold."""

    above: float = eqx.field(static=True, default=0.0)
    unit, frame, size, measurable, source = "N", "world", 1, True, "?"

    def __call__(self, signals):
        force = signals.physics.foot_force[:1, 2]
        return (force > self.above).astype(jnp.float32) if self.above else force


class Peeks(we.commands.PointCommand):
    """A place that follows a site."""

    def step(self, key, state, physics, dt, others):
        return type(state)(physics.site_xpos[0, :2])


def test_what_only_a_simulation_knows_is_refused_by_name(hopper):
    env = make_env(hopper)
    for field in ("xpos", "site_xpos", "actuator_force"):
        with pytest.raises(WildRobotError, match=rf"reads physics\.{field}, which no robot measures") as caught:
            _reads(env, seen=Sees(field))
        assert "policy" in caught.value.where
    with pytest.raises(WildRobotError, match=r"reads physics\.qpos"):
        _reads(env, seen=Sees("qpos"))  # its first entry is of the base, which has no encoder
    with pytest.raises(WildRobotError, match="'height', which the robot cannot measure"):
        _reads(env, height=we.terms.BaseHeight(hopper))
    place = Peeks(half=(0.1, 0.1))
    env = dataclasses.replace(env, commands={**env.commands, "place": place})
    assert "joint_positions" in robot_side(env).reads()  # nobody sees it
    with pytest.raises(WildRobotError, match=r"reads physics\.site_xpos"):
        _reads(env, place=we.terms.CommandTerm("place", place.observed))


# --- delays ------------------------------------------------------------------------------------------------


def _targets(controller, actions):
    state, found = controller.init(), []
    for action in actions:
        target, state = controller(state, action)
        found.append(np.asarray(target))
    return np.array(found)


def test_a_delay_is_the_robots_own(hopper):
    """Wherever it is among filters: without it the same targets come so many steps earlier."""
    base = JointPosition(hopper)
    home = base.rest()
    late = Delay(LowPass(Delay(LowPass(base, home, 0.6), home, 2), home, 0.9), home, 1)
    bare, steps = without_delay(late)
    assert steps == 3
    assert not any(isinstance(p, Delay) for p in jax.tree.leaves(bare, is_leaf=lambda p: isinstance(p, Delay)))
    actions = jnp.asarray(np.random.default_rng(0).normal(size=(12, 3)), jnp.float32)
    np.testing.assert_allclose(_targets(bare, actions)[:-3], _targets(late, actions)[3:], atol=1e-6)
    assert without_delay(base) == (base, 0)


def test_a_delay_that_cannot_be_taken_out_is_refused(hopper):
    base = JointPosition(hopper)
    for wrong in (Delay(base, base.rest() + 0.1, 1), LowPass(base, base.rest() + 0.1, 0.5)):
        with pytest.raises(WildRobotError, match=f"The {type(wrong).__name__} .* does not start from the command at"):
            without_delay(wrong)
    inside = Wrapped(Delay(base, base.rest(), 1))
    with pytest.raises(WildRobotError, match="A Delay lies within a Wrapped"):
        without_delay(LowPass(inside, inside.rest(), 0.5))


# --- parts of a user's own -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    env = own_env(tmp_path_factory.mktemp("own"))
    return env, own_policy(env)


def test_parts_of_a_users_own_are_computed_as_in_training(own):
    """Whole numbers and truths come back as what they are."""
    graph = Graph(*own)
    observations = _agree(graph, readings_at_random(graph.side, 60))
    assert np.std(observations, axis=0).min() > 1e-3
    named = {s.input: s.shape for s in graph.states}
    assert named["state.terms.0.tally.seen"] == (1,)
    assert named["state.terms.0.tally.last"] == (1, 5)
    assert named["state.controller.count"] == (1,)
    assert {"state.terms.0.tally.large", "state.commands.spin.age", "state.commands.spin.turned", PHASE} <= set(named)
    assert graph.state["state.terms.0.tally.seen"] == 60.0
    assert graph.state["state.terms.0.tally.large"] == 1.0
    assert graph.state["state.commands.spin.age"] == 59.0


def test_what_onnx_lacks_is_refused_only_where_a_result_needs_it(own, tmp_path):
    def graph(shows):
        env = own_env(tmp_path, more={"lacking": Lacking(shows)})
        return Graph(env, own_policy(env))

    assert not any("lacking" in state.input for state in graph("").states)
    with pytest.raises(WildRobotError, match=r"The robot's part of the env, .* computes with `sort`"):
        graph("sorted")
    with pytest.raises(WildRobotError, match=r"'state\.terms\.0\.lacking\.key' is a random key"):
        graph("drawn")
