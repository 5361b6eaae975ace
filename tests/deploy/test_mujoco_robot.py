"""The simulated robot is the one of training: plain MuJoCo against the native engine, step by step."""

import shutil

import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from bundles import amplified, env_and_policy, opened, restamped, tampered

from wildrobot_eqx import WildRobotError, load_robot
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.bundle.mjcf import check_mjcf
from wildrobot_eqx.deploy.export.robot_files import bundled_robot, pack_robot
from wildrobot_eqx.deploy.hardware import mujoco_robot
from wildrobot_eqx.deploy.hardware.mujoco_robot import MujocoRobot, Window
from wildrobot_eqx.deploy.proof.play import play
from wildrobot_eqx.deploy.proof.replay import replay
from wildrobot_eqx.deploy.proof.retrace import retrace
from wildrobot_eqx.paths import data_dir


def test_it_moves_as_the_native_engine_does(walk):
    """Same state, same targets, several control periods: where it is and what it reads agrees."""
    env, _ = env_and_policy("walk")
    robot = MujocoRobot(walk)
    rows = walk.golden()
    qpos, qvel = rows["start_qpos"][0], rows["start_qvel"][0]
    params = env.physics.params()
    state = env.physics.init(params, jnp.asarray(qpos), jnp.asarray(qvel))
    robot.reset(qpos, qvel)
    rng = np.random.default_rng(0)
    for step in range(6):
        for name in ("qpos", "qvel", "xpos", "xquat", "site_xpos", "actuator_force", "sensordata"):
            size = 1e-2 if name == "sensordata" else 1e-3  # accelerations at a touch-down
            wanted = getattr(state, name)
            np.testing.assert_allclose(
                getattr(robot.data, name), wanted, atol=size, rtol=1e-3, err_msg=f"{name}, step {step}"
            )
        target = (walk.contract.home + 0.05 * rng.normal(size=11)).astype(np.float32)
        state = env.physics.step(params, state, jnp.asarray(target))
        robot.write(dict(zip(robot.joints, target)), 0.02)
        robot.advance()
    assert robot.now() == pytest.approx(6 * 0.02)


def test_the_golden_rollout_is_walked_again(bundle):
    """Two seconds in closed loop, given nothing but the start and the commands."""
    found = retrace(bundle)
    assert found.passed, found.wrong
    assert found.steps == 99
    assert found.qpos < 1e-4


CHAIN = """
<mujoco><worldbody><body name="rail">
  <joint name="x" type="slide" axis="1 0 0"/><geom size="0.1"/>
  <body name="base">
    <joint name="z" type="slide" axis="0 0 1"/><joint name="pitch" axis="0 1 0"/><geom size="0.1"/>
  </body>
</body></worldbody></mujoco>
"""


def test_a_kick_reaches_the_slides_of_bodies_above_the_base():
    """As `base_translation` has it for the training env, such as of a planar robot with a body for each slide."""
    robot = object.__new__(MujocoRobot)
    robot.model = mujoco.MjModel.from_xml_string(CHAIN)
    robot.data, robot._base = mujoco.MjData(robot.model), robot.model.body("base").id
    robot.kick(np.array([0.3, 0.2, -0.1]))
    np.testing.assert_allclose(robot.data.qvel, [0.3, -0.1, 0.0])


def _heavier(document, files):
    files["robot/hopper.xml"] = files["robot/hopper.xml"].replace(b'mass="1.0"', b'mass="1.01"')


def _renamed(document, files):
    """Two joints have each other's names, and the graph says so, too: only the robot's motion shows it."""
    one, _, other = document["joints"]
    one["name"], other["name"] = other["name"], one["name"]
    one["low"], one["high"] = other["low"], other["high"] = -1.1, 1.1
    restamped(document, files)


@pytest.mark.parametrize(
    "change",
    [
        lambda d, f: d["controller"].update(delay=1),
        lambda d, f: d["simulation"].update(timestep=0.004),
        _heavier,
        _renamed,
    ],
    ids=["delay", "timestep", "mass", "names"],
)
def test_another_robot_goes_elsewhere(change, hop_files):
    """What golden vectors cannot see, since they give the player its readings."""
    files = tampered(hop_files, change)
    assert files != hop_files
    assert replay(opened(files)).passed
    found = retrace(opened(files))
    assert not found.passed
    assert "away from where training was" in found.wrong


