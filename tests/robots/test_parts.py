"""What a robot may lack, and who asks for it in vain."""

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from jaxtyping import Array, Float
from made import PUCK, TRACKED, arm, folder_of, made, tracked

import wildrobot_eqx as we
from wildrobot_eqx import WildRobotError, load_robot
from wildrobot_eqx.evaluate.walking.meter import GaitMeter
from wildrobot_eqx.physics.base import foot_forces
from wildrobot_eqx.physics.mujoco_tools.kinematics import base_translation
from wildrobot_eqx.robots import Servo
from wildrobot_eqx.robots.robot import _PARTS

ENGINES = {"native": we.NativePhysics, "tree": we.TreePhysics}
WALKER = """
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1"/>
    {ball}
    <body name="torso" pos="0 0 0.5">
      <freejoint name="root"/>
      <geom type="box" size="0.05 0.05 0.05" mass="1"/>
      <body name="leg" pos="0 0 -0.05">
        <joint name="hip" axis="0 1 0" range="-1 1"/>
        <geom name="sole" type="box" size="0.1 0.1 0.1" pos="0 0 -0.1" mass="0.1"/>
        <site name="sole" pos="0 0 -0.2"/>
      </body>
    </body>
  </worldbody>
  <actuator><position name="hip" joint="hip" kp="20" inheritrange="1" forcerange="-9 9"/></actuator>
  <sensor>
    <framelinvel name="linvel" objtype="xbody" objname="torso"/>
    <framelinvel name="sole_linvel" objtype="site" objname="sole"/>
    <contact name="sole_force" geom1="floor" geom2="sole" data="force" reduce="netforce"/>
  </sensor>
"""
BALL = '<body name="ball" pos="0.6 0 0.05"><freejoint name="ball"/><geom type="sphere" size="0.05" mass="0.05"/></body>'
FOOT = '[feet.sole]\nsite = "sole"\nforce = "sole_force"\nlinvel = "sole_linvel"\n'


def test_an_arm_has_no_parts_of_a_walker(tmp_path):
    robot = made(tmp_path, arm(), "[home]\nelbow = 0.5\n")
    assert (robot.base, robot.mirror, robot.min_root_height) == (None, None, None)
    assert (robot.feet, robot.imus, robot.bodies) == ((), (), {})
    assert robot.joint_names == ("shoulder", "elbow")
    np.testing.assert_allclose(robot.home_qpos, [0.0, 0.5])
    forces = foot_forces(robot, jnp.zeros((3,), jnp.float32))
    assert forces.shape == (0, 3)


@pytest.mark.parametrize("part", _PARTS)
def test_who_needs_a_part_in_vain_is_named(part):
    robot = load_robot("reacher")
    with pytest.raises(WildRobotError) as caught:
        robot.need(part, "Somebody")
    error = caught.value
    assert "Somebody" in error.what
    assert "'reacher'" in error.what
    assert error.where == "Somebody, robot 'reacher'"
    assert part.split(".")[-1].rstrip("s") in error.hint


def test_a_part_that_is_there_is_handed_out(robot):
    assert robot.need("feet", "it") is robot.feet
    assert robot.need("base", "it") is robot.base
    assert robot.need("base.linvel", "it") is robot.base.linvel
    assert robot.need("mirror", "it") is robot.mirror
    assert robot.need("min_root_height", "it") is robot.min_root_height


@pytest.mark.parametrize(
    "make",
    [
        we.rewards.FeetSlip,
        we.rewards.FeetClearance,
        we.rewards.CapturePoint,
        we.rewards.TrackLinVelX,
        we.rewards.TrackAngVelZ,
        we.endings.Fallen,
        we.terms.FootContacts,
        we.terms.BaseHeight,
        we.terms.BaseLinearVelocity,
        we.randomise.Payload,
    ],
)
def test_a_part_of_walking_refuses_an_arm_by_its_own_name(make):
    with pytest.raises(WildRobotError) as caught:
        make(load_robot("reacher"))
    assert caught.value.where == f"{make.__name__}, robot 'reacher'"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["cartpole", "reacher"])
def test_engines_simulate_a_robot_without_feet(name, engine):
    robot = load_robot(name)
    physics = ENGINES[engine](robot)
    state = physics.init(physics.params(), robot.home_qpos, jnp.zeros((robot.nv,), jnp.float32))
    assert state.foot_force.shape == (0, 3)
    np.testing.assert_allclose(state.actuator_force, np.zeros(robot.nu), atol=1e-5)


