"""Bring-up: hardware.toml, zeros, signs and excitation; against a hidden block in time of its own."""

import dataclasses
import math

import numpy as np
import pytest
from boxes import JOINTS, SENSORS, hidden, mounts

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.cli import main
from wildrobot_eqx.deploy.bringup.excite import excitation, motion_of
from wildrobot_eqx.deploy.bringup.hardware import Hardware, ImuEntry, JointEntry, Line, open_robot, read_hardware
from wildrobot_eqx.deploy.bringup.measure import zeros
from wildrobot_eqx.deploy.bringup.observe import gather, wait_for_lean, watch_imu
from wildrobot_eqx.deploy.bringup.signs import judge
from wildrobot_eqx.deploy.bringup.stance import Stance, Ways
from wildrobot_eqx.deploy.hidden.__main__ import main as hidden_main
from wildrobot_eqx.deploy.hidden.parameters import Hidden, draw, read_hidden
from wildrobot_eqx.deploy.hidden.robot import HiddenRobot

WIRED = Hardware(
    "block",
    (Line("line", "hiwonder"),),
    {"front": JointEntry(1, zeroed="2026-11-27"), "left": JointEntry(2, sign=-1, zero=512.25), "a b": JointEntry(3)},
    ImuEntry("imu", mounting=(0.8, 0.6, 0.0, 0.0)),
    voltage=9.6,
)


def _behind(changes: Hidden, hardware: Hardware):
    """A robot that hardware.toml describes, and the hidden block that is behind its ports."""
    block = hidden(changes)
    ports = {"line": block.bus_port, "imu": block.imu_port}
    robot = open_robot(hardware, SENSORS, opener=lambda path, baud: ports[path](), clock=block.now, sleep=block.sleep)
    return robot, block


# --- hardware.toml ---------------------------------------------------------------------------------------


def test_a_hardware_toml_comes_back_as_it_was(tmp_path):
    path = tmp_path / "hardware.toml"
    WIRED.save(path)
    again = read_hardware(path)
    assert again.text() == WIRED.text()
    assert dataclasses.replace(again, joints={}) == dataclasses.replace(WIRED, joints={})
    assert again.joints["left"] == WIRED.joints["left"]
    assert math.isnan(again.joints["a b"].zero)
    assert list(tmp_path.iterdir()) == [path]
    assert [one.partition(" of ")[0] for one in again.unproved()] == [
        "the zeros",
        "the signs",
        "the order and the mounting",
    ]


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        (("[[bus]]", "[bus"), "", "no TOML"),
        (('driver = "hiwonder"', 'driver = "hiwunder"'), "bus 0", "no driver 'hiwunder'"),
        (("baud = 115200", "bauds = 115200"), "bus 0", "'bauds' is not known"),
        (("sign = -1", 'sign = "x"'), "joints.left", "sign cannot be 'x'"),
        (("id = 2", "di = 2"), "joints.left", "'di' is not known"),
        (("id = 2\n", ""), "joints.left", "lacks 'id'"),
        (("mounting = [0.8, 0.6, 0.0, 0.0]", "mounting = [1.0]"), "imu", "mounting cannot be"),
        (("coast = 0.25", "coast = true"), "", "coast cannot be True"),
        (("coast = 0.25", "coast = nan"), "", "coast cannot be nan"),
    ],
)
def test_a_hardware_toml_that_is_wrong_is_named(change, where, what, tmp_path, capsys):
    path = tmp_path / "hardware.toml"
    text = WIRED.text()
    assert change[0] in text
    path.write_text(text.replace(*change, 1))
    with pytest.raises(WildRobotError, match=what) as caught:
        read_hardware(path)
    assert caught.value.where.endswith(where)
    with pytest.raises(WildRobotError, match="cannot be read"):
        read_hardware(tmp_path / "none.toml")


# --- zeros -----------------------------------------------------------------------------------------------


def test_zeros_are_found_in_a_jig_and_change_what_is_read(tmp_path):
    """Horns on wrong teeth by up to two degrees, one servo turned around: afterwards readings are the truth."""
    off = Hidden(servo_zero=(0.03, -0.02, 0.035), sign=(1, -1, 1))
    joints = {name: JointEntry(i + 1, sign=off.sign[i]) for i, name in enumerate(JOINTS)}
    hardware = Hardware("block", (Line("line"),), joints, ImuEntry("imu"))
    robot, block = _behind(off, hardware)
    robot.release()
    pose = {"front": 0.2, "left": -0.1, "top": 0.0}
    block.world.jig(pose)
    read, _ = gather(robot, 0.5)
    found = zeros(robot.mounts, read, pose, dict.fromkeys(JOINTS, (-1.5, 1.5)))
    for name, zero in found.items():
        hardware = hardware.replace_joint(name, zero=zero)
    robot, block = _behind(off, hardware)
    block.world.jig({"front": -0.3, "left": 0.4, "top": 0.1})
    robot.wait(robot.now() + 0.05)
    seen = robot.read()["joint_positions"]
    np.testing.assert_allclose([seen[name] for name in JOINTS], [-0.3, 0.4, 0.1], atol=0.0043)  # a unit


