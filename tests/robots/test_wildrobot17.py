"""What is special to wildrobot17: ranges, servos, soles, the inertial unit, arms, and a home near its author's."""

import mujoco
import numpy as np
import pytest
from figures import figures, pose

from wildrobot_eqx import load_robot

FIGURES = figures("wildrobot17")


@pytest.fixture(scope="module")
def wildrobot17():
    return load_robot("wildrobot17")


def test_mass(wildrobot17):
    assert wildrobot17.weight == pytest.approx(9.81 * FIGURES["total_mass_kg"], rel=1e-3)


def test_actuators_have_the_servo_figures_and_ranges(wildrobot17):
    mj, servo = wildrobot17.model.mj, FIGURES["servo"]
    sim, ranges = servo["sim"], {joint["name"]: joint["range_deg"] for joint in FIGURES["joints"]}
    for i, name in enumerate(wildrobot17.joint_names):
        joint = mj.joint(name)
        assert mj.actuator_gainprm[i, 0] == sim["kp"]
        np.testing.assert_array_equal(mj.actuator_biasprm[i, :3], [0.0, -sim["kp"], -sim["kv"]])
        np.testing.assert_array_equal(mj.actuator_forcerange[i], [-sim["force_limit_Nm"], sim["force_limit_Nm"]])
        np.testing.assert_allclose(np.degrees(joint.range), ranges[name], atol=1e-4)
        np.testing.assert_allclose(mj.actuator_ctrlrange[i], joint.range, rtol=1e-12)
        for field in ("damping", "frictionloss", "armature"):
            assert getattr(joint, field)[0] == sim[field]
    assert set(wildrobot17.servo.stall_torques) == {servo["stall_torque_Nm"]}
    assert set(wildrobot17.servo.no_load_speeds) == {servo["no_load_speed_rad_s"]}


@pytest.mark.parametrize("foot", ["left_foot", "right_foot"])
def test_sole_is_the_hull_of_heel_and_toe(wildrobot17, foot):
    mj, data = wildrobot17.model.mj, pose(wildrobot17.model.mj)
    pads = [geom for geom in FIGURES["collision_geoms"] if geom.get("body") == foot]
    assert len(pads) == 2
    low, high = (
        function([pad[key] for pad in pads], axis=0) for function, key in ((np.min, "aabb_lo"), (np.max, "aabb_hi"))
    )
    geom, sole = mj.geom(foot), data.geom(foot)
    assert geom.type[0] == mujoco.mjtGeom.mjGEOM_BOX
    np.testing.assert_allclose(sole.xmat.reshape(3, 3), np.eye(3), atol=1e-12)
    centre = sole.xpos - data.body("waist").xpos
    np.testing.assert_allclose((centre - geom.size)[:2], low[:2], atol=1e-3)
    np.testing.assert_allclose((centre + geom.size)[:2], high[:2], atol=1e-3)
    assert (centre - geom.size)[2] == pytest.approx(low[2], abs=3e-4)
    np.testing.assert_allclose(geom.friction, pads[0]["friction"])
    site = data.site(foot).xpos - data.body("waist").xpos
    np.testing.assert_allclose(site, [*centre[:2], (centre - geom.size)[2]], atol=1e-9)


def test_inertial_unit(wildrobot17):
    mj, data = wildrobot17.model.mj, pose(wildrobot17.model.mj)
    (figure,) = (site for site in FIGURES["sites"] if site["name"] == "chest_imu")
    site = data.site("chest_imu")
    assert mj.body(mj.site("chest_imu").bodyid[0]).name == figure["body"]
    np.testing.assert_allclose(site.xpos - data.body("waist").xpos, figure["pos"], atol=1e-4)
    np.testing.assert_allclose(site.xmat.reshape(3, 3), np.eye(3), atol=1e-12)
    for wanted in FIGURES["sensors"]:
        sensor = mj.sensor(wanted["name"])
        assert sensor.type[0] == getattr(mujoco.mjtSensor, f"mjSENS_{wanted['type']}")
        assert (sensor.dim[0], sensor.noise[0]) == (wanted["dim"], wanted.get("noise", 0.0))
        assert sensor.cutoff[0] == wanted.get("cutoff", 0.0)


def test_home_is_the_authors_made_flat_and_symmetric(wildrobot17):
    keyframe = FIGURES["derived"]["home_keyframe_deg"]
    for name, angle in zip(wildrobot17.joint_names, np.degrees(wildrobot17.home_joints)):
        if "elbow" not in name:  # straight in the author's, and so at its limit
            assert angle == pytest.approx(keyframe[name], abs=1.2), name
    assert float(wildrobot17.home_height) == pytest.approx(FIGURES["derived"]["home_root_height_m"], abs=1e-3)


@pytest.mark.parametrize(
    ("joint", "angle", "read", "sign"),
    [
        ("left_hip_pitch", 0.5, lambda d: d.body("left_lower_leg").xpos[0], +1),  # knee forward
        ("right_hip_pitch", -0.5, lambda d: d.body("right_lower_leg").xpos[0], +1),
        ("left_knee_pitch", 0.5, lambda d: d.body("left_foot").xpos[0], -1),  # foot back
        ("left_ankle_pitch", 0.3, lambda d: d.body("left_foot").xmat[6], -1),  # toe down
        ("left_hip_roll", -0.5, lambda d: d.body("left_foot").xpos[1], +1),  # foot outward
        ("left_ankle_roll", 0.3, lambda d: d.body("left_foot").xmat[7], -1),  # outer edge down (axis -x)
        ("right_ankle_roll", 0.3, lambda d: d.body("right_foot").xmat[7], -1),  # outer edge up
        ("waist_yaw", 0.4, lambda d: d.body("upperbody").xmat[3], -1),  # chest to the right
        ("left_shoulder_pitch", 0.5, lambda d: d.body("left_fore_arm").xpos[0], +1),  # arm forward
        ("right_shoulder_pitch", -0.5, lambda d: d.body("right_fore_arm").xpos[0], +1),
        ("left_shoulder_roll", -0.5, lambda d: d.body("left_fore_arm").xpos[1], +1),  # arm outward
        ("left_elbow_pitch", 0.5, lambda d: d.body("left_fore_arm").xipos[0], +1),  # hand forward
        ("right_elbow_pitch", 0.5, lambda d: d.body("right_fore_arm").xipos[0], +1),
    ],
)
def test_joints_move_the_documented_way(wildrobot17, joint, angle, read, sign):
    mj = wildrobot17.model.mj
    assert sign * (read(pose(mj, **{joint: angle})) - read(pose(mj))) > 0.03
