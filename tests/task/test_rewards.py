"""Every reward term against its formula in NumPy, on states of random numbers."""

import dataclasses

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from helpers import all_rewards, planar_signals, random_signals

from wildrobot_eqx import Ground, WildRobotError, locomotion, task


def _sensor(robot, signals, name):
    """A sensor's reading, looked up by name in the model itself."""
    mj = robot.model.mj
    i = mujoco.mj_name2id(mj, mujoco.mjtObj.mjOBJ_SENSOR, name)
    return np.asarray(signals.physics.sensordata)[mj.sensor_adr[i] : mj.sensor_adr[i] + mj.sensor_dim[i]]


def _forward_left(robot, signals):
    vx, vy, _ = _sensor(robot, signals, "pelvis_global_linvel")
    angle = float(signals.commands["velocity"].origin) + float(signals.commands["velocity"].target)
    return np.cos(angle) * vx + np.sin(angle) * vy, -np.sin(angle) * vx + np.cos(angle) * vy


def _kernel(error, width):
    return np.exp(-((error / width) ** 2))


def _joints(robot, signals):
    """Angles minus home, and velocities, by joint name."""
    data = mujoco.MjData(robot.model.mj)
    data.qpos[:], data.qvel[:] = signals.physics.qpos, signals.physics.qvel
    home = mujoco.MjData(robot.model.mj)
    home.qpos[:] = robot.home_qpos
    error = [data.joint(n).qpos[0] - home.joint(n).qpos[0] for n in robot.joint_names]
    return np.array(error), np.array([data.joint(n).qvel[0] for n in robot.joint_names])


def _up(robot, signals):
    matrix = np.empty(9)
    body = mujoco.mj_name2id(robot.model.mj, mujoco.mjtObj.mjOBJ_BODY, "waist")
    mujoco.mju_quat2Mat(matrix, np.asarray(signals.physics.xquat[body], np.float64))
    return matrix[8]


def _site_height(robot, signals, name):
    return float(signals.physics.site_xpos[mujoco.mj_name2id(robot.model.mj, mujoco.mjtObj.mjOBJ_SITE, name), 2])


def _phase(s):
    return float(s.commands["gait"].phase)


def _stepping(s):
    return s.commands["velocity"].lin_vel_x != 0.0 or _phase(s) > 0.0


def _reference(s, middle):
    """A squared sine over 0.4 of the cycle, up to 5 cm."""
    away = (_phase(s) / (2 * np.pi) - middle + 0.5) % 1.0 - 0.5
    return 0.05 * np.cos(np.pi * away / 0.4) ** 2 if _stepping(s) and abs(away) < 0.2 else 0.0


def _foot_height(r, s):
    reference = [_reference(s, middle) for middle in (0.25, 0.75)]
    heights = [_site_height(r, s, "left_foot"), _site_height(r, s, "right_foot")]
    return np.mean([_kernel(z - ref, 0.02) for z, ref in zip(heights, reference)])


def _foot_slip(r, s):
    total = 0.0
    for i, name in enumerate(("left_foot_linvel", "right_foot_linvel")):
        if s.physics.foot_force[i, 2] > 3.0:
            total += np.sum(_sensor(r, s, name)[:2] ** 2)
    return total


def _gait_contacts(r, s):
    share, stepping = _phase(s) / (2 * np.pi), _stepping(s)
    aloft = [stepping and 0.05 < share < 0.45, stepping and 0.55 < share < 0.95]
    loaded = [float(force[2]) > 3.0 for force in s.physics.foot_force]
    return np.mean([down != up for down, up in zip(loaded, aloft)])


def _stand_still(r, s):
    if _stepping(s):
        return 0.0
    error, speed = _joints(r, s)
    return np.sum(error**2) + 0.02 * np.sum(speed**2)


def _ahead_left(s, vector):
    angle = float(s.commands["velocity"].origin) + float(s.commands["velocity"].target)
    x, y = np.asarray(vector, np.float64)[:2]
    return np.array([np.cos(angle) * x + np.sin(angle) * y, -np.sin(angle) * x + np.cos(angle) * y])