@pytest.mark.parametrize("engine", ["native", pytest.param("tree", marks=pytest.mark.slow)])
def test_a_foot_of_two_geoms_bears_the_sum_of_their_forces(tmp_path, engine):
    """Heel and toe have a contact sensor each, which any engine reads; MuJoCo's contacts say what they bear."""
    one = '<geom name="sole" type="box" size="0.1 0.1 0.1" pos="0 0 -0.1" mass="0.1"/>'
    two = "".join(
        f'<geom name="{n}" type="box" size="0.03 0.1 0.1" pos="{x} 0 -0.1" mass="0.05"/>'
        for n, x in (("heel", -0.07), ("toe", 0.05))
    )
    sensor = '<contact name="sole_force" geom1="floor" geom2="sole" data="force" reduce="netforce"/>'
    sensors = "".join(sensor.replace("sole", name) for name in ("heel", "toe"))
    mjcf = WALKER.format(ball="").replace(one, two).replace(sensor, sensors)
    robot = made(tmp_path, mjcf, FOOT.replace('"sole_force"', '["heel_force", "toe_force"]'))
    physics = ENGINES[engine](robot)
    lowered = robot.home_qpos.at[2].add(-0.002)
    state = eqx.filter_jit(physics.init)(physics.params(), lowered, jnp.zeros((robot.nv,), jnp.float32))
    mj = robot.model.mj
    data = mujoco.MjData(mj)
    data.qpos[:] = lowered
    mujoco.mj_forward(mj, data)
    total, force = np.zeros(3), np.zeros(6)
    for i in range(data.ncon):
        mujoco.mj_contactForce(mj, data, i, force)
        total += data.contact.frame[i].reshape(3, 3).T @ force[:3]
    parts = [np.asarray(part.read(state.sensordata)) for part in robot.feet[0].force.parts]
    assert min(part[2] for part in parts) > 1.0
    np.testing.assert_allclose(state.foot_force[0], total, rtol=2e-3, atol=1e-3 * total[2])
    np.testing.assert_allclose(sum(parts), total, rtol=2e-3, atol=1e-3 * total[2])


def test_home_reset_moves_an_arm_within_its_limits(getkey):
    robot = load_robot("reacher")
    qpos, qvel = we.resets.HomeReset(robot, joint_noise=0.2)(getkey(), {})
    assert np.abs(qpos - robot.home_qpos).max() <= 0.2
    assert qvel.shape == (2,)


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_free_body_beside_the_robot_is_no_base(tmp_path, where):
    robot = made(tmp_path, arm(**{where: PUCK}))
    at = 0 if where == "before" else 2
    puck = robot.free_body("puck")
    assert robot.base is None
    assert (puck.qpos_address, puck.dof_address) == (at, at)
    np.testing.assert_allclose(puck.home, [0.3, 0.1, 0.02, 1.0, 0.0, 0.0, 0.0])
    assert robot.joint_qpos == ((7, 8) if where == "before" else (0, 1))


def test_a_free_body_takes_the_name_of_its_table(tmp_path):
    robot = made(tmp_path, arm(before=PUCK), '[bodies.object]\nbody = "puck"\n')
    assert list(robot.bodies) == ["object"]
    with pytest.raises(WildRobotError, match="'objekt'") as caught:
        robot.free_body("objekt")
    assert "'object'" in caught.value.hint


def test_a_tracker_reads_where_a_free_body_is(tmp_path, getkey):
    robot = made(tmp_path, tracked(), TRACKED)
    puck = robot.free_body("object")
    assert (puck.tracker.name, puck.tracker.size) == ("puck_pos", 3)
    qpos = robot.home_qpos.at[puck.qpos_address : puck.qpos_address + 3].set(jnp.array([0.1, -0.2, 0.5]))
    physics = we.NativePhysics(robot, 0.005)
    state = physics.init(physics.params(), qpos, jnp.zeros(robot.nv))
    np.testing.assert_allclose(puck.tracker.read(state.sensordata), [0.1, -0.2, 0.5], atol=1e-6)
    assert made(tmp_path, tracked()).free_body("puck").tracker is None


@pytest.mark.parametrize(
    ("sensor", "told"),
    [
        ('<framepos name="puck_pos" objtype="xbody" objname="forearm"/>', "'forearm', not of 'puck'"),
        ('<framepos name="puck_pos" objtype="xbody" objname="puck" reftype="xbody" refname="upper"/>', "world's frame"),
        ('<framelinvel name="puck_pos" objtype="xbody" objname="puck"/>', "is no <framepos>"),
        ('<framequat name="puck_pos" objtype="xbody" objname="puck"/>', "takes a sensor of 3 numbers"),
        ('<framepos name="puck" objtype="xbody" objname="puck"/>', "'puck_pos', which made.xml does not have"),
    ],
    ids=["another body", "another frame", "a velocity", "an orientation", "no such sensor"],
)
def test_a_tracker_that_reads_something_else_is_refused(tmp_path, sensor, told):
    with pytest.raises(WildRobotError) as caught:
        made(tmp_path, tracked(sensor), TRACKED)
    assert told in caught.value.what
    assert caught.value.where.endswith("[bodies.object]")


