"""A film of what the player walked in plain MuJoCo."""

from pathlib import Path

from ..deploy.bundle.bundle import Bundle
from ..deploy.export.robot_files import bundled_robot
from ..deploy.proof.play import Walked
from ..physics.mujoco_tools.render import Renderer
from ..report.film import SIZE, Walk, in_words, over_a_cycle, write_video
from ..runs.files import writing


def film_walk(bundle: Bundle, walked: Walked, path: Path) -> None:
    """Film a walk.

    Raises:
        NoRenderer: no OpenGL context can be had.
        WildRobotError: the film cannot be written.
    """
    robot, dt = bundled_robot(bundle), bundle.contract.dt
    period = float(bundle.contract.document["clock"]["period"])
    speed = over_a_cycle(walked.speeds, period / dt)
    words = tuple(
        in_words(float(v), **walked.beside) if active else "stand" for v, active in zip(walked.commands, walked.active)
    )
    with Renderer(robot.model, *SIZE) as renderer, writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(renderer, Walk(walked.qpos, walked.commands, speed, walked.fell, dt, period, words), path)
