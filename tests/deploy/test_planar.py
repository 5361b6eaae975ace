"""A bundle of a policy that walks sideways and turns: the player tells it what training told it."""

import copy
import dataclasses

import jax
import mujoco
import numpy as np
import pytest
from bundles import make_files, opened, readings, sealed
from helpers import random_physics

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.commands import VelocityCommand
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.bundle.contract import FILE, read_contract
from wildrobot_eqx.deploy.hardware.mujoco_robot import MujocoRobot
from wildrobot_eqx.deploy.player.loop import drive
from wildrobot_eqx.deploy.player.observer import Observer
from wildrobot_eqx.deploy.player.player import Player
from wildrobot_eqx.deploy.proof import play as playing
from wildrobot_eqx.deploy.proof.replay import replay
from wildrobot_eqx.deploy.proof.retrace import retrace


@pytest.fixture(scope="module")
def files():
    return make_files("walk_robust")


@pytest.fixture(scope="module")
def planar(files) -> Bundle:
    return opened(files)


def test_the_player_repeats_training_sideways_and_turning(planar):
    rows = planar.golden()
    for name in ("speed", "lateral", "turn"):
        assert np.ptp(rows[name]) > 0.05, "golden vectors that ask for nothing would prove nothing"
    assert rows["speed"][-1] == rows["lateral"][-1] == rows["turn"][-1] == 0.0
    found = replay(planar)
    assert found.passed, found.wrong


def test_the_player_walks_the_golden_rollout_again(planar):
    """In closed loop in plain MuJoCo, sideways steps and turns told as they were."""
    walked = retrace(planar)
    assert walked.passed, walked.wrong


@pytest.mark.parametrize("name", ["lateral", "turn"])
def test_golden_vectors_notice_a_command_that_is_lost(planar, name):
    rows = planar.golden()
    rows[name] = np.zeros_like(rows[name])
    other = Bundle(planar.contract, planar.files, planar.path)
    object.__setattr__(other, "golden", lambda: rows)
    found = replay(other)
    assert not found.passed
    assert "'command'" in str(found.wrong)


def test_the_commanded_heading_is_trainings(planar, robot):
    """Turns that start and stop, a robot that lags, and the way round through pi."""
    low, high = (planar.contract.document["command"]["turn"][name] for name in ("low", "high"))
    assert low < 0.0 < high
    command = VelocityCommand(
        robot, (0.2, 0.2), ang_vel_z=(low, high), stand_probability=0.0, interval=1e9, axis_probability=1.0
    )
    rng = np.random.default_rng(0)
    turns = np.repeat(rng.choice([0.0, 0.5, -0.5, 0.2], 20), 30).astype(np.float32)
    yaws = np.cumsum(0.7 * turns * 0.02 + rng.normal(size=turns.size) * 2e-3).astype(np.float32) + np.float32(2.8)
    observer = Observer(planar.contract)
    address = robot.imu().quat.address
    state = random_physics(robot)

    @jax.jit
    def step(told, turn, quat):
        told = dataclasses.replace(told, ang_vel_z=turn)
        physics = dataclasses.replace(state, sensordata=state.sensordata.at[address : address + 4].set(quat))
        return command.step(jax.random.key(0), told, physics, 0.02, {})

    quats = np.stack([np.cos(yaws / 2), 0 * yaws, 0 * yaws, np.sin(yaws / 2)], axis=1).astype(np.float32)
    first = dataclasses.replace(state, sensordata=state.sensordata.at[address : address + 4].set(quats[0]))
    told = command.start(command.sample(jax.random.key(0)), first, {})
    observer._advance_command(quats[0], 0.2, 0.0, float(turns[0]))
    ahead = []
    for turn, quat in zip(turns[1:], quats[1:]):
        told = step(told, turn, quat)
        observer._advance_command(quat, 0.2, 0.0, float(turn))
        assert observer.yaw_rate == pytest.approx(float(told.yaw_rate), abs=3e-5)
        assert observer.target == pytest.approx(float(told.target), abs=3e-5)
        ahead.append(float(told.target - told.heading))
    assert np.abs((np.array(ahead) + np.pi) % (2 * np.pi) - np.pi).max() == pytest.approx(0.1, abs=0.02)


