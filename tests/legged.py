"""A legged robot of any number of legs and any size, written into a folder: sizes follow from one scale."""

import math
from pathlib import Path

from made import folder_of

from wildrobot_eqx import Robot, load_robot

PLACES = {
    2: ((0.0, 0.06), (0.0, -0.06)),
    3: ((0.15, 0.08), (-0.15, 0.0), (0.15, -0.08)),
    4: ((0.15, 0.08), (-0.15, 0.08), (-0.15, -0.08), (0.15, -0.08)),
    6: ((0.2, 0.08), (0.0, 0.1), (-0.2, 0.08), (-0.2, -0.08), (0.0, -0.1), (0.2, -0.08)),
}
"""Where the hips are, x and y in m, from the front left one on around the robot."""

THIGH, SHANK, SOLE, BEND = 0.15, 0.15, 0.02, 0.5  # m, m, m and rad


def legged(
    folder: Path, legs: int = 4, scale: float = 1.0, box: bool = False, arms: bool = False, yaw: bool = False
) -> Robot:
    """A trunk on `legs` legs of roll, pitch, knee and ankle; its joints bear numbers for names.

    `scale` multiplies lengths, with masses as its cube, torques and gains as its fourth power
    and speeds by its root, so that gravity moves all of them alike. Feet are spheres, or with
    `box` boxes. `yaw` puts a vertical joint above each leg; `arms` adds a waist and two arms.
    """
    s, places = scale, PLACES[legs]

    def vector(*values: float) -> str:
        return " ".join(f"{s * value:.9g}" for value in values)

    def joint(name: str, axis: str) -> str:
        return f'<joint name="{name}" axis="{axis}" range="-2 2" armature="{0.002 * s**5:.9g}"/>'

    def mass(kg: float) -> str:
        return f'mass="{kg * s**3:.9g}"'

    joints, bodies, home = [], [], []
    for i, (x, y) in enumerate(places):
        names = [f"{10 * i + k}" for k in range(4)]
        joints += names
        home += [(names[1], BEND), (names[2], -2.0 * BEND), (names[3], BEND)]
        shape = f'"box" size="{vector(0.05, 0.02, 0.01)}"' if box else f'"sphere" size="{vector(0.01)}"'
        sole = f'<geom name="foot{i}" type={shape} pos="{vector(0, 0, 0.01 - SOLE)}" {mass(0.05)}/>'
        leg = f"""
          <body name="thigh{i}">{joint(names[0], "1 0 0")}{joint(names[1], "0 1 0")}
            <geom type="capsule" size="{vector(0.01)}" fromto="{vector(0, 0, 0, 0, 0, -THIGH)}" contype="0"
              conaffinity="0" {mass(0.2)}/>
            <body pos="{vector(0, 0, -THIGH)}">{joint(names[2], "0 1 0")}
              <geom type="capsule" size="{vector(0.01)}" fromto="{vector(0, 0, 0, 0, 0, -SHANK)}" contype="0"
                conaffinity="0" {mass(0.1)}/>
              <body pos="{vector(0, 0, -SHANK)}">{joint(names[3], "0 1 0")}{sole}
                <site name="sole{i}" pos="{vector(0, 0, -SOLE)}"/></body></body></body>"""
        if yaw:
            joints.append(f"{10 * i + 9}")
            turning = joint(joints[-1], "0 0 1")
            own = f'<geom size="{vector(0.01)}" contype="0" conaffinity="0" {mass(0.05)}/>'
            leg = f'<body pos="{vector(x, y, 0)}">{turning}{own}{leg}</body>'
        else:
            leg = leg.replace(f'<body name="thigh{i}">', f'<body name="thigh{i}" pos="{vector(x, y, 0)}">')
        bodies.append(leg)
    if arms:
        joints += ["70", "71", "72"]
        limb = f'<geom size="{vector(0.02)}" pos="{vector(0, 0, -0.1)}" contype="0" conaffinity="0" {mass(0.1)}/>'
        sides = (("71", 0.1), ("72", -0.1))
        hung = "".join(f'<body pos="{vector(0, y, 0.1)}">{joint(n, "0 1 0")}{limb}</body>' for n, y in sides)
        bodies.append(f'<body pos="{vector(0, 0, 0.05)}">{joint("70", "0 0 1")}{limb}{hung}</body>')
    own = f'kp="{20 * s**4:.9g}" kv="{0.4 * s**4.5:.9g}" inheritrange="1" forcerange="{-4 * s**4:.9g} {4 * s**4:.9g}"'
    drives = "".join(f'<position name="{name}" joint="{name}" {own}/>' for name in joints)
    feet = range(len(places))
    sensing = "".join(
        f'<framelinvel name="linvel{i}" objtype="site" objname="sole{i}"/>'
        f'<contact name="force{i}" geom1="floor" geom2="foot{i}" data="force" reduce="netforce"/>'
        for i in feet
    )
    mjcf = f"""
      <worldbody>
        <geom name="floor" type="plane" size="0 0 1"/>
        <body name="trunk" pos="{vector(0, 0, 0.35)}">
          <freejoint name="root"/>
          <geom type="box" size="{vector(0.15, 0.06, 0.03)}" contype="0" conaffinity="0" {mass(1.0)}/>
          <site name="imu"/>
          {"".join(bodies)}
        </body>
      </worldbody>
      <actuator>{drives}</actuator>
      <sensor>
        <framelinvel name="linvel" objtype="xbody" objname="trunk"/>
        <frameangvel name="angvel" objtype="xbody" objname="trunk"/>
        <gyro name="gyro" site="imu"/><accelerometer name="accel" site="imu"/>
        <framequat name="quat" objtype="site" objname="imu"/>
        {sensing}
      </sensor>"""
    tables = "".join(f'[feet.f{i}]\nsite = "sole{i}"\nforce = "force{i}"\nlinvel = "linvel{i}"\n' for i in feet)
    ends = range(4) if not yaw else (*range(4), 9)
    last = len(places) - 1
    pairs = [[f"{10 * i + k}", f"{10 * (last - i) + k}"] for i in range(len(places) // 2) for k in ends]
    pairs += [["71", "72"]] if arms else []
    toml = (
        f"min_root_height = {0.2 * s:.9g}\nmirror_pairs = {pairs}\n[home]\n"
        + "".join(f"{name} = {angle}\n" for name, angle in home)
        + '[base]\nlinvel = "linvel"\nangvel = "angvel"\n'
        + tables
        + '[imu.trunk]\ngyro = "gyro"\naccel = "accel"\nquat = "quat"\n'
        + f"[servo]\nstall_torque = {4 * s**4:.9g}\nno_load_speed = {10 / math.sqrt(s):.9g}\n"
    )
    folder.mkdir(exist_ok=True)
    where = folder_of(folder, mjcf, toml)
    whole = (where / "robot.toml").read_text()
    (where / "robot.toml").write_text(whole.replace("control_dt = 0.02", f"control_dt = {0.02 * math.sqrt(s):.9g}"))
    return load_robot(where)


LENGTH = (THIGH + SHANK) * math.cos(BEND) + SOLE
"""Hips above soles at scale 1, m."""
