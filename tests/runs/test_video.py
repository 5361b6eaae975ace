import os
import re
import subprocess
import sys

import imageio_ffmpeg
import numpy as np
import pytest
from helpers import default_commands, make_env
from PIL import Image
from puppets import Constant

from wildrobot_eqx import ObservationStack, WildRobotError
from wildrobot_eqx.physics.mujoco_tools.render import NoRenderer, Renderer
from wildrobot_eqx.report import film as video
from wildrobot_eqx.terms import CommandTerm


@pytest.fixture(scope="module")
def drawing(hopper):
    """Skips where nothing can be drawn at all."""
    try:
        Renderer(hopper.model, 64, 48).close()
    except NoRenderer as error:
        pytest.skip(str(error))


def test_the_robot_stands_in_the_middle_of_the_picture(drawing, robot):
    qpos = np.asarray(robot.home_qpos)
    with Renderer(robot.model, 320, 240) as renderer:
        picture = renderer.draw(qpos).astype(int)
        again = renderer.draw(qpos)
        moved = renderer.draw(qpos + np.eye(robot.nq)[0] * 5.0)
        side = renderer.draw(qpos, "side")
    assert np.abs(picture - again).mean() < 0.5
    assert picture.shape == (240, 320, 3)
    orange = (picture[..., 0] > picture[..., 2] + 80) & (picture[..., 0] > 120)  # the shells
    rows, columns = np.nonzero(orange)
    assert orange.sum() > 200
    assert 100 < rows.mean() < 160
    assert 130 < columns.mean() < 190
    assert picture[10, 10, 2] > 150  # sky above, so not upside down
    assert np.abs(moved.astype(int) - picture).max() > 10  # the camera follows, the floor passes by
    assert np.abs(side.astype(int) - picture).max() > 50


def test_a_second_renderer_draws_the_same(drawing, hopper):
    qpos = np.asarray(hopper.home_qpos)
    pictures = []
    for _ in range(2):
        with Renderer(hopper.model, 160, 120) as renderer:
            pictures.append(renderer.draw(qpos, "no such camera"))
    assert pictures[0].std() > 5.0
    assert np.abs(pictures[0].astype(int) - pictures[1]).mean() < 0.5


