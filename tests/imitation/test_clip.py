"""Motion clips: between their frames, as files, and the one that ships, against NumPy and MuJoCo."""

import json
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

import wildrobot_eqx as we

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "robots" / "wildrobot" / "clips" / "squat_bow_wave.json"
RATE = 20.0
TIMES = np.arange(40) / RATE


def swing(robot, loop=True, **base):
    """A hip that swings once in the clip's 2 s; the base moves as `base` has it."""
    hip = 0.5 + 0.4 * np.sin(np.pi * TIMES)
    return we.MotionClip.make(robot, RATE, {"left_hip_pitch": hip}, base, loop), hip


@pytest.mark.parametrize("loop", [True, False])
def test_a_clip_is_on_straight_lines_between_its_frames(robot, loop):
    clip, hip = swing(robot, loop)
    i = robot.joint_names.index("left_hip_pitch")
    np.testing.assert_allclose(clip.duration, 2.0 if loop else 1.95, rtol=1e-6)
    asked = jnp.linspace(-0.3, 4.3, 173)
    frames = jax.vmap(clip.at)(asked)
    if loop:
        expected = np.interp(np.asarray(asked) % 2.0, [*TIMES, 2.0], [*hip, hip[0]])
    else:
        expected = np.interp(asked, TIMES, hip)
    np.testing.assert_allclose(frames.joint_pos[:, i], expected, atol=2e-5)
    others = [j for j in range(robot.nu) if j != i]
    home = np.broadcast_to(np.asarray(robot.home_joints)[others], (173, robot.nu - 1))
    np.testing.assert_allclose(np.asarray(frames.joint_pos)[:, others], home, atol=1e-6)


def test_joint_velocities_are_those_of_the_curve(robot):
    clip, _ = swing(robot)
    i = robot.joint_names.index("left_hip_pitch")
    np.testing.assert_allclose(clip.frames.joint_vel[:, i], 0.4 * np.pi * np.cos(np.pi * TIMES), atol=0.01)


@pytest.mark.parametrize("loop", [True, False])
def test_the_bases_velocities_are_mujocos(robot, loop):
    """Across three frames, by `mj_differentiatePos`: linear in the world, angular in the body."""
    wave = np.sin(np.pi * TIMES)
    columns = {"x": 0.1 * wave, "y": 0.05 * wave**2, "z": 0.4 + 0.02 * wave, "roll": 0.3 * wave, "pitch": 0.5 * wave**2}
    clip, _ = swing(robot, loop, **columns, yaw=2.0 * wave)
    frames, at = clip.frames, robot.base.qpos_address
    qpos = np.tile(np.asarray(robot.home_qpos, float), (40, 1))
    qpos[:, at : at + 3], qpos[:, at + 3 : at + 7] = frames.base_pos, frames.base_quat
    for k in range(0 if loop else 1, 40 if loop else 39):
        qvel = np.zeros(robot.nv)
        mujoco.mj_differentiatePos(robot.model.mj, qvel, 2.0 / RATE, qpos[k - 1], qpos[(k + 1) % 40])
        dof = robot.base.dof_address
        np.testing.assert_allclose(frames.base_linvel[k], qvel[dof : dof + 3], atol=1e-4)
        np.testing.assert_allclose(frames.base_angvel[k], qvel[dof + 3 : dof + 6], rtol=1e-3, atol=1e-3)


def test_angles_of_the_base_turn_about_x_then_y_then_z_of_the_world(robot):
    angles = np.array([0.3, -0.4, 2.5])
    clip, _ = swing(robot, **{name: np.full(40, angle) for name, angle in zip(("roll", "pitch", "yaw"), angles)})
    quat = np.zeros(4)
    mujoco.mju_euler2Quat(quat, angles, "XYZ")  # capitals: about the axes of the world
    np.testing.assert_allclose(np.abs(clip.frames.base_quat[0] @ quat), 1.0, atol=1e-6)


def test_a_base_that_turns_right_round_takes_the_short_way_between_frames(robot):
    yaw = np.linspace(0.0, 3.0 * np.pi, 40)
    clip, _ = swing(robot, loop=False, yaw=yaw)
    halves = jax.vmap(clip.at)(jnp.asarray(TIMES[:-1] + 0.5 / RATE, jnp.float32)).base_quat
    np.testing.assert_allclose(jnp.linalg.norm(halves, axis=1), 1.0, atol=1e-6)
    middle = 0.5 * (yaw[1:] + yaw[:-1])
    found = jax.vmap(we.rotation.yaw)(halves)
    np.testing.assert_allclose(we.rotation.wrap_angle(found - middle), 0.0, atol=1e-4)
    np.testing.assert_allclose(clip.frames.base_angvel[:, 2], np.diff(yaw)[0] * RATE, rtol=1e-4)