def test_zeros_that_cannot_be_are_refused():
    of = {mount.joint: mount for mount in mounts(500)}
    read = {name: [500.0] * 5 for name in JOINTS}
    limits, pose = dict.fromkeys(JOINTS, (-1.5, 1.5)), dict.fromkeys(JOINTS, 0.0)
    assert zeros(of, read, pose, limits) == dict.fromkeys(JOINTS, 500.0)
    with pytest.raises(WildRobotError, match="'left' moved by 9 units"):
        zeros(of, {**read, "left": [500.0, 509.0, 500.0]}, pose, limits)
    with pytest.raises(WildRobotError, match="'top' was not read"):
        zeros(of, {**read, "top": []}, pose, limits)
    with pytest.raises(WildRobotError, match="servo of 'front' turns from"):
        zeros(of, {**read, "front": [900.0] * 5}, pose, limits)


# --- signs -----------------------------------------------------------------------------------------------

LEANS = {"hip": (0.02, 0.0), "knee": (-0.015, 0.0), "roll": (0.0, 0.03), "waist": (0.0, 0.0005)}


@pytest.mark.parametrize(
    ("joint", "lean", "proved", "wrong"),
    [
        ("hip", (0.021, 0.001), True, None),
        ("hip", (-0.02, 0.0), False, "its sign is wrong"),
        ("hip", (0.0, 0.001), False, "hardly leaned"),
        ("hip", (0.0, 0.031), False, "leaned as 'roll' does"),
        ("roll", (0.001, -0.028), False, "its sign is wrong"),
        ("waist", (0.0, 0.0), False, None),
    ],
)
def test_the_lean_of_a_robot_tells_joint_and_sign(joint, lean, proved, wrong):
    verdict = judge(joint, lean, LEANS)
    assert verdict.proved is proved
    assert (verdict.wrong is None) == (wrong is None)
    assert wrong is None or wrong in verdict.wrong


# --- leaning by hand -------------------------------------------------------------------------------------


def test_a_lean_by_hand_is_waited_for():
    hardware = Hardware("block", (Line("line"),), {n: JointEntry(i + 1) for i, n in enumerate(JOINTS)}, ImuEntry("imu"))
    robot, block = _behind(Hidden(), hardware)
    block.world.hang()
    assert len(watch_imu(robot, 0.2)) > 10
    with pytest.raises(WildRobotError, match="Nobody has leaned"):
        wait_for_lean(robot, 1.0)
    block.world.lean(0.35, 0.0, 0.7)
    rows = wait_for_lean(robot, 5.0)
    assert max(abs(row.gyro[1]) for row in rows) == pytest.approx(0.7, abs=0.05)
    assert not block.world.leaning


# --- excitation ------------------------------------------------------------------------------------------


def test_excitation_stays_within_what_servos_can_do(walk):
    contract, stance = walk.contract, Stance.of(walk)
    targets = excitation(stance, 30.0)
    assert targets.shape == (1500, len(contract.joints))
    assert (targets >= contract.target_low).all()
    assert (targets <= contract.target_high).all()
    np.testing.assert_allclose(targets[[0, -1]], np.tile(stance.rest, (2, 1)), atol=1e-9)
    fastest = np.abs(np.diff(targets, axis=0)).max(axis=0) / contract.dt
    speeds = np.array([joint["no_load_speed"] for joint in contract.document["joints"]])
    assert (fastest <= 0.8 * speeds).all(), "a step, too, is one that a servo can follow"
    moving = np.abs(np.diff(targets[1000:], axis=0)) > 1e-6
    alone = moving[moving.sum(axis=1) == 1]
    assert alone.any(axis=0).all(), "each joint moves by itself"
    motion = motion_of(targets, contract.dt)
    assert np.array_equal(motion(2.0), targets[100].astype(np.float32))
    assert np.array_equal(motion(1e6), targets[-1].astype(np.float32))


def test_excitation_leaves_the_feet_where_they_stand(walk):
    """Both feet keep their place, and turn to each other by half a degree at most: these legs have no yaw."""
    import mujoco

    stance = Stance.of(walk)
    ways = Ways(stance)
    assert [walk.contract.joints[i] for i in ways.turned] == ["waist_yaw"]
    data = mujoco.MjData(stance.model)
    seen = []
    targets = excitation(stance, 20.0)
    for row in [stance.rest, *targets[::40]]:
        data.qpos[:] = stance.home
        data.qpos[stance.qpos] = row
        mujoco.mj_kinematics(stance.model, data)
        one, other = (data.body(f"{side}_foot") for side in ("left", "right"))
        turned = one.xmat.reshape(3, 3)
        seen.append([*(turned.T @ (other.xpos - one.xpos)), *(turned.T @ other.xmat.reshape(3, 3)).ravel()])
    assert np.abs(np.array(seen)[:, :3] - seen[0][:3]).max() < 2e-3
    assert np.abs(np.array(seen)[:, 3:] - seen[0][3:]).max() < 1e-2
    waist = targets[:, ways.turned] - stance.rest[ways.turned]
    assert np.abs(waist).max() > 0.35


# --- hidden robots ---------------------------------------------------------------------------------------