class Claims(we.terms.AbstractStatelessTerm):
    """Says that the robot can measure whatever `read` takes from the signals."""

    read: Callable[[we.Signals], Float[Array, ""]] = eqx.field(static=True)
    size = 1
    unit = "m"
    frame = "world"
    measurable = True
    source = "a claim"

    def __call__(self, signals: we.Signals) -> Float[Array, " 1"]:
        return self.read(signals)[None]


def test_a_policy_may_see_the_place_of_a_body_that_is_tracked_and_no_other(tmp_path):
    hand = '<framepos name="hand_pos" objtype="site" objname="hand"/>'
    mjcf = tracked(f'<framepos name="puck_pos" objtype="xbody" objname="puck"/>{hand}')

    def refused(toml: str) -> set[str]:
        robot = made(tmp_path, mjcf, toml)
        puck, hand = robot.sensor("puck_pos"), robot.sensor("hand_pos")
        terms = {
            "tracker": Claims(lambda s: puck.read(s.physics.sensordata)[0]),
            "hand": Claims(lambda s: hand.read(s.physics.sensordata)[0]),
            "pose": Claims(lambda s: s.physics.qpos[2]),
        }
        env = we.Env(
            physics=we.NativePhysics(robot, 0.005),
            controller=we.controllers.JointPosition(robot),
            observations={"policy": we.ObservationStack(terms)},
            rewards={"alive": we.rewards.Alive()},
            endings={},
            reset_state=we.resets.HomeReset(robot),
        )
        found = [finding.leaf for finding in we.check_env(env).findings]
        return {name for name in terms if f"env.observations['policy'].terms[{name!r}]" in found}

    assert refused(TRACKED) == {"hand", "pose"}
    assert refused("") == {"tracker", "hand", "pose"}


def test_a_table_of_a_body_that_is_not_free_is_refused(tmp_path):
    with pytest.raises(WildRobotError, match="'forearm'") as caught:
        made(tmp_path, arm(before=PUCK), '[bodies.object]\nbody = "forearm"\n')
    assert caught.value.where.endswith("[bodies.object]")


@pytest.mark.parametrize("before", [False, True])
def test_the_base_is_the_root_of_the_driven_joints(tmp_path, before, getkey):
    """A ball that stands before the robot in the MJCF once became its base."""
    mjcf = WALKER.format(ball=BALL if before else "")
    robot = made(tmp_path, mjcf, f'min_root_height = 0.2\n[base]\nlinvel = "linvel"\n{FOOT}')
    at = 7 if before else 0
    base = robot.need("base", "it")
    assert robot.model.mj.body(base.body).name == "torso"
    assert (base.floating, base.qpos_address, base.dof_address) == (True, at, 6 if before else 0)
    assert base.angvel is None
    assert list(robot.bodies) == (["ball"] if before else [])
    assert float(robot.home_height) == pytest.approx(0.25)
    assert float(robot.home_qpos[at + 2]) == pytest.approx(0.25), "the sole stands on the floor"
    qpos, _ = we.resets.HomeReset(robot, joint_noise=0.0, drop=0.01)(getkey(), {})
    assert float(qpos[at + 2]) == pytest.approx(0.26)
    assert abs(float(qpos[at + 3])) < 1.0, "the robot is turned"
    if before:
        np.testing.assert_allclose(qpos[:7], robot.bodies["ball"].home)


def test_robot_toml_names_the_base(tmp_path):
    mjcf = WALKER.format(ball=BALL)
    robot = made(tmp_path, mjcf, '[base]\nbody = "torso"\n')
    assert robot.model.mj.body(robot.need("base", "it").body).name == "torso"
    with pytest.raises(WildRobotError, match="'hip' moves") as caught:
        made(tmp_path, mjcf, '[base]\nbody = "leg"\n')
    assert "'torso'" in caught.value.hint


def test_two_driven_trees_ask_for_a_base(tmp_path):
    second = '<body name="other"><joint name="other" range="-1 1"/><geom size="0.1"/></body>'
    mjcf = arm(after=second).replace(
        "</actuator>", '<position joint="other" kp="1" inheritrange="1" forcerange="-1 1"/></actuator>'
    )
    with pytest.raises(WildRobotError, match="upper, other") as caught:
        made(tmp_path, mjcf)
    assert caught.value.where.endswith("[base]")
    assert made(tmp_path, mjcf, '[base]\nbody = "world"\n').nu == 3