def test_a_clip_is_read_as_it_was_written(robot, tmp_path):
    path = tmp_path / "swing.json"
    clip, hip = swing(robot, z=np.full(40, 0.45), pitch=0.1 * np.sin(np.pi * TIMES))
    columns = {"z": np.full(40, 0.45), "pitch": 0.1 * np.sin(np.pi * TIMES)}
    we.write_clip(path, RATE, {"left_hip_pitch": hip}, columns, loop=True)
    read = we.load_clip(path, robot)
    assert read.loop
    for a, b in zip(jax.tree.leaves(read), jax.tree.leaves(clip), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)  # velocities are of rounded angles


def test_a_robot_without_a_floating_base_has_clips_too():
    arm = we.load_robot("reacher")
    clip = we.MotionClip.make(arm, 10.0, {"elbow": [0.1, 0.2, 0.3]})
    np.testing.assert_allclose(clip.at(jnp.float32(0.05)).joint_pos[arm.joint_names.index("elbow")], 0.15, atol=1e-6)
    with pytest.raises(we.WildRobotError, match="does not float"):
        we.MotionClip.make(arm, 10.0, {"elbow": [0.1, 0.2]}, {"z": [0.0, 0.0]})


GOOD = {"version": 1, "rate": 20.0, "loop": True, "joints": {"left_knee_pitch": [0.5, 0.6, 0.7]}}


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("{", "", "no JSON"),
        ("[" * 100_000, "", "no JSON"),
        ("[1]", "", "JSON object"),
        ({**GOOD, "frames": 3}, "", "no key 'frames'"),
        ({**GOOD, "version": 2}, "version", "must be 1, got 2"),
        ({k: v for k, v in GOOD.items() if k != "version"}, "version", "must be 1, got None"),
        ({**GOOD, "rate": "fast"}, "rate", "must be a number, got 'fast'"),
        ({**GOOD, "rate": 0}, "rate", "positive"),
        ({**GOOD, "rate": float("nan")}, "rate", "positive"),
        ({**GOOD, "loop": 1}, "loop", "true or false"),
        ({**GOOD, "joints": [0.5]}, "joints", "an object of lists"),
        ({**GOOD, "joints": {}}, "", "at least one column"),
        ({**GOOD, "joints": {"left_knee_pitch": [0.5]}}, "", "at least two frames"),
        ({**GOOD, "joints": {"left_knee_pitch": 0.5}}, "joints.left_knee_pitch", "list of numbers, got 0.5"),
        ({**GOOD, "joints": {"left_knee_pitch": [0.5, None]}}, "joints.left_knee_pitch", "list of numbers, got None"),
        ({**GOOD, "joints": {"left_knee_pitch": [0.5, 1e300]}}, "joints.left_knee_pitch", "list of numbers, got 1e"),
        ({**GOOD, "joints": {"left_knee_pitch": [0.5, float("nan")]}}, "joints.left_knee_pitch", "Frame 1 .* is nan"),
        ({**GOOD, "joints": {"left_knee_pitch": [0.5, 9.0]}}, "joints.left_knee_pitch", "Frame 1 puts .* outside"),
        ({**GOOD, "joints": {"left_knee": [0.5, 0.6]}}, "joints", "no joint|does not have"),
        ({**GOOD, "base": {"height": [0.4, 0.4, 0.4]}}, "base", "no column 'height'"),
        ({**GOOD, "base": {"z": [0.4, 0.4]}}, "base.z", "2 frames, .* has 3"),
    ],
)
def test_a_file_that_is_no_clip_is_reported(robot, tmp_path, text, where, message):
    path = tmp_path / "bad.json"
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    with pytest.raises(we.WildRobotError, match=message) as caught:
        we.load_clip(path, robot)
    assert caught.value.where == (f"{path}, {where}" if where else str(path))
    assert caught.value.hint


def test_a_clip_that_is_not_there_is_reported(robot, tmp_path):
    with pytest.raises(we.WildRobotError, match="no clip") as caught:
        we.load_clip("squat_bow_waves", robot)
    assert "did you mean 'squat_bow_wave'" in caught.value.hint
    with pytest.raises(we.WildRobotError, match="no clip"):
        we.load_clip(tmp_path / "missing.json", robot)
    with pytest.raises(we.WildRobotError, match="cannot be written"):
        we.write_clip(tmp_path / "no" / "folder.json", RATE, {"left_knee_pitch": [0.5, 0.6]})
    with pytest.raises(we.WildRobotError, match="2 frames"):
        we.write_clip(tmp_path / "bad.json", RATE, {"a": [0.5, 0.6, 0.7], "b": [0.5, 0.6]})
    assert list(tmp_path.iterdir()) == []