def _beyond_the_feet(r, s):
    """From the nearest point of the box around both soles, 3 cm wider on each side, to the capture point."""
    mj = r.model.mj
    sites = [mujoco.mj_name2id(mj, mujoco.mjtObj.mjOBJ_SITE, name) for name in ("left_foot", "right_foot")]
    soles = np.array([_ahead_left(s, s.physics.site_xpos[i]) for i in sites])
    waist = mujoco.mj_name2id(mj, mujoco.mjtObj.mjOBJ_BODY, "waist")
    point = _ahead_left(s, s.physics.xpos[waist]) + 0.175 * _ahead_left(s, _sensor(r, s, "pelvis_global_linvel"))
    return point - np.clip(point, soles.min(axis=0) - 0.03, soles.max(axis=0) + 0.03)


def _idle_feet(r, s):
    error = _beyond_the_feet(r, s)
    distance = np.linalg.norm(error)
    swinging = 0.0
    for i, name in enumerate(("left_foot_linvel", "right_foot_linvel")):
        if s.physics.foot_force[i, 2] < 3.0:
            toward = _ahead_left(s, _sensor(r, s, name)) @ error / distance
            swinging = max(swinging, np.clip(toward / 1.5, 0.0, 1.0))
    return min(distance / 0.03, 1.0) * (1.0 - swinging)


def _track_lin_vel(r, s):
    error = _forward_left(r, s)[0] - float(s.commands["velocity"].lin_vel_x)
    return _kernel(error, 0.15) - 0.5 * abs(error)


FORMULAS = {
    "track_lin_vel": _track_lin_vel,
    "track_lateral": lambda r, s: _kernel(_forward_left(r, s)[1], 0.15),
    "track_yaw_rate": lambda r, s: _kernel(
        _sensor(r, s, "pelvis_global_angvel")[2] - float(s.commands["velocity"].yaw_rate), 0.5
    ),
    "hold_heading": lambda r, s: _kernel(
        float(s.commands["velocity"].target) - float(s.commands["velocity"].heading), 0.2
    ),
    "foot_height": _foot_height,
    "foot_slip": _foot_slip,
    "gait_contacts": _gait_contacts,
    "upright": lambda r, s: 1.0 - _up(r, s) ** 2,
    "base_height": lambda r, s: (float(s.physics.xpos[r.base.body, 2]) - float(r.home_height)) ** 2,
    "action_rate": lambda r, s: np.sum((np.asarray(s.action) - np.asarray(s.previous_action)) ** 2),
    "torque": lambda r, s: np.sum(np.asarray(s.physics.actuator_force) ** 2),
    "joint_speed": lambda r, s: np.sum(np.maximum(np.abs(_joints(r, s)[1]) - 0.8 * 5.818, 0.0) ** 2),
    "joint_deviation": lambda r, s: np.sum(_joints(r, s)[0] ** 2),
    "stand_still": _stand_still,
    "capture_point": lambda r, s: np.linalg.norm(_beyond_the_feet(r, s)),
    "idle_feet": _idle_feet,
    "alive": lambda r, s: 1.0,
}


# test_goals.py and test_joint_pose.py have their formulas
ELSEWHERE = (task.HingeHeight, task.HingeStill, task.SiteDistance, task.SiteNear, task.TrackJointPose)


def test_every_reward_has_a_formula(robot):
    classes = {type(term) for term in all_rewards(robot).values()}
    rooms = [*vars(task).values(), *vars(locomotion).values()]
    public = {c for c in rooms if isinstance(c, type) and issubclass(c, task.AbstractReward)}
    assert classes == public - {task.AbstractReward, task.AbstractStatelessReward, *ELSEWHERE}
    assert set(FORMULAS) == set(all_rewards(robot))


