"""A bundle of a policy that walks sideways and turns: the player gives it the commands of training."""

import mujoco
import numpy as np
import pytest
from bundles import make_files, opened, readings, with_rows

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.hardware.mujoco_robot import MujocoRobot
from wildrobot_eqx.deploy.player.loop import drive
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


CHANNELS = ("lin_vel_x", "lin_vel_y", "ang_vel_z")


def test_the_player_repeats_training_sideways_and_turning(planar):
    assert tuple(channel.name for channel in planar.contract.channels) == CHANNELS
    command = planar.golden()["command"]
    assert (np.ptp(command, axis=0) > 0.05).all(), "golden vectors that ask for nothing would prove nothing"
    assert not command[-1].any()
    found = replay(planar)
    assert found.passed, found.wrong


def test_the_player_walks_the_golden_rollout_again(planar):
    """In closed loop in plain MuJoCo, with the same sideways steps and turns commanded."""
    walked = retrace(planar)
    assert walked.passed, walked.wrong


@pytest.mark.parametrize("name", CHANNELS)
def test_golden_vectors_notice_a_command_that_is_lost(planar, name):
    rows = planar.golden()
    rows["command"][:, CHANNELS.index(name)] = 0.0
    found = replay(with_rows(planar, rows))
    assert not found.passed
    assert "'command'" in str(found.wrong) or "'gait_phase'" in str(found.wrong)


def test_golden_vectors_notice_channels_that_are_mixed_up(planar):
    rows = planar.golden()
    rows["command"] = np.ascontiguousarray(rows["command"][:, [0, 2, 1]])
    assert not replay(with_rows(planar, rows)).passed


def test_a_player_keeps_to_what_was_trained_and_to_0_where_nothing_was(planar):
    part = next(p for p in planar.contract.parts if p.name == "command")
    _, lateral, turn = planar.contract.channels
    player = Player(planar)
    player.start(ramp=False)
    step = player.step(readings(player, 0, command={"lin_vel_y": 9.0, "ang_vel_z": -9.0}))
    assert turn.low < 0.0 < lateral.high < 9.0
    np.testing.assert_allclose(step.observation[part.start : part.stop], [0.0, lateral.high, turn.low], rtol=1e-6)
    for k in range(1, 3):
        step = player.step(readings(player, k, command={}))
    np.testing.assert_array_equal(step.observation[part.start : part.start + 2], [0.0, 0.0])


def test_a_drive_steers(planar, walk):
    """Sideways and turning by a function of time; a policy that does not know them is left where it is."""
    robot = MujocoRobot(planar)
    player = Player(planar, unguarded=True)
    part = next(p for p in planar.contract.parts if p.name == "command")
    seen = []

    def watch(readings, step):
        seen.append(step.observation[part.start : part.start + 2].tolist() if step.mode == "run" else None)

    def command(t):
        return {"lin_vel_x": 0.2, "ang_vel_z": -0.2, **({"lin_vel_y": 0.1} if t > 0.05 else {})}

    drive(player, robot, command, 0.1, ramp=False, watch=watch, rest=False)
    np.testing.assert_allclose(seen, [[0.2, 0.0]] * 3 + [[0.2, 0.1]] * 2, atol=1e-6)
    assert playing.held_heading(player) < 0.0
    before = robot.now()
    for command in ({"ang_vel_z": 0.1}, lambda t: {"ang_vel_z": 0.1}):
        with pytest.raises(WildRobotError, match="cannot be asked for 'ang_vel_z': its training never did") as caught:
            drive(Player(walk), robot, command, 1.0)
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
    document = playing.play(planar, {"lin_vel_x": 0.1, "ang_vel_z": 0.5}, 3.0, ramp=False).to_json()
    assert document["command"] == {"lin_vel_x": 0.1, "lin_vel_y": 0.0, "ang_vel_z": 0.5}
    assert document["reached"] == {"lin_vel_x": pytest.approx(0.1, abs=2e-3), "ang_vel_z": pytest.approx(0.5, abs=1e-3)}
    assert document["error"] == {"lin_vel_x": pytest.approx(0.0, abs=2e-3), "ang_vel_z": pytest.approx(0.0, abs=1e-3)}
    assert abs(document["heading_error_deg"]) < 1.0


@pytest.mark.parametrize("name", CHANNELS)
def test_a_command_that_is_no_number_is_a_fault(planar, name):
    player = Player(planar)
    player.start(ramp=False)
    step = player.step(readings(player, 0, command={name: float("nan")}))
    assert step.mode == "safe"
    assert f"finite {name!r}" in step.fault


def test_the_readme_tells_what_may_be_asked(files):
    text = files["README.md"].decode()
    for channel in opened(files).contract.channels:
        assert f"# {channel.name!r}: {channel.unit}, {channel.low:g} to {channel.high:g}" in text