def test_feet_of_a_fixed_base_stay_where_they_are(tmp_path):
    mjcf = arm().replace(
        "</actuator>",
        '</actuator><sensor><framelinvel name="v" objtype="site" objname="hand"/>'
        '<contact name="f" body2="forearm" data="force" reduce="netforce"/></sensor>',
    )
    robot = made(tmp_path, mjcf, '[feet.hand]\nsite = "hand"\nforce = "f"\nlinvel = "v"\n')
    assert [foot.name for foot in robot.feet] == ["hand"]
    np.testing.assert_array_equal(robot.home_qpos, [0.0, 0.0])


def test_servo_figures_are_each_joints_own(tmp_path):
    toml = "[servo]\nstall_torque = 4.0\nno_load_speed = 6.0\n[servo.elbow]\nstall_torque = 3.5\n"
    servo = made(tmp_path, arm(), toml).servo
    assert servo.stall_torque.tolist() == [4.0, 3.5]
    assert servo.no_load_speed.tolist() == [6.0, 6.0]
    with pytest.raises(WildRobotError, match="'elbo'") as caught:
        made(tmp_path, arm(), "[servo.elbo]\nstall_torque = 3.5\n")
    assert "'elbow'" in caught.value.hint
    with pytest.raises(WildRobotError, match="'stall'") as caught:
        made(tmp_path, arm(), "[servo.elbow]\nstall = 3.5\n")
    assert caught.value.where.endswith("[servo.elbow]")


def test_who_reads_servo_figures_takes_each_joints_own(robot):
    speeds, torques = np.linspace(4.0, 8.0, robot.nu), np.linspace(2.0, 5.0, robot.nu)
    mixed = dataclasses.replace(robot, servo=Servo(torques, speeds))
    np.testing.assert_allclose(we.rewards.JointSpeedLimit(mixed, fraction=0.5).limit, 0.5 * speeds, rtol=1e-6)
    meter = GaitMeter(mixed, 2.0, 1.0)
    np.testing.assert_allclose(meter.no_load_speed, speeds, rtol=1e-6)
    assert meter.stall_torque == pytest.approx(np.sqrt(np.mean(torques**2)))
    assert GaitMeter(robot, 2.0, 1.0).stall_torque == 4.41


def test_a_servo_without_a_datasheet_can_do_what_its_actuator_can(tmp_path):
    assert made(tmp_path, arm()).servo.stall_torque.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("toml", "key", "near", "where"),
    [
        ('mirror_pair = [["a", "b"]]\n', "mirror_pair", "mirror_pairs", "robot.toml"),
        ("[hom]\nelbow = 0.5\n", "hom", "home", "robot.toml"),
        ('[base]\nlinvell = "v"\n', "linvell", "linvel", "[base]"),
        ('[bodies.a]\nbody = "puck"\nbodi = "puck"\n', "bodi", "body", "[bodies.a]"),
        ('[bodies.a]\nbody = "puck"\ntracked = "pos"\n', "tracked", "tracker", "[bodies.a]"),
    ],
)
def test_a_key_that_means_nothing_is_refused(tmp_path, toml, key, near, where):
    with pytest.raises(WildRobotError) as caught:
        load_robot(folder_of(tmp_path, arm(before=PUCK), toml))
    error = caught.value
    assert repr(key) in error.what
    assert f"did you mean {near!r}" in error.hint
    assert error.where.endswith(where)


def test_a_base_may_hang_from_bodies_without_motors(tmp_path):
    """A planar robot with one body per joint of its base, as dm_control writes it: slides of bodies above count."""
    planar = WALKER.format(ball="").replace(
        '<freejoint name="root"/>',
        '<inertial pos="0 0 0" mass="0.01" diaginertia="1e-4 1e-4 1e-4"/><joint name="x" type="slide" axis="1 0 0"/>'
        '<body name="carriage"><joint name="z" type="slide" axis="0 0 1"/>',
    )
    planar = planar.replace("    </body>\n  </worldbody>", "    </body></body>\n  </worldbody>")
    planar = planar.replace('objname="torso"', 'objname="carriage"')
    robot = made(tmp_path, planar, f'[base]\nbody = "carriage"\nlinvel = "linvel"\n{FOOT}')
    base = robot.need("base", "it")
    assert (base.floating, base.qpos_address, base.dof_address) == (False, 0, 0)
    assert float(robot.home_qpos[1]) == pytest.approx(-0.25), "let down on its sole"
    np.testing.assert_array_equal(base_translation(robot), [[1, 0, 0], [0, 0, 1], [0, 0, 0]])
