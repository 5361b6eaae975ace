"""The compiled wildrobot against the measured figures in tests/data/wildrobot_figures.json."""

import json
from pathlib import Path

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

FIGURES = json.loads((Path(__file__).parents[1] / "data" / "wildrobot_figures.json").read_text())
JOINTS = sorted(FIGURES["joints"])


@pytest.fixture(scope="module")
def mj(robot):
    return robot.model.mj


def pose(mj: mujoco.MjModel, **joints: float) -> mujoco.MjData:
    """Kinematics at the zero pose but for `joints` (rad)."""
    data = mujoco.MjData(mj)
    for name, angle in joints.items():
        data.joint(name).qpos[0] = angle
    mujoco.mj_forward(mj, data)
    return data


def principal(inertia) -> np.ndarray:
    xx, yy, zz, xy, xz, yz = inertia
    return np.sort(np.linalg.eigvalsh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))


def test_sizes_and_mass(mj):
    assert (mj.nq, mj.nv, mj.nu) == (18, 17, 11)
    assert mj.body_mass.sum() == pytest.approx(FIGURES["total_mass_kg"], rel=1e-3)


@pytest.mark.parametrize("name", sorted(FIGURES["bodies"]))
def test_body(mj, name):
    figure, body = FIGURES["bodies"][name], mj.body(name)
    assert body.mass[0] == pytest.approx(figure["mass"], rel=1e-3)
    np.testing.assert_allclose(np.sort(body.inertia), principal(figure["inertia"]), rtol=0.03)
    data = pose(mj)
    com = data.body(name).xipos - data.body("waist").xpos
    # The legs are mirrored about their mean, which moves centres of mass by up to 2 mm.
    np.testing.assert_allclose(com, figure["com"], atol=2e-3)


@pytest.mark.parametrize("name", JOINTS)
def test_joint_axis_is_the_same_line_in_the_world(mj, name):
    figure, data = FIGURES["joints"][name], pose(mj)
    joint = data.joint(name)
    axis = np.array(figure["axis"]) / np.linalg.norm(figure["axis"])
    assert mj.body(mj.joint(name).bodyid[0]).name == figure["body"]
    assert np.degrees(np.arccos(min(1.0, joint.xaxis @ axis))) < 0.3, "direction, sign included"
    between = joint.xanchor - data.body("waist").xpos - figure["anchor"]
    for direction in (axis, joint.xaxis):
        assert np.linalg.norm(between - (between @ direction) * direction) < 2e-3
    np.testing.assert_allclose(np.degrees(mj.joint(name).range), figure["range_deg"], atol=1e-9)


def test_actuators_in_order_with_the_servo_figures(robot, mj):
    servo = FIGURES["servo"]
    assert list(robot.joint_names) == FIGURES["actuator_order"]
    for i, name in enumerate(robot.joint_names):
        actuator, joint = mj.actuator(i), mj.joint(name)
        assert actuator.name == name
        assert mj.joint(actuator.trnid[0]).name == name
        assert actuator.gainprm[0] == servo["kp"]
        np.testing.assert_array_equal(actuator.biasprm[:3], [0, -servo["kp"], -servo["kv"]])
        np.testing.assert_array_equal(actuator.forcerange, [-servo["force_limit_Nm"], servo["force_limit_Nm"]])
        np.testing.assert_allclose(actuator.ctrlrange, joint.range, rtol=1e-12)
        assert joint.damping[0] == servo["damping"]
        assert joint.frictionloss[0] == servo["frictionloss"]
        assert joint.armature[0] == servo["armature"]
    assert set(robot.servo.stall_torques) == {servo["stall_torque_Nm"]}
    assert set(robot.servo.no_load_speeds) == {servo["no_load_speed_rad_s"]}
    assert robot.control_dt == 1 / FIGURES["timing"]["control_hz"]


