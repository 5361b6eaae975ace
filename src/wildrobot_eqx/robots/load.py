"""Load a robot: robot.toml names what the MJCF cannot."""

import os
from pathlib import Path

from ..errors import WildRobotError, nearest
from ..paths import data_dir
from ..plugins import plugin_names, plugin_path
from .build import Builder
from .inside import check_inside, check_model
from .model import Model, compile_mjcf
from .robot import Robot
from .spec import Spec, all_of, parse_spec


def robot_names() -> list[str]:
    """The names of the robots that ship with the package, and of those that other packages offer."""
    shipped = {path.parent.name for path in data_dir("robots").glob("*/robot.toml")}
    return sorted(shipped | set(plugin_names("robots")))


def load_robot(robot: str | os.PathLike[str]) -> Robot:
    """Load a robot by its name, or from a folder that holds a robot.toml.

    A name is that of a robot that ships with the package, or of one that another package offers
    by the entry point `wildrobot_eqx.robots`.

    Nothing outside of that folder is read, and nothing in it is executed.

    Raises:
        WildRobotError: no such robot, its files do not fit together, or one refers to something outside. Where
            robot.toml has several mistakes, all of them are told.
    """
    spec, model, mistakes = read_robot(robot)
    builder = Builder(spec, model)
    built = builder.build()
    if built is None or mistakes or builder.mistakes:
        raise all_of(spec.path, [*mistakes, *builder.mistakes])
    return built


def robot_folder(robot: str | os.PathLike[str]) -> Path:
    """The folder of a robot, by its name or as it is given.

    Raises:
        WildRobotError: there is no robot of that name, and no robot.toml in such a folder.
    """
    folder = Path(robot)
    if not (folder / "robot.toml").is_file():
        folder = data_dir("robots") / str(robot)
    if not (folder / "robot.toml").is_file():
        folder = plugin_path("robots", str(robot)) or folder
    if not (folder / "robot.toml").is_file():
        raise WildRobotError(
            f"There is no robot {str(robot)!r}.",
            where="robots that ship with this or another package, and folders with a robot.toml",
            hint=nearest(str(robot), robot_names()),
        )
    return folder


def read_robot(robot: str | os.PathLike[str]) -> tuple[Spec, Model, list[WildRobotError]]:
    """A robot's robot.toml, its compiled model, and the mistakes of the former alone.

    Raises:
        WildRobotError: one of the two cannot be read at all, or refers to something outside of its folder.
    """
    folder = robot_folder(robot)
    path = folder / "robot.toml"
    ours = folder.parent == data_dir("robots")  # it came with the package, whose installer may link files
    if not ours:
        check_inside(folder, path, str(path))
    spec, mistakes = parse_spec(path)
    if not spec.model:
        raise all_of(path, mistakes)
    try:
        if not ours:
            check_model(folder, folder / spec.model, f"{path}, model")
        return spec, compile_mjcf(folder / spec.model), mistakes
    except WildRobotError as error:
        if mistakes:
            raise all_of(path, [*mistakes, error]) from error
        raise
