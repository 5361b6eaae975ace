"""The compiled models of the robots that ship against their published figures in tests/data/*_figures.json."""

import dataclasses

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from figures import REFLECT, bodies, compiled, figures, pose

from wildrobot_eqx import Robot, load_robot


@dataclasses.dataclass(frozen=True)
class Within:
    """How far a model may lie from its figures."""

    com: float = 1e-6  # m
    inertia: float = 1e-3  # share of the body's largest moment
    angle: float = 1e-4  # rad, of an axis
    anchor: float = 1e-6  # m, of an axis as a line


WITHIN = {
    "solo12": Within(com=2e-5),
    "wildrobot17": Within(com=2e-3, inertia=0.01, angle=np.radians(0.4), anchor=2e-3),
    "microduck": Within(com=5e-6),
}
SPRINGY = "microduck"  # softer than gravity topples it: see its own tests
BODIES = [(name, body) for name in WITHIN for body in bodies(name)]
JOINTS = [(name, joint["name"]) for name in WITHIN for joint in figures(name)["joints"]]


@pytest.fixture(scope="module")
def robots() -> dict[str, Robot]:
    return {name: load_robot(name) for name in WITHIN}


@pytest.mark.parametrize("name", WITHIN)
def test_sizes_order_and_timing(robots, name):
    robot, figure = robots[name], figures(name)
    assert (robot.nq, robot.nv, robot.nu) == (figure["nq"], figure["nv"], figure["nu"])
    assert robot.joint_names == tuple(figure["actuator_order"])
    assert robot.control_dt == 1.0 / figure["timing"]["control_hz"]
    assert robot.actuator_kind == ("position",) * robot.nu


@pytest.mark.parametrize(("name", "body"), BODIES)
def test_body(robots, name, body):
    mj, within, figure = robots[name].model.mj, WITHIN[name], bodies(name)[body]
    found = compiled(mj, pose(mj), body, robots[name].base.body)
    assert found.mass == pytest.approx(figure.mass, rel=1e-3)
    np.testing.assert_allclose(found.com, figure.com, atol=within.com)
    np.testing.assert_allclose(found.inertia, figure.inertia, atol=within.inertia * np.trace(figure.inertia))


@pytest.mark.parametrize(("name", "joint"), JOINTS)
def test_joint_axis_is_the_same_line_in_the_world(robots, name, joint):
    mj, within = robots[name].model.mj, WITHIN[name]
    (figure,) = (one for one in figures(name)["joints"] if one["name"] == joint)
    data = pose(mj)
    found = data.joint(joint)
    assert mj.body(mj.joint(joint).bodyid[0]).name == figure["body"]
    axis = np.array(figure["axis"]) / np.linalg.norm(figure["axis"])
    assert np.linalg.norm(np.cross(found.xaxis, axis)) < within.angle
    assert found.xaxis @ axis > 0.0, "sign"
    between = found.xanchor - data.xpos[robots[name].base.body] - figure["anchor"]
    for direction in (axis, found.xaxis):
        assert np.linalg.norm(between - (between @ direction) * direction) < within.anchor


@pytest.mark.parametrize("name", WITHIN)
def test_only_the_feet_touch_and_only_the_floor(robots, name):
    robot, mj = robots[name], robots[name].model.mj
    touching = {i for i in range(mj.ngeom) if mj.geom_contype[i] | mj.geom_conaffinity[i]} - {mj.geom("floor").id}
    assert {mj.geom(i).bodyid[0] for i in touching} == {mj.site_bodyid[foot.site] for foot in robot.feet}
    assert len(touching) == len(robot.feet), "one geom for each foot, which every engine takes"
    for a in touching:
        assert mj.geom_contype[a] & mj.geom("floor").conaffinity[0]
        assert not any(mj.geom_contype[a] & mj.geom_conaffinity[b] for b in touching)
        assert mj.geom_dataid[a] < 0, "no mesh"
    assert mj.nmesh == 0


