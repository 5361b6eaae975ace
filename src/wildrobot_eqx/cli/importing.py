"""`robots import`: a maker's MJCF or URDF becomes a robot's folder."""

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from .shared import PROGRAM, Json, results

if TYPE_CHECKING:
    from ..robots.importing import ImportedRobot

_log = logging.getLogger(__name__)


def robots_import(
    file: Annotated[
        str, typer.Argument(help="An MJCF, a URDF, a folder with one, or a robot of an installed collection.")
    ],
    out: Annotated[Path | None, typer.Option(help="The folder to write.", show_default="./NAME")] = None,
    name: Annotated[str | None, typer.Option(help="The robot's name.", show_default="that of the file")] = None,
    foot: Annotated[list[str] | None, typer.Option(metavar="LINK", help="A link that is a foot; repeat it.")] = None,
    imu: Annotated[str | None, typer.Option(metavar="SITE|LINK", help="Where the IMU lies.")] = None,
    home: Annotated[
        str | None, typer.Option(metavar="POSE|JOINT=ANGLE,...", help="The home pose: of the file, or in rad.")
    ] = None,
    servo: Annotated[
        list[str] | None,
        typer.Option(metavar="[JOINTS=]SERVO", help="The servo of all joints, or of some; repeat it."),
    ] = None,
    actuated: Annotated[list[str] | None, typer.Option(metavar="JOINTS", help="Joints that have a motor.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(metavar="JOINTS", help="Joints to lock, as of fingers.")] = None,
    meshes: Annotated[bool, typer.Option("--meshes/--no-meshes", help="Read meshes, for feet and drawing.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace the files of an earlier import.")] = False,
    json: Json = False,
) -> None:
    """Make a robot from its maker's MJCF or URDF: robot.toml, an MJCF that all engines take, a README and a picture."""
    from ..physics import Engine, engine_refusals
    from ..robots.importing import ImportOptions, import_robot, write_robot
    from ..robots.importing.files import PICTURE, check_loads

    options = ImportOptions(
        name=name,
        feet=tuple(foot or ()),
        imu=imu,
        home=home,
        servo=tuple(servo or ()),
        actuated=tuple(actuated or ()),
        ignore=tuple(ignore or ()),
        meshes=meshes,
    )
    with results(json) as show:
        robot = import_robot(file, options)
        refused = engine_refusals(check_loads(robot))
        picture = _picture(robot)
        if picture is not None:
            robot = dataclasses.replace(robot, files={**robot.files, PICTURE: picture})
        folder = out or Path(robot.name)
        paths = write_robot(robot, folder, force)
        document = {
            "name": robot.name,
            "description": robot.about,
            "folder": str(folder),
            "files": [path.name for path in paths],
            "leg_length": robot.leg_length,
            "weight": robot.weight,
            "findings": [dataclasses.asdict(finding) for finding in robot.findings],
            "refused": dict(refused),
            "trial": dataclasses.asdict(robot.trial),
        }
        checks = sum(finding.check for finding in robot.findings)
        lines = [f"{robot.name}: {robot.about}", *(f"  {finding.line()}" for finding in robot.findings)]
        lines += [f"  engines: {', '.join(engine for engine in get_args(Engine) if engine not in refused) or 'none'}"]
        lines += [f"  not {engine}: {why}" for engine, why in refused.items()]
        lines += [f"written to {folder}: {', '.join(path.name for path in paths)}"]
        lines += [f"To look at (# check): {checks}; mend them in {folder / 'robot.toml'}"] if checks else []
        lines += [f"next: {PROGRAM} run walk --robot {folder}"]
        show(document, lines)


def _picture(robot: "ImportedRobot") -> bytes | None:
    """The home pose as a PNG; None, with a message, where nothing can be drawn."""
    import numpy as np

    from ..physics.mujoco_tools.render import NoRenderer, Renderer
    from ..robots.importing import decorated
    from ..robots.importing.picture import as_png

    model, pose = decorated(robot)
    try:
        with Renderer(model) as renderer:
            drawn = renderer.draw(np.array(pose))
    except NoRenderer as error:
        _log.info(f"no picture is drawn: {error.what}")
        return None
    return as_png(drawn)