def test_it_reads_by_name(walk):
    robot = MujocoRobot(walk)
    found = robot.read()
    assert list(found["joint_positions"]) == list(walk.contract.joints)
    np.testing.assert_allclose(list(found["joint_positions"].values()), walk.contract.home, atol=1e-6)
    np.testing.assert_allclose(found["chest_imu_quat"], [1.0, 0.0, 0.0, 0.0], atol=1e-6)


def test_its_servos_are_as_late_as_in_training(hop):
    """Two control periods, from the home pose: the delay that the hopper was given."""
    robot = MujocoRobot(hop)
    assert hop.contract.document["controller"]["delay"] == 2
    seen = []
    for k in range(4):
        robot.write(dict.fromkeys(robot.joints, 0.1 * k), 0.02)
        robot.advance()
        seen.append(robot.data.ctrl.copy())
    np.testing.assert_allclose(seen[0], hop.contract.home)
    np.testing.assert_allclose(seen[1], hop.contract.home)
    np.testing.assert_allclose(seen[2:], [[0.0] * 3, [0.1] * 3], atol=1e-7)


def test_a_fall_and_a_blow_up_are_seen(walk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    robot = MujocoRobot(walk)
    assert not robot.fallen
    qpos = robot.data.qpos.copy()
    qpos[3:7] = [np.cos(0.5), np.sin(0.5), 0.0, 0.0]
    robot.reset(qpos)
    assert robot.fallen
    robot.reset()
    robot.data.qvel[:] = 1e30
    robot.advance()
    assert robot.broken
    assert robot.fallen
    robot.wait(1.0)  # it does not go on for ever
    assert list(tmp_path.iterdir()) == []  # no log of MuJoCo's


def test_the_robot_in_the_bundle_is_that_of_training(bundle):
    env, _ = env_and_policy("hop" if "hip_pitch" in bundle.contract.joints else "walk")
    assert bundled_robot(bundle).model == env.physics.robot.model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, f: d.update(simulation=None), "carries no robot"),
        (lambda d, f: d["simulation"].update(model="robot/other.xml"), "lacks its model"),
        (lambda d, f: d["simulation"].update(base="head"), "no body 'head'"),
        (lambda d, f: d["simulation"].update(timestep=0.003), "does not divide the control period"),
        (lambda d, f: d["simulation"].update(home_qpos=[0.0]), "home pose is not one of the robot"),
        (lambda d, f: f.update({"robot/hopper.xml": b"<mujoco><nonsense/></mujoco>"}), "cannot compile"),
        (lambda d, f: f.update({"robot/hopper.xml": b"<mujoco>"}), "is no XML"),
    ],
)
def test_a_robot_that_does_not_fit_its_contract_is_refused(change, message, hop_files):
    with pytest.raises(WildRobotError, match=message):
        MujocoRobot(opened(tampered(hop_files, change)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<mujoco><include file="../../etc/passwd"/></mujoco>', "outside of its folder"),
        ('<mujoco><asset><mesh file="/etc/passwd"/></asset></mujoco>', "outside of its folder"),
        ('<mujoco><compiler meshdir=".."/></mujoco>', "outside of its folder"),
        ('<mujoco><asset><texture fileright="C:\\x.png"/></asset></mujoco>', "outside of its folder"),
        ('<mujoco><extension><plugin plugin="x"/></extension></mujoco>', "<extension>, which loads code"),
        ('<mujoco><include file="more.xml"/></mujoco>', "<include> of 'more.xml', which reads another file"),
        (
            '<mujoco><asset><model file="more.xml"/></asset></mujoco>',
            "<model> of 'more.xml', which reads another model",
        ),
        ('<!DOCTYPE x [<!ENTITY a "b">]><mujoco/>', "defines entities"),
    ],
)
def test_a_model_that_reaches_outside_is_refused(text, message):
    with pytest.raises(WildRobotError, match=message):
        check_mjcf(text.encode(), "robot.xml")
    check_mjcf(b'<mujoco><asset><mesh file="leg.stl"/></asset><light dir="0 0 -1"/></mujoco>', "robot.xml")