# --- the clip that ships ---------------------------------------------------------------------------------


def test_make_clip(tmp_path, monkeypatch, capsys):
    """The script makes the clip that ships: to the last digit, but for what a linear solver may round otherwise."""
    path = tmp_path / "made.json"
    monkeypatch.setattr("sys.argv", ["make_clip.py", str(path)])
    runpy.run_path(str(ROOT / "docs" / "examples" / "make_clip.py"), run_name="__main__")
    assert "left_knee_pitch" in capsys.readouterr().out
    made, shipped = (json.loads(file.read_text(encoding="utf-8")) for file in (path, SHIPPED))
    assert {key: made[key] for key in ("version", "rate", "loop")} == {"version": 1, "rate": 25.0, "loop": True}
    for table in ("joints", "base"):
        assert list(made[table]) == list(shipped[table])
        for name, column in made[table].items():
            np.testing.assert_allclose(column, shipped[table][name], atol=1.5e-5, err_msg=name)


@pytest.fixture(scope="module")
def shipped(robot):
    """The clip's frames at every control step, and MuJoCo's kinematics of each."""
    clip = we.load_clip("squat_bow_wave", robot)
    frames = jax.vmap(clip.at)(robot.control_dt * jnp.arange(270.0))
    frames, poses = jax.tree.map(np.asarray, frames), []
    for joints, pos, quat in zip(frames.joint_pos, frames.base_pos, frames.base_quat):
        data = mujoco.MjData(robot.model.mj)
        at = robot.base.qpos_address
        data.qpos[:] = robot.home_qpos
        data.qpos[list(robot.joint_qpos)] = joints
        data.qpos[at : at + 7] = [*pos, *quat]
        mujoco.mj_forward(robot.model.mj, data)
        poses.append(data)
    return clip, frames, poses


def test_its_feet_stay_flat_where_they_are(robot, shipped):
    """Between the frames, too, along the straight lines that the command plays."""
    _, _, poses = shipped
    assert len(poses) == 270
    for foot in robot.feet:
        places = np.array([data.site_xpos[foot.site] for data in poses])
        assert np.abs(places - places[0]).max() < 2e-3
        assert np.abs(places[:, 2]).max() < 1e-3
        tilt = np.arccos(np.clip([data.site_xmat[foot.site][8] for data in poses], -1.0, 1.0))
        assert np.rad2deg(tilt).max() < 0.6


def test_its_centre_of_mass_stays_over_the_feet(robot, shipped):
    """At least 4 cm inside of the rectangle about both soles."""
    _, _, poses = shipped
    soles = [i for i in range(robot.model.mj.ngeom) if robot.model.mj.geom(i).name in ("left_foot", "right_foot")]
    half = robot.model.mj.geom_size[soles[0]][:2]
    for data in poses:
        corners = [data.geom_xpos[sole][:2] + side * half for sole in soles for side in (-1.0, 1.0)]
        low, high = np.min(corners, axis=0), np.max(corners, axis=0)
        com = data.subtree_com[robot.base.body][:2]
        assert (com - low > 0.04).all()
        assert (high - com > 0.04).all()


def test_the_robot_can_do_it(robot, shipped):
    """Within 60% of the servos' speed, and not at the ends of the joints."""
    clip, frames, _ = shipped
    assert (np.abs(frames.joint_vel) < 0.6 * robot.servo.no_load_speed).all()
    low, high = np.asarray(robot.joint_range).T
    assert (np.asarray(frames.joint_pos) > low + 0.03).all()
    assert (np.asarray(frames.joint_pos) < high - 0.03).all()
    assert float(clip.duration) == pytest.approx(5.4)


def test_it_squats_bows_and_waves_its_hips(robot, shipped):
    _, frames, _ = shipped
    height, y = frames.base_pos[:, 2], frames.base_pos[:, 1]
    pitch = jax.vmap(we.rotation.pitch)(frames.base_quat)
    times = np.arange(270) * robot.control_dt
    assert times[int(np.argmin(height))] == pytest.approx(0.95, abs=0.2)
    assert height[0] - height.min() > 0.055
    assert times[int(np.argmax(pitch))] == pytest.approx(2.45, abs=0.2)
    assert pitch.max() > 0.55
    wave = np.asarray(y)[times > 3.2]
    assert wave.max() > 0.035
    assert wave.min() < -0.035
    turns = np.sum(np.diff(np.sign(wave[np.abs(wave) > 0.02])) != 0)
    assert turns == 3  # left, right, left, right