def test_hidden_robots_are_drawn_by_their_seed():
    assert draw(3, 5) == draw(3, 5)
    assert draw(3, 5) != draw(4, 5)
    many = [draw(seed, 3) for seed in range(40)]
    assert len({one.delay for one in many}) == 40
    assert all(0.7 < gain < 1.35 for one in many for gain in one.gain)


def test_hidden_parameters_are_read_from_a_file(tmp_path, capsys):
    path = tmp_path / "p.json"
    path.write_text('{"delay": 0.02, "servo_zero": [0.1, 0.0, 0.0]}')
    assert read_hidden(path, 3) == Hidden(delay=0.02, servo_zero=(0.1, 0.0, 0.0))
    for text, what in (
        ("[]", "no JSON object"),
        ('{"dely": 1}', "'dely'"),
        ('{"servo_zero": [1]}', "row of 3"),
        ("{", "read"),
    ):
        path.write_text(text)
        with pytest.raises(WildRobotError, match=what):
            read_hidden(path, 3)
    assert hidden_main([str(tmp_path / "none.zip")]) == 2
    assert "no bundle" in capsys.readouterr().err


def test_a_nominal_hidden_robot_moves_as_its_model():
    """Its servos are applied by hand: against MuJoCo's own position actuators, where a motor has torque left."""
    import mujoco
    from boxes import plan

    strong = dataclasses.replace(plan(), no_load_speed=1e6)
    block = HiddenRobot(strong, Hidden())
    model = plan().model
    model.opt.timestep = 0.001
    data = mujoco.MjData(model)
    target = np.array([0.15, -0.1, 0.2])
    for i, angle in enumerate(target):
        block.world.target(i, float(angle), 0.0, 0.0)
    data.ctrl[:] = target
    for _ in range(30):
        mujoco.mj_step(model, data, 20)
        block.world.advance(block.world.time + 0.02)
        np.testing.assert_allclose([block.world.encoder(i) for i in range(3)], data.qpos[7:], atol=1e-6)


def test_each_hidden_parameter_does_what_it_says():
    def after(changes: Hidden, seconds: float = 0.4) -> np.ndarray:
        block = hidden(changes)
        for i in range(3):
            block.world.target(i, 0.2, 0.0, 0.0)
        block.world.advance(seconds)
        return np.array([block.world.encoder(i) for i in range(3)])

    nominal = after(Hidden(), 0.03)
    assert (after(Hidden(delay=0.05), 0.03) == after(Hidden(delay=0.5), 0.03)).all()
    assert after(Hidden(delay=0.05), 0.03)[2] < nominal[2] - 0.01
    assert after(Hidden(gain=(1.0, 1.0, 0.5)), 0.03)[2] < nominal[2] - 0.005
    assert after(Hidden(friction=(1.0, 1.0, 40.0)), 0.03)[2] < nominal[2] - 0.005
    assert after(Hidden(voltage=0.5), 0.03)[2] < nominal[2] - 0.005
    block = hidden(Hidden(backlash=(0.0, 0.0, 0.04)))
    block.world.target(2, 0.015, 0.0, 0.0)
    block.world.advance(0.3)
    assert abs(block.world.encoder(2)) < 1e-4  # within the play nothing moves
    heavy, light = (hidden(Hidden(trunk_mass=m)).world.model.body_mass[1] for m in (1.2, 1.0))
    assert heavy == pytest.approx(1.2 * light)
    shifted = hidden(Hidden(trunk_com=(0.01, 0.0, 0.0))).world.model.body_ipos[1]
    np.testing.assert_allclose(shifted, [0.01, 0.0, 0.0])


# --- the command line ------------------------------------------------------------------------------------


def test_wrong_usage_of_robot_is_told(tmp_path, capsys, monkeypatch, hop_files):
    from wildrobot_eqx.deploy.bundle.archive import write_zip

    monkeypatch.chdir(tmp_path)
    write_zip(hop_files, tmp_path / "b.zip")
    (tmp_path / "taken.mcap").write_bytes(b"mine")
    WIRED.save(tmp_path / "other.toml")
    for arguments, what in (
        (["scan", "--port", "/dev/none"], "cannot be opened"),
        (["scan", "--port", "x", "--ids", "5:1"], "no range of ids"),
        (["scan", "--port", "x", "--out", "h.toml"], "needs joints"),
        (["hold", "b.zip"], "hardware.toml cannot be read"),
        (["hold", "b.zip", "--hardware", "other.toml", "--log", "taken.mcap"], "exists already"),
        (["calibrate", "b.zip", "zeros", "--hardware", "other.toml"], "wires no joint 'hip_pitch'"),
        (["run", "b.zip", "--hardware", "other.toml", "--ask", "lin_vel_q=1"], "cannot be asked for"),
        (["excite", "b.zip", "--amplitude", "3"], "Invalid value"),
    ):
        assert main(["robot", *arguments]) in (1, 2), arguments
        told = " ".join(capsys.readouterr().err.split())
        assert what in told, (arguments, told)
        assert "Traceback" not in told
    assert (tmp_path / "taken.mcap").read_bytes() == b"mine"