@pytest.mark.parametrize("foot", ["left_foot", "right_foot"])
def test_sole_is_the_hull_of_the_pads(mj, foot):
    data = pose(mj)
    pads = [pad for pad in FIGURES["pads"].values() if pad["body"] == foot]
    assert len(pads) == 2
    low = np.min([pad["aabb_lo"] for pad in pads], axis=0)
    high = np.max([pad["aabb_hi"] for pad in pads], axis=0)
    geom, sole = mj.geom(foot), data.geom(foot)
    assert geom.type[0] == mujoco.mjtGeom.mjGEOM_BOX
    np.testing.assert_allclose(sole.xmat.reshape(3, 3), np.eye(3), atol=1e-12)
    centre = sole.xpos - data.body("waist").xpos
    np.testing.assert_allclose((centre - geom.size)[:2], low[:2], atol=2e-3)
    np.testing.assert_allclose((centre + geom.size)[:2], high[:2], atol=2e-3)
    assert (centre - geom.size)[2] == pytest.approx(low[2], abs=2e-4)
    np.testing.assert_allclose(geom.friction, FIGURES["friction"])
    site = data.site(foot).xpos - data.body("waist").xpos
    np.testing.assert_allclose(site, [*centre[:2], (centre - geom.size)[2]], atol=1e-9)


def test_only_the_soles_touch_the_floor(mj):
    touching = [mj.geom(i).name for i in range(mj.ngeom) if mj.geom_contype[i] | mj.geom_conaffinity[i]]
    assert sorted(touching) == ["floor", "left_foot", "right_foot"]


@pytest.mark.parametrize("name", sorted(FIGURES["imu_sites"]))
def test_imu_sites(mj, name):
    figure, data = FIGURES["imu_sites"][name], pose(mj)
    assert mj.body(mj.site(name).bodyid[0]).name == figure["body"]
    np.testing.assert_allclose(data.site(name).xpos - data.body("waist").xpos, figure["pos"], atol=2e-3)
    np.testing.assert_allclose(data.site(name).xmat.reshape(3, 3), np.eye(3), atol=1e-12)


def test_the_policys_imu_rides_above_waist_yaw(robot, mj):
    turned = pose(mj, waist_yaw=0.4)
    quat = robot.imu("chest").quat.read(jnp.asarray(turned.sensordata, jnp.float32))
    assert 2 * np.arctan2(quat[3], quat[0]) == pytest.approx(-0.4), "the axis points down"


@pytest.mark.parametrize("name", sorted(FIGURES["sensors"]))
def test_sensor_noise(mj, name):
    figure, sensor = FIGURES["sensors"][name], mj.sensor(name)
    assert sensor.type[0] == getattr(mujoco.mjtSensor, f"mjSENS_{figure['type']}")
    assert sensor.dim[0] == figure["dim"]
    assert sensor.noise[0] == figure.get("noise", 0.0)
    assert sensor.cutoff[0] == figure.get("cutoff", 0.0)


REFLECT = np.diag([1.0, -1.0, 1.0])


def test_legs_mirror_exactly(mj):
    data = pose(mj)
    for name in ("hip", "upper_leg", "lower_leg", "ankle", "foot"):
        left, right = mj.body(f"left_{name}"), mj.body(f"right_{name}")
        assert left.mass[0] == right.mass[0]
        np.testing.assert_allclose(left.inertia, right.inertia, rtol=0, atol=1e-9)
        a, b = data.body(left.id), data.body(right.id)
        np.testing.assert_allclose(a.xpos, REFLECT @ b.xpos, rtol=0, atol=1e-9)
        np.testing.assert_allclose(a.xipos, REFLECT @ b.xipos, rtol=0, atol=1e-9)
        full = [
            d.ximat.reshape(3, 3) @ np.diag(m.inertia) @ d.ximat.reshape(3, 3).T for d, m in ((a, left), (b, right))
        ]
        np.testing.assert_allclose(full[0], REFLECT @ full[1] @ REFLECT, rtol=0, atol=1e-9)
    for name in ("hip_pitch", "hip_roll", "knee_pitch", "ankle_pitch", "foot_roll"):
        left, right = data.joint(f"left_{name}"), data.joint(f"right_{name}")
        np.testing.assert_allclose(left.xanchor, REFLECT @ right.xanchor, rtol=0, atol=1e-9)
    np.testing.assert_allclose(data.geom("left_foot").xpos, REFLECT @ data.geom("right_foot").xpos, atol=1e-9)


