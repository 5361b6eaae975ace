"""A bundle in the view goes through the player: the same targets, the same falls."""

import numpy as np
import pytest

from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.bundle.contract import COMMAND
from wildrobot_eqx.deploy.hardware.mujoco_robot import MujocoRobot
from wildrobot_eqx.deploy.player.player import Player
from wildrobot_eqx.paths import data_dir
from wildrobot_eqx.view.bundled import BundleSimulation
from wildrobot_eqx.view.simulation import World
from wildrobot_eqx.view.stage import arrange


@pytest.fixture(scope="module")
def walk() -> Bundle:
    return Bundle.open(data_dir("demos") / "walk.zip")


def test_it_moves_as_the_player_moves_it(walk):
    simulation = BundleSimulation(walk)
    machine = MujocoRobot(walk)
    player = Player(walk, joints=machine.joints)
    player.start(ramp=False)
    asked = {channel.name: channel.high for channel in walk.contract.channels}
    for _ in range(20):
        simulation.step({**asked, "not a channel of its": 1.0})
        step = player.step({**machine.read(), COMMAND: asked}, machine.now())
        machine.write(dict(zip(player.joints, step.target.tolist())), player.dt)
        machine.advance()
    np.testing.assert_array_equal(simulation.pose.qpos, machine.data.qpos)
    parts = simulation.inside.observation
    np.testing.assert_array_equal(np.concatenate(list(parts.values())), step.observation)


def test_it_knows_its_feet_and_limits(walk):
    simulation = BundleSimulation(walk)
    names = [simulation.model.body(body).name for body in simulation.feet.values()]
    assert list(simulation.feet) == ["left", "right"]
    assert all(side in name for side, name in zip(simulation.feet, names))
    limits = simulation.model.actuator_forcerange[:, 1]
    joints = [simulation.model.joint(j).name for j in simulation.model.actuator_trnid[:, 0]]
    by_joint = dict(zip(joints, limits.tolist()))
    np.testing.assert_allclose(simulation.torque_limit, [by_joint[name] for name in simulation.joints], rtol=1e-6)


def test_a_kick_over_ends_in_the_safe_pose_and_it_stands_up_again(walk):
    session = arrange([BundleSimulation(walk)])
    session.impulse = 4.0 * session.focused.shadow.mass  # N s: 4 m/s to the left
    session.push()
    modes = set()
    for _ in range(60):
        session.advance(0.1)
        modes.add(session.focused.inside.mode)
        if session.focused.falls:
            break
    assert "safe" in modes
    assert session.focused.falls == 1
    assert session.focused.simulation.ended is None


def test_who_is_told_to_lie_stays_down(walk):
    session = arrange([BundleSimulation(walk)])
    session.stands_up, session.impulse = False, 4.0 * session.focused.shadow.mass
    session.push()
    for _ in range(20):
        session.advance(0.2)
    assert session.focused.falls == 0
    assert session.focused.simulation.ended == "fell"


@pytest.mark.parametrize("terrain", ["bumps", "steps"])
def test_the_policy_keeps_its_robot_on_other_ground(walk, terrain):
    simulation = BundleSimulation(walk)
    simulation.enter(World(0.8, 0.1, terrain))
    assert simulation.model.nhfield == 1
    mass = simulation.model.body_mass.sum()
    simulation.step({})
    assert simulation.inside.observation
    simulation.enter(World())
    assert simulation.model.nhfield == 0
    assert mass == pytest.approx(simulation.model.body_mass.sum() + 0.1)