@pytest.mark.parametrize("name", WITHIN)
def test_halves_mirror_exactly(robots, name):
    """Bodies and axes on the left are those on the right, reflected, so that a symmetric policy is not handicapped."""
    robot, mj, data = robots[name], robots[name].model.mj, pose(robots[name].model.mj)
    source, sign = robot.mirror.source, robot.mirror.sign
    for i, joint in enumerate(robot.joint_names):
        a, b = (data.joint(k) for k in (joint, robot.joint_names[source[i]]))
        np.testing.assert_allclose(a.xaxis, -sign[i] * REFLECT @ b.xaxis, atol=1e-9)
        if source[i] == i:
            continue
        np.testing.assert_allclose(a.xanchor, REFLECT @ b.xanchor, atol=1e-9)
        own, other = (
            compiled(mj, data, mj.body(mj.joint(k).bodyid[0]).name, robot.base.body)
            for k in (joint, robot.joint_names[source[i]])
        )
        assert own.mass == pytest.approx(other.mass, rel=1e-9)
        np.testing.assert_allclose(own.com, REFLECT @ other.com, atol=1e-9)
        np.testing.assert_allclose(own.inertia, REFLECT @ other.inertia @ REFLECT, atol=1e-10)
        assert joint_sides(robot, i) == pytest.approx(joint_sides(robot, source[i], sign[i]))


def joint_sides(robot: Robot, i: int, sign: float = 1.0) -> list[float]:
    """Range and home of a joint, or of its reflection."""
    return [*sorted((sign * np.asarray(robot.joint_range[i], float)).tolist()), sign * float(robot.home_joints[i])]


@pytest.mark.parametrize("name", WITHIN)
def test_mirror_is_the_true_reflection(robots, name):
    robot, mj, rng = robots[name], robots[name].model.mj, np.random.default_rng(0)
    low, high = np.asarray(robot.joint_range).T
    angles = rng.uniform(low, high).astype(np.float32)
    mirrored = np.asarray(robot.mirror(jnp.asarray(angles)))
    one, other = (pose(mj, **dict(zip(robot.joint_names, q))) for q in (angles, mirrored))
    for i, foot in enumerate(robot.feet):
        twin = robot.feet[-1 - i]
        np.testing.assert_allclose(one.site_xpos[foot.site], REFLECT @ other.site_xpos[twin.site], atol=1e-6)
        turn, image = (d.site_xmat[s].reshape(3, 3) for d, s in ((one, foot.site), (other, twin.site)))
        np.testing.assert_allclose(turn, REFLECT @ image @ REFLECT, atol=1e-6)


@pytest.mark.parametrize("timestep", [0.002, 0.005])
@pytest.mark.parametrize("name", [name for name in WITHIN if name != SPRINGY])
def test_holds_its_home_pose_without_a_policy(robots, name, timestep):
    """For 5 s on native MuJoCo: upright, at rest, its weight on all feet, which rest on the floor."""
    robot = robots[name]
    mj = robot.model.edit(lambda m: setattr(m.opt, "timestep", timestep)).mj
    data = mujoco.MjData(mj)
    data.qpos[:], data.ctrl[:] = robot.home_qpos, robot.home_joints
    for _ in range(round(5.0 / timestep)):
        mujoco.mj_step(mj, data)
    mujoco.mj_forward(mj, data)
    assert np.degrees(np.arccos(data.xmat[robot.base.body][8])) < 4.0
    assert data.qpos[2] == pytest.approx(float(robot.home_height), rel=0.1)
    assert np.abs(data.qvel).max() < 1e-2
    assert np.abs(data.qvel[:3]).max() < 2e-3
    up = [float(data.sensordata[foot.force.address + 2]) for foot in robot.feet]
    assert sum(up) == pytest.approx(robot.weight, rel=0.01)
    assert min(up) > 0.5 * robot.weight / len(up)
    for foot in robot.feet:
        assert abs(data.site_xpos[foot.site, 2]) < 2e-3, "on the floor"
        assert np.linalg.norm(data.sensor(foot.linvel.name).data) < 1e-3, "m/s"
