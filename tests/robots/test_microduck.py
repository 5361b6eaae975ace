"""What is special to microduck: servos, soles, the mass that its model lacks, and a stance that must be balanced."""

import mujoco
import numpy as np
import pytest
from figures import figures, pose

import wildrobot_eqx as we

FIGURES = figures("microduck")


@pytest.fixture(scope="module")
def duck():
    return we.load_robot("microduck")


def test_mass_with_what_the_model_lacks(duck):
    assert duck.weight == pytest.approx(
        9.81 * (FIGURES["model_mass_kg"] + FIGURES["unmodelled_trunk_mass_kg"]), rel=1e-5
    )


def test_actuators_are_the_makers_stand_in(duck):
    mj, servo = duck.model.mj, FIGURES["servo"]["plain_position_actuator"]
    ranges = {joint["name"]: joint["range_rad"] for joint in FIGURES["joints"]}
    for i, name in enumerate(duck.joint_names):
        joint = mj.joint(name)
        assert mj.actuator_gainprm[i, 0] == servo["kp_Nm_per_rad"]
        np.testing.assert_array_equal(mj.actuator_biasprm[i, :3], [0.0, -servo["kp_Nm_per_rad"], -servo["kv"]])
        np.testing.assert_array_equal(mj.actuator_forcerange[i], [-servo["torque_limit_Nm"], servo["torque_limit_Nm"]])
        np.testing.assert_allclose(joint.range, ranges[name], rtol=1e-7)
        for field in ("damping", "frictionloss", "armature"):
            assert getattr(joint, field)[0] == servo[field]


def test_datasheet_is_that_of_the_identified_servo(duck):
    bam, volts = FIGURES["servo"]["bam_m6"], FIGURES["servo"]["battery_V"]["nominal"]
    stall = volts * bam["kt_Nm_per_A"] / bam["R_ohm"]
    drag = bam["kt_Nm_per_A"] ** 2 / bam["R_ohm"] + bam["friction_viscous_Nms"]
    np.testing.assert_allclose(duck.servo.stall_torques, stall, rtol=1e-3)
    np.testing.assert_allclose(duck.servo.no_load_speeds, stall / drag, rtol=1e-2)


@pytest.mark.parametrize("side", ["left", "right"])
def test_sole(duck, side):
    mj, data, box = duck.model.mj, pose(duck.model.mj), FIGURES["derived"]["sole_box_rel_foot_site"]
    site = data.site(f"{side}_foot").xpos
    figure = np.array(FIGURES["sites_rel_root_zero_pose_m"][f"{side}_foot"])
    np.testing.assert_allclose(site - data.body("trunk_base").xpos, figure, atol=1e-6)
    geom, sole = mj.geom(f"{side}_foot"), data.geom(f"{side}_foot")
    assert geom.type[0] == mujoco.mjtGeom.mjGEOM_BOX
    np.testing.assert_allclose(sole.xmat.reshape(3, 3), np.eye(3), atol=1e-12)
    low, high = sole.xpos - geom.size - site, sole.xpos + geom.size - site
    np.testing.assert_allclose([low[0], high[0]], box["x_range_m"], atol=1e-6)
    np.testing.assert_allclose([low[1], high[1]], [-box["y_half_m"], box["y_half_m"]], atol=1e-6)
    np.testing.assert_allclose([low[2], high[2]], [box["z_m"], box["thickness_m"]], atol=1e-6)


@pytest.mark.parametrize("name", ["imu", "head_camera", "mouth_tip"])
def test_sites(duck, name):
    data = pose(duck.model.mj)
    where = data.site(name).xpos - data.body("trunk_base").xpos
    np.testing.assert_allclose(where, FIGURES["sites_rel_root_zero_pose_m"][name], atol=1e-6)
    np.testing.assert_allclose(data.site(name).xmat.reshape(3, 3), np.eye(3), atol=1e-12)


def at_home(duck) -> mujoco.MjData:
    data = mujoco.MjData(duck.model.mj)
    data.qpos[:], data.ctrl[:] = duck.home_qpos, duck.home_joints
    mujoco.mj_forward(duck.model.mj, data)
    return data


def test_home_is_the_makers(duck):
    home = dict(zip(duck.joint_names, np.asarray(duck.home_joints).tolist()))
    assert home == pytest.approx(FIGURES["home_rad"])
    data = at_home(duck)
    for foot in duck.feet:
        where = data.site_xpos[foot.site] - data.body("trunk_base").xpos
        np.testing.assert_allclose(
            where, FIGURES["derived"]["foot_sites_rel_root_home_m"][f"{foot.name}_foot"], atol=1e-5
        )
        pitch = data.site_xmat[foot.site].reshape(3, 3)[2, 0]
        assert abs(pitch) < 1e-3, "flat from heel to toe"


def held(duck, stiffness: float) -> float:
    """Tilt (degrees) after 5 s at home, with servos `stiffness` times as stiff."""

    def stiffen(mj):
        mj.opt.timestep = 0.005
        mj.actuator_gainprm[:, 0] *= stiffness
        mj.actuator_biasprm[:, 1] *= stiffness

    mj = duck.model.edit(stiffen).mj
    data = at_home(duck)
    for _ in range(1000):
        mujoco.mj_step(mj, data)
    return float(np.degrees(np.arccos(data.body("trunk_base").xmat[8])))


def test_home_is_balanced_and_its_servos_are_too_soft_to_hold_it(duck):
    """At its servos' gain the robot topples as a pendulum on a spring does: it needs a policy to stand."""
    data = at_home(duck)
    offset = data.subtree_com[duck.base.body] - data.site_xpos[duck.feet[0].site]
    heel, toe = FIGURES["derived"]["sole_box_rel_foot_site"]["x_range_m"]
    assert 0.5 * heel < offset[0] < 0.5 * toe, "over the middle of the soles"
    gravity = duck.weight * offset[2]  # N m/rad, about the ankles
    assert gravity > 0.9 * 2.0 * FIGURES["servo"]["plain_position_actuator"]["kp_Nm_per_rad"]
    assert held(duck, 1.0) > 45.0
    assert held(duck, 4.0) < 4.0


@pytest.mark.parametrize(
    ("joint", "angle", "read", "sign"),
    [
        ("left_hip_yaw", 0.4, lambda d: d.body("ankle_left").xmat[3], -1),  # toe to the right (axis -z)
        ("left_hip_roll", 0.3, lambda d: d.body("ankle_left").xpos[1], +1),  # foot outward
        ("right_hip_roll", -0.3, lambda d: d.body("ankle_right").xpos[1], -1),
        ("left_hip_pitch", -0.5, lambda d: d.body("ankle_left").xpos[0], +1),  # foot forward
        ("right_hip_pitch", 0.5, lambda d: d.body("ankle_right").xpos[0], +1),
        ("left_knee", 0.5, lambda d: d.body("ankle_left").xpos[0], +1),  # foot forward
        ("left_ankle", 0.3, lambda d: d.body("ankle_left").xmat[6], -1),  # toe down
        ("neck_pitch", 0.4, lambda d: d.body("head").xpos[0], -1),  # head back
        ("head_pitch", 0.4, lambda d: d.body("head").xmat[6], -1),  # beak down
        ("head_yaw", 0.4, lambda d: d.body("head").xmat[3], +1),  # beak to the left
        ("head_roll", 0.3, lambda d: d.body("head").xmat[7], -1),  # left eye down (axis -x)
    ],
)
def test_joints_move_the_documented_way(duck, joint, angle, read, sign):
    mj = duck.model.mj
    assert sign * (read(pose(mj, **{joint: angle})) - read(pose(mj))) > 0.01
