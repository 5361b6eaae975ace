"""What the program says, gathered for the one test that keeps its words."""

import contextlib
import io
import os
from pathlib import Path
from unittest import mock

import wildrobot_eqx as we
from wildrobot_eqx.cli import main

WRONG = [
    ["rum", "hop"],
    ["run", "hop", "--stesp=3"],
    ["run", "hop", "--nun-envs=3"],
    ["run", "hop", "--max-sped=1"],
    ["run", "hop", "--physics=bullet"],
    ["run", "hop", "--seed=x"],
    ["run", "hop", "--robot=hoper"],
    ["run", "hpo"],
    ["run", "no/such/file.py"],
    ["run", "hop", "--set", "learner.learning_rte=1"],
    ["run", "hop", "--set", "learner.clip=big"],
    ["run", "hop", "--resume=nowhere"],
    ["run", "--seed=1", "hop"],
    ["run"],
    ["run", "hop", "--verify", "--no-eval"],
    ["run", "hop", "--verify", "--wandb"],
    ["run", "hop", "--verify", "--trust"],
    ["check"],
    ["eval", "nowhere"],
    ["render", "nowhere"],
    ["robots", "show", "hoper"],
    ["recipes", "copy", "wlak"],
    ["bench", "disks"],
    ["eval", "nowhere", "--long", "--robust"],
    ["eval", "nowhere", "--seconds=5"],
    ["robot", "scan", "--port=nowhere", "--ids=9:1"],
    ["robot", "scan", "--port=nowhere", "--out=h.toml"],
    ["robot", "calibrate", "nowhere.zip", "zeross"],
    ["robot", "calibrate", "nowhere.zip", "imu", "--identified=i.toml"],
    ["robot", "hold", "nowhere.zip", "--seconds=0"],
    ["robot", "run", "nowhere.zip"],
    ["robot", "excite", "nowhere.zip", "--amplitude=1"],
    ["log", "show", "nowhere.mcap"],
    ["log", "compare", "one.mcap"],
    ["replay", "nowhere.mcap"],
    ["identify"],
    ["identify", "nowhere.mcap", "--parameter=fricton"],
]
"""Command lines that are wrong, each for one reason."""


def of_usage() -> str:
    """What the command line says of each, with the status that it leaves."""
    wide = {"COLUMNS": "200", "TERMINAL_WIDTH": "200"}
    pages = []
    for arguments in WRONG:
        heard = io.StringIO()
        with mock.patch.dict(os.environ, wide), contextlib.redirect_stderr(heard):
            status = main(arguments)
        bare = heard.getvalue().translate(str.maketrans(dict.fromkeys("│╭╮╰╯─", " ")))
        text = " ".join(bare.replace(str(Path.cwd()), "HERE").split())
        pages.append(f"$ wildrobot-eqx {' '.join(arguments)}\n[{status}] {text}")
    return "\n".join(pages)


def of_robots(folder: Path) -> str:
    """What `load_robot` says of a robot.toml with each of some faults."""
    pages = []
    source = Path(we.load_robot("hopper").model.path or "").parent
    toml = (source / "robot.toml").read_text()
    faults = {
        "an unknown key": toml + "\ncolour = 1\n",
        "a sensor that is not there": toml.replace('"foot_force"', '"foot_farce"'),
        "a home beyond its range": toml.replace("knee_pitch = 0.", "knee_pitch = 9."),
        "no TOML": "name = ",
    }
    for name, text in faults.items():
        place = folder / name.replace(" ", "_")
        place.mkdir()
        (place / "hopper.xml").write_bytes((source / "hopper.xml").read_bytes())
        (place / "robot.toml").write_text(text)
        try:
            we.load_robot(place)
        except we.WildRobotError as error:
            text = " ".join(str(error).replace(str(place), "FOLDER").split())
            pages.append(f"# {name}\n{text}")
        else:
            pages.append(f"# {name}\nnothing")
    return "\n".join(pages)
