"""Small robots for tests, written into a folder: an MJCF and a robot.toml."""

from pathlib import Path

from wildrobot_eqx import Robot, load_robot

TOML = 'name = "{name}"\nmodel = "{name}.xml"\ncontrol_dt = 0.02\n'


def folder_of(tmp_path: Path, mjcf: str, toml: str = "", name: str = "made") -> Path:
    """A robot's folder; `toml` is what stands after its name, model and period."""
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    whole = f'<mujoco model="{name}"><compiler angle="radian"/>{mjcf}</mujoco>'
    (folder / f"{name}.xml").write_text(whole)
    (folder / "robot.toml").write_text(TOML.format(name=name) + toml)
    return folder


def made(tmp_path: Path, mjcf: str, toml: str = "") -> Robot:
    """The robot of such a folder."""
    return load_robot(folder_of(tmp_path, mjcf, toml))


ARM = """
  <worldbody>
    {before}
    <body name="upper">
      <joint name="shoulder" axis="0 0 1" range="-2 2"/>
      <geom type="capsule" size="0.01" fromto="0 0 0 0.2 0 0" contype="0" conaffinity="0"/>
      <body name="forearm" pos="0.2 0 0">
        <joint name="elbow" axis="0 0 1" range="-2 2"/>
        <geom type="capsule" size="0.01" fromto="0 0 0 0.2 0 0" contype="0" conaffinity="0"/>
        <site name="hand" pos="0.2 0 0"/>
      </body>
    </body>
    {after}
  </worldbody>
  <actuator>{actuators}</actuator>
"""
PUCK = (
    '<body name="puck" pos="0.3 0.1 0.02"><freejoint name="puck"/>'
    '<geom type="sphere" size="0.02" mass="0.05" contype="0" conaffinity="0"/></body>'
)


def arm(kind: str = "position", before: str = "", after: str = "", extra: str = "") -> str:
    """An arm of two hinges with actuators of one kind, and bodies before and after it."""
    own = {
        "position": 'kp="20" kv="0.5" ctrlrange="-1.5 1.5" forcerange="-3 3"',
        "motor": 'gear="2" ctrlrange="-1 1" forcerange="-1 1"',
        "velocity": 'kv="2" ctrlrange="-4 4" forcerange="-3 3"',
    }[kind]
    drives = "".join(f'<{kind} name="{joint}" joint="{joint}" {own} {extra}/>' for joint in ("shoulder", "elbow"))
    return ARM.format(before=before, after=after, actuators=drives)


TRACKED = '[bodies.object]\nbody = "puck"\ntracker = "puck_pos"\n'


def tracked(sensor: str = '<framepos name="puck_pos" objtype="xbody" objname="puck"/>') -> str:
    """The arm with a puck behind it, and a sensor of the puck's place."""
    return arm(after=PUCK) + f"<sensor>{sensor}</sensor>"