def test_a_player_keeps_to_what_was_trained_and_to_0_where_nothing_was(planar, walk):
    part = next(p for p in planar.contract.parts if p.kind == "planar_command")
    player = Player(planar)
    player.start(ramp=False)
    step = player.step(readings(player, 0, command={"speed": 0.0, "lateral": 9.0, "turn": -9.0}))
    command = planar.contract.document["command"]
    np.testing.assert_allclose(
        step.observation[part.start : part.stop], [0.0, command["lateral"]["high"], command["turn"]["low"]], rtol=1e-6
    )
    for k in range(1, 3):
        step = player.step(readings(player, k, command={"speed": 0.0}))
    np.testing.assert_array_equal(step.observation[part.start : part.start + 2], [0.0, 0.0])
    ahead = Player(walk)
    ahead.start(ramp=False)
    plain = ahead.step(readings(ahead, 0, command={"speed": 0.0}))
    turned = ahead.step(readings(ahead, 1, command={"speed": 0.0, "lateral": 0.1, "turn": 0.3}))
    assert plain.mode == turned.mode == "run"
    assert ahead._observer.turn == ahead._observer.lateral == 0.0


def test_a_drive_steers(planar, walk):
    """Sideways and turning by functions of time; a policy that does not know them is left where it is."""
    robot = MujocoRobot(planar)
    player = Player(planar, unguarded=True)
    part = next(p for p in planar.contract.parts if p.kind == "planar_command")
    seen = []

    def watch(readings, step):
        seen.append(step.observation[part.start : part.start + 2].tolist() if step.mode == "run" else None)

    ways = {"lateral": lambda t: 0.1 if t > 0.05 else 0.0, "turn": lambda t: -0.2}
    drive(player, robot, lambda t: 0.2, 0.1, ramp=False, watch=watch, rest=False, **ways)
    np.testing.assert_allclose(seen, [[0.2, 0.0]] * 3 + [[0.2, 0.1]] * 2, atol=1e-6)
    assert player.held_heading < 0.0
    before = robot.now()
    with pytest.raises(WildRobotError, match="cannot be steered by 'turn'") as caught:
        drive(Player(walk), robot, lambda t: 0.1, 1.0, turn=lambda t: 0.1)
    assert caught.value.exit_code == 2
    assert robot.now() == before


def test_a_walk_is_summed_up_as_it_was_steered(planar, monkeypatch):
    """Slides of a robot that has no policy: what is reached is measured along and across the way it looks."""

    class Slides(MujocoRobot):
        def advance(self):
            super().advance()
            t = self.now()
            angle = 0.5 * t
            self.data.qpos[:7] = [np.sin(angle) * 0.2, (1.0 - np.cos(angle)) * 0.2, 0.45, 0.0, 0.0, 0.0, 0.0]
            self.data.qpos[3:7] = np.cos(angle / 2), 0.0, 0.0, np.sin(angle / 2)
            self.data.qpos[7:], self.data.qvel[:] = self._home[7:], 0.0
            mujoco.mj_forward(self.model, self.data)

    monkeypatch.setattr(playing, "MujocoRobot", Slides)
    document = playing.play(planar, 0.1, 3.0, ramp=False, turn=0.5).to_json()
    assert document["turn_radps"] == pytest.approx(0.5, abs=1e-3)
    assert document["turn_command_radps"] == 0.5
    assert document["speed_mps"] == pytest.approx(0.1, abs=2e-3)
    assert abs(document["heading_error_deg"]) < 1.0
    assert "lateral_mps" not in document


@pytest.mark.parametrize("name", ["lateral", "turn"])
def test_a_command_that_is_no_number_is_a_fault(planar, name):
    player = Player(planar)
    player.start(ramp=False)
    step = player.step(readings(player, 0, command={"speed": 0.0, name: float("nan")}))
    assert step.mode == "safe"
    assert f"finite {name!r}" in step.fault


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["command"]["turn"].update(low=1.0), "the range of commanded turns is empty"),
        (lambda d: d["command"]["turn"].pop("lead"), "lead"),
        (lambda d: d["command"].update(sideways={"low": 0.0, "high": 1.0}), "sideways"),
    ],
)
def test_a_contract_that_makes_no_sense_is_refused(planar, change, told):
    document = copy.deepcopy(planar.contract.document)
    change(document)
    with pytest.raises(WildRobotError, match=told):
        read_contract(sealed(document))
    assert FILE == "contract.json"


def test_a_command_that_no_part_shows_is_refused(planar, walk):
    document = copy.deepcopy(walk.contract.document)
    document["command"]["lateral"] = planar.contract.document["command"]["lateral"]
    with pytest.raises(WildRobotError, match="a commanded lateral that the policy never sees"):
        read_contract(sealed(document))


def test_the_readme_tells_what_may_be_asked(files):
    text = files["README.md"].decode()
    assert "'lateral': m/s to the left" in text
    assert "'turn': rad/s to the left" in text