def test_the_video_and_the_strip_are_written(drawing, hopper_env, tmp_path):
    paths = video.render_walk(hopper_env, Constant(hopper_env.action_size), tmp_path, script=((0.0, 0.4), (0.2, 0.6)))
    assert [path.name for path in paths] == ["walk.mp4", "stride.png"]
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    decoded = subprocess.run([ffmpeg, "-i", paths[0], "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True)
    words = decoded.stderr.decode()
    assert "Video: h264" in words
    assert "yuv420p" in words
    assert "640x480" in words
    assert "25 fps" in words
    frames = np.frombuffer(decoded.stdout, np.uint8).reshape(-1, 480, 640, 3)
    assert 5 < len(frames) <= 25
    assert (frames[0, 15:90, 20:210] > 200).all(axis=-1).any()  # letters on the plate
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    with Image.open(paths[1]) as strip:
        assert strip.size == (8 * 240, 384)


def test_a_recording_follows_its_script_and_ends_after_a_fall(hopper_env):
    walk = video.record(hopper_env, Constant(hopper_env.action_size), ((0.0, 0.4), (0.2, 0.6)))
    n = len(walk.command)
    assert walk.qpos.shape == (n, hopper_env.physics.robot.nq)
    assert walk.command[:20] == pytest.approx(0.0)
    assert walk.command[20:] == pytest.approx(0.2)
    fallen = video.record(hopper_env, Constant(hopper_env.action_size, 3.0), ((0.2, 1.0), (0.0, 4.0)))
    assert fallen.fallen[-1]
    assert len(fallen.command) == fallen.fallen.argmax() + 1 + 50


def test_a_script_may_ask_for_sideways_and_turns(hopper):
    """What is asked for reaches the policy, and is written in words."""
    commands = default_commands(hopper, ang_vel_z=(-1.0, 1.0), lin_vel_y=(-0.1, 0.1))
    words = ObservationStack({"command": CommandTerm("velocity", commands["velocity"].observed)})
    env = make_env(hopper, commands=commands, observations={"policy": words})
    script = ((0.0, 0.1), (0.2, 0.1, 0.0, -0.4), (0.0, 0.1, -0.1, 0.0))
    walk = video.record(env, Constant(env.action_size), script)
    assert list(dict.fromkeys(walk.command_text)) == ["stand", "0.2 m/s turn -0.4", "right 0.1"]
    assert len(walk.command_text) == len(walk.measured_text) == len(walk.command) == 15
    kinds = [re.sub(r"[-+]?\d+\.\d+", "x", words) for words in walk.measured_text]
    assert [kind.replace("left", "right") for kind in dict.fromkeys(kinds)][:2] == ["x m/s", "x m/s turn x"]
    assert set(kinds[10:]) <= {"left x", "right x"}
    words = {video.in_words(*part) for part in video.PLANAR}
    assert {"stand", "-0.2 m/s", "left 0.1", "turn +0.4", "0.3 m/s turn -0.4"} <= words


def test_a_turn_maps_the_heading_onto_x():
    half = 0.25  # a heading of 0.5 rad
    qpos = np.array([[np.cos(0.5), np.sin(0.5), 0.4, np.cos(half), 0.0, 0.0, np.sin(half), 7.0]])
    turned = video._turn(qpos, 0, -0.5)
    assert turned == pytest.approx(np.array([[1.0, 0.0, 0.4, 1.0, 0.0, 0.0, 0.0, 7.0]]))


@pytest.mark.parametrize("choice", ["disable", "nonsense"])
def test_no_renderer_is_reported_in_short(monkeypatch, hopper, choice):
    monkeypatch.setenv("MUJOCO_GL", choice)
    with pytest.raises(NoRenderer, match="Nothing can be drawn") as caught:
        Renderer(hopper.model)
    assert isinstance(caught.value, WildRobotError)
    assert choice in str(caught.value)
    assert "try:" in str(caught.value)


def test_a_renderer_that_stops_mujocos_import_is_no_traceback():
    """MuJoCo reads MUJOCO_GL as it is imported, whatever it is asked for."""
    command = [sys.executable, "-m", "wildrobot_eqx.cli", "robots", "list"]
    done = subprocess.run(command, env={**os.environ, "MUJOCO_GL": "nonsense"}, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "where: MUJOCO_GL=nonsense" in done.stderr


def test_a_platform_that_fails_is_reported_in_short(monkeypatch, hopper):
    class Broken:
        def __init__(self, width, height):
            raise ImportError("Cannot initialize a EGL device display.")

    import mujoco.egl

    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setattr(mujoco.egl, "GLContext", Broken)
    with pytest.raises(NoRenderer, match="Cannot initialize a EGL device display"):
        Renderer(hopper.model)


def test_a_machine_without_a_display_draws_with_egl(drawing):
    """No platform was set when MuJoCo was imported; the renderer still finds EGL."""
    code = (
        "import numpy as np\n"
        "from wildrobot_eqx import load_robot\n"
        "from wildrobot_eqx.physics.mujoco_tools.render import Renderer\n"
        "robot = load_robot('hopper')\n"
        "with Renderer(robot.model, 64, 48) as renderer:\n"
        "    print(renderer.draw(np.asarray(robot.home_qpos)).std() > 5.0)\n"
    )
    dropped = ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY", "PYOPENGL_PLATFORM")
    bare = {k: v for k, v in os.environ.items() if k not in dropped}
    out = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, timeout=120)
    assert out.stdout.strip() == "True", out.stderr


def test_a_video_that_cannot_be_written_says_why(drawing, hopper_env, tmp_path):
    (tmp_path / "walk.mp4").mkdir()
    with pytest.raises(WildRobotError, match=r"could not be written: .*directory") as caught:
        video.render_walk(hopper_env, Constant(hopper_env.action_size), tmp_path, script=((0.0, 0.2),))
    assert caught.value.where == str(tmp_path / "walk.mp4")
