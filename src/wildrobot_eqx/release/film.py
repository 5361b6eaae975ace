"""A film of what the player did in plain MuJoCo."""

from pathlib import Path

import numpy as np

from ..atomic import writing
from ..deploy.bundle.bundle import Bundle
from ..deploy.export.robot_files import bundled_robot
from ..deploy.proof.play import AXES, Played
from ..physics.mujoco_tools.render import Renderer
from ..report.case_film import Scene, write_scenes
from ..report.encode import SIZE
from ..report.film import Walk, in_words, over_a_cycle, write_video

_CYCLE = 0.7  # s, over which a speed is averaged where there is no gait


def film_played(bundle: Bundle, played: Played, path: Path) -> None:
    """Film it.

    Raises:
        NoRenderer: no OpenGL context can be had.
        WildRobotError: the film cannot be written.
    """
    robot = bundled_robot(bundle)
    with Renderer(robot.model, *SIZE, follow=robot.base is not None) as renderer, writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if played.walk is not None:
            write_video(renderer, _walk(bundle, played), path)
        else:
            asked = ", ".join(f"{name} {value:.2f}" for name, value in played.command.items())
            none = np.zeros((len(played.qpos), 0, 3), np.float32)
            scene = Scene(asked or "the player", played.qpos, none, played.fell, bundle.contract.dt)
            write_scenes(renderer, [scene], path)


def _walk(bundle: Bundle, played: Played) -> Walk:
    assert played.walk is not None
    dt, clock = bundle.contract.dt, bundle.contract.document["clock"]
    period = _CYCLE if clock is None else float(clock["period"])
    ahead, left, turn = (played.command.get(name, 0.0) for name in AXES)
    words = in_words(ahead, 0.0, left, turn)
    texts = tuple(words if active else "stand" for active in played.active)
    commands = np.where(played.active, np.float32(ahead), np.float32(0.0)).astype(np.float32)
    speed = over_a_cycle(played.walk.speeds, period / dt)
    return Walk(played.qpos, commands, speed, played.fell, dt, period, texts)
