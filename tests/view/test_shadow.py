"""What the view says of forces, against MuJoCo's own sensors and Newton's laws."""

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

from wildrobot_eqx.view.held import HeldSimulation
from wildrobot_eqx.view.shadow import Shadow
from wildrobot_eqx.view.terrain import heights


@pytest.fixture
def standing(robot) -> tuple[HeldSimulation, Shadow]:
    simulation = HeldSimulation(robot)
    for _ in range(50):
        simulation.step({})
    shadow = Shadow(simulation.model, simulation.base, simulation.joints, simulation.feet)
    shadow.look(simulation.pose)
    return simulation, shadow


def test_forces_of_the_ground_are_those_of_the_feets_sensors(robot, standing):
    _, shadow = standing
    read = jnp.asarray(shadow.data.sensordata, jnp.float32)
    sensed = {foot.name: float(np.asarray(foot.force.read(read))[2]) for foot in robot.feet}
    assert shadow.foot_forces() == pytest.approx(sensed, abs=1e-4)
    places, forces, bodies = shadow.contacts()
    assert places.shape == forces.shape == (len(bodies), 3)
    assert set(bodies.tolist()) <= set(range(1, shadow.model.nbody))


def test_momentum_changes_by_the_forces(standing):
    """Newton: the ground's forces and the weight make up the acceleration of the centre of mass."""
    simulation, shadow = standing
    simulation.kick(np.array([0.2, 0.1, -0.3]))
    shadow.look(simulation.pose)
    model, data = shadow.model, shadow.data
    jacobian, rate = np.zeros((3, model.nv)), np.zeros((3, model.nv))
    mujoco.mj_jacSubtreeCom(model, data, jacobian, simulation.base)
    later = mujoco.MjData(model)
    later.qpos[:], later.qvel[:] = data.qpos, data.qvel
    step = 1e-7
    mujoco.mj_integratePos(model, later.qpos, data.qvel, step)
    mujoco.mj_forward(model, later)
    mujoco.mj_jacSubtreeCom(model, later, rate, simulation.base)
    acceleration = jacobian @ data.qacc + (rate - jacobian) @ data.qvel / step
    forces = shadow.contacts()[1].sum(axis=0)
    expected = forces / shadow.mass + model.opt.gravity
    np.testing.assert_allclose(acceleration, expected, atol=0.02 * np.linalg.norm(expected) + 0.02)


def test_velocity_is_along_the_heading(standing):
    simulation, shadow = standing
    pose = simulation.pose
    pose.qpos[3:7] = [np.cos(0.5), 0.0, 0.0, np.sin(0.5)]  # turned by 1 rad to the left
    pose.qvel[:] = 0.0
    pose.qvel[:2] = [np.cos(1.0), np.sin(1.0)]
    pose.qvel[5] = 0.7
    shadow.look(pose)
    assert shadow.heading == pytest.approx(1.0, abs=1e-6)
    found = shadow.velocity
    assert found["ang_vel_z"] == pytest.approx(0.7, abs=1e-6)
    assert found["lin_vel_x"] == pytest.approx(1.0, abs=0.1)  # the body's centre need not be the joint's


@pytest.mark.parametrize("terrain", ["bumps", "slope", "steps"])
def test_ground_is_level_where_a_robot_begins_and_uneven_around(terrain):
    field, half = heights(terrain, 0.25)
    at = np.linspace(-half, half, len(field))
    near = np.hypot(*np.meshgrid(at, at)) < 0.15
    assert np.ptp(field[near]) == 0.0
    assert 0.01 < np.ptp(field) < half
    twice, wide = heights(terrain, 0.5)
    np.testing.assert_allclose(twice, 2.0 * field)  # all lengths go with the robot's
    assert wide == pytest.approx(2.0 * half)