def test_a_walk_is_summed_up(walk_files):
    """A policy of random weights that takes great steps falls, and the summary says so."""

    looked = []
    great = opened(tampered(walk_files, amplified(10.0)))
    walked = play(great, {"lin_vel_x": 0.2}, 3.0, look=lambda robot: looked.append(robot.now()))
    document = walked.to_json()
    assert not document["survived"]
    assert document["upright_s"] < 3.0
    assert "tilted" in document["fault"]
    assert document["command"] == {"lin_vel_x": 0.2}
    assert len(looked) == len(walked.qpos) == len(walked.active) == len(walked.walk.speeds) == len(walked.fell)
    assert 240 <= len(looked) <= 260  # two seconds of ramp, three of policy
    assert walked.active.tolist() == [False] * 100 + [True] * (len(looked) - 100)
    assert not walked.fell[:100].any()
    assert walked.fell[-1]


def test_a_robot_that_stands_is_summed_up(walk_files):
    """Actions of no size: the home pose stands."""

    document = play(opened(tampered(walk_files, amplified(0.0))), {}, 1.0, ramp=False).to_json()
    assert document["survived"]
    assert document["fault"] is None
    assert document["error"]["lin_vel_x"] < 0.02
    assert abs(document["heading_error_deg"]) < 1.0


def test_a_window_needs_a_display(hop, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(mujoco_robot.sys, "platform", "linux")
    with Window() as window, pytest.raises(WildRobotError, match="no display"):
        window(MujocoRobot(hop))


def test_a_window_shows_every_step(hop, monkeypatch):
    class Viewer:
        synced = closed = 0

        def is_running(self):
            return True

        def sync(self):
            self.synced += 1

        def close(self):
            self.closed += 1

    viewer = Viewer()
    monkeypatch.setattr(mujoco_robot, "_open_viewer", lambda robot: viewer)
    with Window() as window:
        robot = MujocoRobot(hop)
        for _ in range(3):
            robot.advance()
            window(robot)
    assert (viewer.synced, viewer.closed) == (3, 1)
    assert isinstance(hop, Bundle)


@pytest.mark.parametrize("name", ["robot/more.txt", "robot/hopper.xml", "robot/more"])
def test_a_model_in_a_bundle_includes_no_other_file(name, hop_files, tmp_path):
    """Whatever the name of the file: only its own bytes are parsed."""
    (tmp_path / "secret.xml").write_text("<mujoco/>")

    def change(document, files):
        document["simulation"]["model"] = name
        text = files["robot/hopper.xml"].replace(b"<worldbody>", b'<include file="robot.toml"/><worldbody>', 1)
        files[name] = b"\xef\xbb\xbf\n" + text if name != "robot/hopper.xml" else text

    bundle = opened(tampered(hop_files, change))
    with pytest.raises(WildRobotError, match=r"<include> of 'robot.toml', which reads another file") as caught:
        MujocoRobot(bundle)
    assert name in caught.value.where
    with pytest.raises(WildRobotError):
        bundled_robot(bundle)


@pytest.mark.parametrize("model", ["/etc/hostname", "../outside.xml", "more.xml"])
def test_the_robot_toml_of_a_bundle_names_nothing_outside(model, hop_files):
    def change(document, files):
        files["robot/robot.toml"] = files["robot/robot.toml"].replace(b"hopper.xml", model.encode())

    with pytest.raises(WildRobotError, match="outside of its folder" if model != "more.xml" else "is missing"):
        bundled_robot(opened(tampered(hop_files, change)))


def test_a_robot_of_several_files_travels_as_one(tmp_path):
    """With what it includes put in its place, as MuJoCo reads it: beside the model, or beside who names it."""
    folder = shutil.copytree(data_dir("robots") / "hopper", tmp_path / "hopper")
    text = (folder / "hopper.xml").read_text()
    start, end = text.index("<actuator>"), text.index("</actuator>") + len("</actuator>")
    (folder / "parts").mkdir()
    (folder / "parts" / "drive.xml").write_text('<mujoco><include file="servos.xml"/></mujoco>')
    (folder / "parts" / "servos.xml").write_text(f"<mujoco>{text[start:end]}</mujoco>")
    (folder / "hopper.xml").write_text(text[:start] + '<include file="parts/drive.xml"/>' + text[end:])
    robot = load_robot(folder)
    assert robot.model == load_robot("hopper").model
    files, named = pack_robot(robot)  # which loads them again, and compares
    assert sorted(files) == ["robot/hopper.xml", "robot/robot.toml"]
    assert b"include" not in files[named["model"]]