@pytest.mark.parametrize("speed", [0.0, 0.3])
@pytest.mark.parametrize("name", FORMULAS)
def test_a_reward_is_its_formula(robot, name, speed):
    values = []
    for seed in range(8):
        signals = random_signals(robot, seed, speed)
        values.append(float(all_rewards(robot)[name](signals)))
        np.testing.assert_allclose(values[-1], FORMULAS[name](robot, signals), rtol=2e-4, atol=1e-5)
    constant = name == "alive" or (name == "stand_still" and speed > 0.0)
    assert constant or np.ptp(values) > 0.0


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_sideways_and_turns_are_paid_as_commanded(robot, slope):
    """The same formulas, about what is commanded; the heading's error goes the short way round."""
    for seed in range(4):
        signals = planar_signals(robot, seed)
        command = signals.commands["velocity"]
        lateral = _forward_left(robot, signals)[1] - float(command.lin_vel_y)
        turn = _sensor(robot, signals, "pelvis_global_angvel")[2] - float(command.yaw_rate)
        for cls, error in ((locomotion.TrackLinVelY, lateral), (locomotion.TrackAngVelZ, turn)):
            expected = _kernel(error, 0.3) - slope * abs(error)
            np.testing.assert_allclose(cls(robot, width=0.3, slope=slope)(signals), expected, rtol=2e-4, atol=1e-5)
        near = dataclasses.replace(command, target=jnp.float32(3.1), heading=jnp.float32(-3.1))
        around = dataclasses.replace(signals, commands={**signals.commands, "velocity": near})
        np.testing.assert_allclose(locomotion.TrackHeading(width=0.2)(around), _kernel(2 * np.pi - 6.2, 0.2), rtol=1e-4)


def test_a_robot_that_finishes_its_step_does_not_stand_yet(robot):
    """Commanded to stand in mid-swing, it is still paid for the swing and not charged for moving."""
    signals = random_signals(robot, speed=0.0, phase=2.0)
    for name in ("stand_still", "foot_height"):
        np.testing.assert_allclose(all_rewards(robot)[name](signals), FORMULAS[name](robot, signals), rtol=1e-4)
    assert float(all_rewards(robot)["stand_still"](signals)) == 0.0


def test_joint_deviation_takes_joints_by_name(robot):
    signals = random_signals(robot)
    error, _ = _joints(robot, signals)
    chosen = ("left_hip_roll", "waist_yaw")
    expected = sum(error[robot.joint_names.index(n)] ** 2 for n in chosen)
    np.testing.assert_allclose(task.Posture(robot, joints=chosen)(signals), expected, rtol=1e-5)


def test_standing_still_takes_joints_by_name(robot):
    signals = random_signals(robot, speed=0.0)
    error, speed = _joints(robot, signals)
    chosen = ("waist_yaw", "left_hip_roll")  # in any order
    index = [robot.joint_names.index(name) for name in chosen]
    expected = sum(error[index] ** 2) + 0.02 * sum(speed[index] ** 2)
    term = locomotion.StandStill(robot, command="gait", time=0.02**0.5, joints=chosen)
    np.testing.assert_allclose(term(signals), expected, rtol=1e-4)


def test_a_slope_still_pulls_far_from_the_goal(robot):
    """Standing still at 0.5 m/s commanded: the kernel is flat there, the slope is not."""
    term = locomotion.TrackLinVelX(robot, width=0.1, slope=0.5)

    def value(speed):
        signals = random_signals(robot, speed=0.5)
        mj = robot.model.mj
        address = mj.sensor_adr[mujoco.mj_name2id(mj, mujoco.mjtObj.mjOBJ_SENSOR, "pelvis_global_linvel")]
        angle = signals.commands["velocity"].origin + signals.commands["velocity"].target
        velocity = speed * jnp.stack([jnp.cos(angle), jnp.sin(angle), jnp.zeros_like(angle)])
        sensordata = signals.physics.sensordata.at[address : address + 3].set(velocity)
        return term(dataclasses.replace(signals, physics=dataclasses.replace(signals.physics, sensordata=sensordata)))

    np.testing.assert_allclose(jax.grad(value)(jnp.zeros(())), 0.5, rtol=1e-3)
    np.testing.assert_allclose(value(jnp.asarray(0.5)), 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    ("share", "speed", "loads", "expected"),
    [
        (0.25, 0.3, (0.0, 30.0), 1.0),  # the left foot swings, the right one carries
        (0.25, 0.3, (30.0, 0.0), 0.0),
        (0.75, 0.3, (30.0, 0.0), 1.0),
        (0.75, 0.3, (30.0, 30.0), 0.5),  # a foot that comes down early
        (0.5, 0.3, (15.0, 15.0), 1.0),  # double support
        (0.5, 0.3, (0.0, 0.0), 0.0),  # a hop
        (0.0, 0.0, (15.0, 15.0), 1.0),  # standing
    ],
)
def test_gait_contacts_are_paid_by_the_clock(robot, share, speed, loads, expected):
    signals = random_signals(robot, speed=speed, phase=2.0 * np.pi * share)
    force = jnp.zeros_like(signals.physics.foot_force).at[:, 2].set(jnp.asarray(loads))
    signals = dataclasses.replace(signals, physics=dataclasses.replace(signals.physics, foot_force=force))
    assert float(locomotion.GaitContacts(robot, load=3.0)(signals)) == expected


