"""What is special to solo12: point feet, its torque control, and the home stance."""

import mujoco
import numpy as np
import pytest
from figures import figures, pose

from wildrobot_eqx import load_robot

FIGURES = figures("solo12")
RANGES = {"HAA": 0.9, "HFE": 1.45, "KFE": 2.8}  # rad, the working ranges of the note in the figures


@pytest.fixture(scope="module")
def solo():
    return load_robot("solo12")


def test_mass(solo):
    assert solo.weight == pytest.approx(9.81 * FIGURES["total_mass_kg"], rel=1e-6)


def test_feet_are_spheres_at_the_ends_of_the_legs(solo):
    mj, data, foot = solo.model.mj, pose(solo.model.mj), FIGURES["foot"]
    assert foot["shape"] == "sphere"
    for body in FIGURES["bodies"]:
        if body["name"].endswith("_FOOT"):
            geom = mj.geom(body["name"])
            assert geom.type[0] == mujoco.mjtGeom.mjGEOM_SPHERE
            assert geom.size[0] == foot["radius_m"]
            assert geom.friction[0] == mj.geom("floor").friction[0] == foot["friction"]
            where = data.geom(body["name"]).xpos - data.body("base_link").xpos
            np.testing.assert_allclose(where, body["origin"], atol=1e-9)


def test_soles_are_the_lowest_points_of_the_feet_at_home(solo):
    data = mujoco.MjData(solo.model.mj)
    data.qpos[:] = solo.home_qpos
    mujoco.mj_kinematics(solo.model.mj, data)
    for foot in solo.feet:
        below = data.site_xpos[foot.site] - data.geom(f"{foot.name}_FOOT").xpos
        np.testing.assert_allclose(below, [0.0, 0.0, -FIGURES["foot"]["radius_m"]], atol=1e-6)
        assert abs(data.site_xpos[foot.site, 2]) < 1e-6


def test_home_is_the_x_stance_of_the_figures(solo):
    home = dict(zip(solo.joint_names, np.asarray(solo.home_joints).tolist()))
    assert home == pytest.approx(FIGURES["home_rad"])
    leg = FIGURES["leg"]
    assert float(solo.home_height) == pytest.approx(
        (leg["upper_m"] + leg["lower_m"]) * np.cos(home["FL_HFE"]) + FIGURES["foot"]["radius_m"], abs=1e-6
    )


def test_actuators_are_the_pd_of_the_figures(solo):
    mj, servo = solo.model.mj, FIGURES["actuator"]
    peak = servo["peak_torque_Nm"]
    for i, name in enumerate(solo.joint_names):
        joint, limit = mj.joint(name), RANGES[name[-3:]]
        assert mj.actuator_gainprm[i, 0] == servo["typical_kp_Nm_rad"]
        np.testing.assert_array_equal(
            mj.actuator_biasprm[i, :3], [0.0, -servo["typical_kp_Nm_rad"], -servo["typical_kd_Nms_rad"]]
        )
        np.testing.assert_array_equal(mj.actuator_forcerange[i], [-peak, peak])
        np.testing.assert_array_equal(mj.actuator_ctrlrange[i], [-limit, limit])
        np.testing.assert_array_equal(joint.range, [-limit, limit])
        assert joint.armature[0] == servo["rotor_inertia_at_joint_kg_m2"]
        assert joint.damping[0] == joint.frictionloss[0] == 0.0
    assert set(solo.servo.stall_torques) == {peak}
    assert set(solo.servo.no_load_speeds) == {servo["no_load_speed_rad_s"]}


@pytest.mark.parametrize(
    ("joint", "angle", "read", "sign"),
    [
        ("FL_HAA", 0.4, lambda d: d.geom("FL_FOOT").xpos[1], +1),  # + swings every leg to the left
        ("FR_HAA", 0.4, lambda d: d.geom("FR_FOOT").xpos[1], +1),
        ("FL_HFE", 0.4, lambda d: d.geom("FL_FOOT").xpos[0], -1),  # + swings every leg back
        ("HR_HFE", 0.4, lambda d: d.geom("HR_FOOT").xpos[0], -1),
        ("HL_KFE", 0.8, lambda d: d.geom("HL_FOOT").xpos[0], -1),  # + swings every lower leg back
    ],
)
def test_joints_move_the_documented_way(solo, joint, angle, read, sign):
    mj = solo.model.mj
    assert sign * (read(pose(mj, **{joint: angle})) - read(pose(mj))) > 0.05