@pytest.mark.parametrize("timestep", [0.002, 0.005])
@pytest.mark.parametrize("start", ["zero", "home"])
def test_stands_without_a_policy(robot, start, timestep):
    mj = robot.model.edit(lambda m: setattr(m.opt, "timestep", timestep)).mj
    data = mujoco.MjData(mj)
    if start == "home":
        data.qpos[:] = robot.home_qpos
        data.ctrl[:] = robot.home_joints
    else:
        assert data.qpos[2] == pytest.approx(FIGURES["standing_root_height_m"], abs=1e-3)
    height = data.qpos[2]
    for _ in range(round(5.0 / timestep)):
        mujoco.mj_step(mj, data)
    tilt = np.degrees(np.arccos(data.body("waist").xmat[8]))
    assert tilt < 5.0
    assert abs(data.qpos[2] - height) < 0.01
    assert np.abs(data.qvel).max() < 1e-2
    weight = FIGURES["total_mass_kg"] * 9.81
    left, right = data.sensor("left_foot_force").data, data.sensor("right_foot_force").data
    np.testing.assert_allclose(left + right, [0, 0, weight], atol=0.01 * weight)
    assert min(left[2], right[2]) > 0.2 * weight


# By joint: the angle to command, and where something must go: (what, how to read it, sign).
MOVES = {
    "left_hip_pitch": (0.5, lambda d: d.body("left_lower_leg").xpos[0], +1, "knee forward"),
    "right_hip_pitch": (-0.5, lambda d: d.body("right_lower_leg").xpos[0], +1, "knee forward"),
    "left_knee_pitch": (0.5, lambda d: d.body("left_foot").xpos[0], -1, "foot backward"),
    "right_knee_pitch": (0.5, lambda d: d.body("right_foot").xpos[0], -1, "foot backward"),
    "left_ankle_pitch": (0.3, lambda d: d.body("left_foot").xmat[6], -1, "toe down"),
    "right_ankle_pitch": (0.3, lambda d: d.body("right_foot").xmat[6], -1, "toe down"),
    "left_hip_roll": (-0.5, lambda d: d.body("left_foot").xpos[1], +1, "foot outward"),
    "right_hip_roll": (0.5, lambda d: d.body("right_foot").xpos[1], -1, "foot outward"),
    "left_foot_roll": (0.2, lambda d: d.body("left_foot").xmat[7], +1, "outer edge up (axis +x)"),
    "right_foot_roll": (0.2, lambda d: d.body("right_foot").xmat[7], -1, "outer edge up (axis -x)"),
    "waist_yaw": (0.4, lambda d: d.body("chassis").xmat[3], -1, "chest to the right (axis -z)"),
}


@pytest.mark.parametrize("name", JOINTS)
def test_each_actuator_moves_its_own_joint_the_documented_way(robot, name):
    angle, read, sign, what = MOVES[name]

    def weightless(mj):
        mj.opt.gravity[:] = 0

    mj = robot.model.edit(weightless).mj
    data = mujoco.MjData(mj)
    data.qpos[2] = 2.0
    data.ctrl[robot.joint_names.index(name)] = angle
    for _ in range(500):
        mujoco.mj_step(mj, data)
    reached = np.asarray(data.qpos)[list(robot.joint_qpos)]
    expected = angle * np.array([joint == name for joint in robot.joint_names])
    np.testing.assert_allclose(reached, expected, atol=0.03)
    moved = pose(mj, **{name: float(reached[robot.joint_names.index(name)])})
    assert sign * (read(moved) - read(pose(mj))) > 0.05, what


def test_mirror_is_the_true_reflection(robot, mj):
    rng = np.random.default_rng(0)
    low, high = np.asarray(robot.joint_range).T
    angles = rng.uniform(low, high).astype(np.float32)
    mirrored = np.asarray(robot.mirror(jnp.asarray(angles)))
    np.testing.assert_array_equal(robot.mirror(jnp.asarray(mirrored)), angles)
    assert (low <= mirrored).all()
    assert (mirrored <= high).all()
    one = pose(mj, **dict(zip(robot.joint_names, angles)))
    other = pose(mj, **dict(zip(robot.joint_names, mirrored)))
    for i in range(mj.nbody):
        name = mj.body(i).name
        twin = name.replace("left", "*").replace("right", "left").replace("*", "right")
        np.testing.assert_allclose(one.body(name).xpos, REFLECT @ other.body(twin).xpos, atol=1e-6)
        rotation, image = (d.xmat.reshape(3, 3) for d in (one.body(name), other.body(twin)))
        np.testing.assert_allclose(rotation, REFLECT @ image @ REFLECT, atol=1e-6)