def test_a_runner_at_rest_belongs_on_both_feet(robot):
    """Swings that overlap, as in running, leave no double support at phase 0: standing still does."""
    signals = random_signals(robot, speed=0.0, phase=0.0)
    force = jnp.zeros_like(signals.physics.foot_force).at[:, 2].set(15.0)
    signals = dataclasses.replace(signals, physics=dataclasses.replace(signals.physics, foot_force=force))
    gait = dataclasses.replace(signals.commands["gait"], swing=jnp.float32(0.6))
    signals = dataclasses.replace(signals, commands={**signals.commands, "gait": gait})
    assert float(locomotion.GaitContacts(robot, load=3.0)(signals)) == 1.0


class TestFootHeightReference:
    """Left swings in the first half of the cycle, right in the second, both rest between."""

    def curve(self, robot, share, stepping=1.0):
        gait = locomotion.gaits.two_beat(robot, period=0.7, swing=0.4)
        phase, moving = jnp.float32(2 * np.pi * share * (stepping > 0.0)), jnp.float32(stepping)
        return np.asarray(locomotion.GaitState(phase, moving, gait.mid_swing, gait.swing).height(jnp.float32(0.05)))

    def test_against_numpy(self, robot):
        for share in np.linspace(0.0, 0.99, 34):
            expected = []
            for start in (0.05, 0.55):  # the swing of 0.4, centred in each half
                x = (share - start) / 0.4
                expected.append(0.05 * np.sin(np.pi * x) ** 2 if 0.0 < x < 1.0 else 0.0)
            np.testing.assert_allclose(self.curve(robot, share), expected, atol=1e-6)

    def test_the_left_foot_swings_first(self, robot):
        assert [foot.name for foot in robot.feet] == ["left", "right"]
        np.testing.assert_allclose(self.curve(robot, 0.25), [0.05, 0.0], atol=1e-6)
        np.testing.assert_allclose(self.curve(robot, 0.75), [0.0, 0.05], atol=1e-6)

    def test_it_is_periodic(self, robot):
        for share in (0.1, 0.3, 0.6, 0.9):
            np.testing.assert_allclose(self.curve(robot, share), self.curve(robot, share + 1.0), atol=1e-6)

    def test_it_is_zero_in_double_support_and_while_standing(self, robot):
        for share in (0.0, 0.02, 0.48, 0.52, 0.99):
            np.testing.assert_array_equal(self.curve(robot, share), [0.0, 0.0])
        np.testing.assert_array_equal(self.curve(robot, 0.25, stepping=0.0), [0.0, 0.0])


@pytest.mark.parametrize("name", ["foot_height", "base_height"])
def test_heights_are_those_above_the_ground(robot, name):
    """The same robot, lifted by the ground's height under each of its parts, is paid the same."""
    ground = Ground.make(slope=0.2, bumps=0.05, half=3.0)
    kinds = {"foot_height": locomotion.FeetClearance, "base_height": task.BaseHeightError}
    signals = random_signals(robot)
    physics = signals.physics
    lifted = dataclasses.replace(
        physics,
        site_xpos=physics.site_xpos.at[:, 2].add(ground.height(physics.site_xpos[:, :2])),
        xpos=physics.xpos.at[:, 2].add(ground.height(physics.xpos[:, :2])),
    )
    there = dataclasses.replace(signals, physics=lifted)
    plain, terrain = kinds[name](robot), kinds[name](robot, ground=ground)
    np.testing.assert_allclose(terrain(there), plain(signals), rtol=1e-4)
    assert abs(float(plain(there)) - float(plain(signals))) > 1e-3


def test_a_joint_that_the_robot_lacks_is_named(robot):
    with pytest.raises(WildRobotError, match="no joint 'left_hip_rol'") as caught:
        task.Posture(robot, joints=("left_hip_rol",))
    assert "left_hip_roll" in caught.value.hint
    with pytest.raises(WildRobotError, match="no driven joint 'left_hip_rol'") as caught:
        locomotion.StandStill(robot, joints=("left_hip_rol",))
    assert "left_hip_roll" in caught.value.hint
