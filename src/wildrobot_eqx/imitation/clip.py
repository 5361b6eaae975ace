"""A motion clip as data: joint positions and the base's pose over time, and the frame at any time between."""

from collections.abc import Mapping, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..arrays import f32
from ..errors import WildRobotError, nearest
from ..robots import Robot

BASE = ("x", "y", "z", "roll", "pitch", "yaw")
"""Columns of the base's pose: its place, m, and how it is turned about x, then y, then z of the world, rad."""
_SLACK = 1e-3  # rad or m: a file rounds, and a joint at the end of its range is in it
Columns = Mapping[str, Sequence[float] | Float[np.ndarray, " frames"]]


Rows = Float[np.ndarray, "frames _"]


class ClipFrame(eqx.Module):
    """What a clip asks for at one moment; joints are in actuator order."""

    joint_pos: Float[Array, "*frames nu"]  # rad
    joint_vel: Float[Array, "*frames nu"]  # rad/s
    base_pos: Float[Array, "*frames 3"]  # m, world frame, along the heading that the episode began with
    base_quat: Float[Array, "*frames 4"]  # w, x, y, z
    base_linvel: Float[Array, "*frames 3"]  # m/s, world frame
    base_angvel: Float[Array, "*frames 3"]  # rad/s, body frame


class MotionClip(eqx.Module):
    """Frames at an even rate, joined by straight lines; `MotionClip.make` makes one, `we.load_clip` reads one.

    A clip that loops goes on from its last frame to its first one; the others stay at their
    last frame.
    """

    frames: ClipFrame  # one leading axis
    rate: Float[Array, ""]  # frames per second
    loop: bool = eqx.field(static=True)

    @staticmethod
    def make(
        robot: Robot,
        rate: float,
        joints: Columns,
        base: Columns | None = None,
        loop: bool = False,
        where: str = "MotionClip.make",
    ) -> "MotionClip":
        """A clip for a robot; velocities are the central differences of positions.

        Args:
            robot: whose joints they are.
            rate: frames per second.
            joints: by name of an actuated joint, its position in each frame, rad or m; the others stay at home.
            base: of a floating base, any of the columns `BASE`, m and rad; the others stay at the home pose.
            loop: whether the first frame follows the last one.
            where: what an error names.

        Raises:
            WildRobotError: the robot has no such joint, or cannot be where the clip has it.
        """
        base = base or {}
        count = check_columns(rate, joints, base, where)
        joint_pos = np.tile(np.asarray(robot.home_joints, float), (count, 1))
        low, high = np.asarray(robot.joint_range, float).T
        for name, column in joints.items():
            if name not in robot.joint_names:
                raise WildRobotError(
                    f"The clip moves the joint {name!r}, which robot {robot.name!r} does not have.",
                    where=f"{where}, joints",
                    hint=nearest(name, robot.joint_names),
                )
            i = robot.joint_names.index(name)
            joint_pos[:, i] = column
            out = np.maximum(low[i] - joint_pos[:, i], joint_pos[:, i] - high[i])
            if out.max() > _SLACK:
                frame = int(out.argmax())
                raise WildRobotError(
                    f"Frame {frame} puts joint {name!r} at {joint_pos[frame, i]:.3f}, outside of its range "
                    f"[{low[i]:.3f}, {high[i]:.3f}].",
                    where=f"{where}, joints.{name}",
                    hint="move less, or mend the sign: robot.toml and its README say what is positive",
                )
        joint_pos = np.clip(joint_pos, low, high)
        base_pos, base_quat = _base(robot, base, count, where)
        return MotionClip(
            frames=ClipFrame(
                joint_pos=f32(joint_pos),
                joint_vel=f32(_difference(joint_pos, loop) * rate),
                base_pos=f32(base_pos),
                base_quat=f32(base_quat),
                base_linvel=f32(_difference(base_pos, loop) * rate),
                base_angvel=f32(_turning(base_quat, loop) * rate),
            ),
            rate=f32(rate),
            loop=loop,
        )

    @property
    def duration(self) -> Float[Array, ""]:
        """From the first frame to the last one, s; to the first one again where it loops."""
        count = self.frames.joint_pos.shape[0]
        return (count if self.loop else count - 1) / self.rate

    def at(self, time: Float[Array, ""]) -> ClipFrame:
        """The frame at a time (s) after the first one; before and after a clip that does not loop, its end."""
        count = self.frames.joint_pos.shape[0]
        index = time * self.rate
        index = index % count if self.loop else jnp.clip(index, 0.0, count - 1.0)
        whole = jnp.minimum(jnp.floor(index), count - 1.0)
        here, fraction = whole.astype(jnp.int32), index - whole
        there = (here + 1) % count if self.loop else jnp.minimum(here + 1, count - 1)
        frame = jax.tree.map(lambda rows: (1.0 - fraction) * rows[here] + fraction * rows[there], self.frames)
        return eqx.tree_at(lambda f: f.base_quat, frame, frame.base_quat / jnp.linalg.norm(frame.base_quat))


def check_columns(rate: float, joints: Columns, base: Columns, where: str) -> int:
    """The number of frames of a clip.

    Raises:
        WildRobotError: the rate is not positive, a column holds what is no finite number, or they differ in length.
    """
    if not (np.isfinite(rate) and rate > 0.0):
        raise WildRobotError(f"The rate must be positive, got {rate}.", where=f"{where}, rate", hint="such as 50")
    for name in base:
        if name not in BASE:
            raise WildRobotError(f"The base has no column {name!r}.", where=f"{where}, base", hint=nearest(name, BASE))
    columns = {f"joints.{name}": joints[name] for name in joints} | {f"base.{name}": base[name] for name in base}
    lengths = {name: len(column) for name, column in columns.items()}
    first = next(iter(lengths), None)
    if first is None or min(lengths.values()) < 2:
        raise WildRobotError(
            "A clip has at least one column, and two frames." if first is None else "A clip has at least two frames.",
            where=where,
            hint="give each joint that moves its position in every frame",
        )
    for name, column in columns.items():
        if lengths[name] != lengths[first]:
            raise WildRobotError(
                f"The column {name!r} has {lengths[name]} frames, {first!r} has {lengths[first]}.",
                where=f"{where}, {name}",
                hint="all columns are of the same length",
            )
        if not np.isfinite(np.asarray(column, float)).all():
            frame = int(np.argmin(np.isfinite(np.asarray(column, float))))
            raise WildRobotError(
                f"Frame {frame} of {name!r} is {column[frame]}.", where=f"{where}, {name}", hint="mend that frame"
            )
    return lengths[first]


def _base(
    robot: Robot, base: Columns, count: int, where: str
) -> tuple[Float[np.ndarray, "frames 3"], Float[np.ndarray, "frames 4"]]:
    """The base's place, m, and its quaternion w, x, y, z in each frame, none of which jumps to its negative."""
    position, quat = np.zeros((count, 3)), np.tile([1.0, 0.0, 0.0, 0.0], (count, 1))
    found = robot.base
    if found is None or not found.floating:
        if base:
            raise WildRobotError(
                f"The clip moves the base, and that of robot {robot.name!r} does not float.",
                where=f"{where}, base",
                hint="leave the base out of the clip",
            )
        return position, quat
    home = np.asarray(robot.home_qpos, float)[found.qpos_address : found.qpos_address + 7]
    position[:] = home[:3]
    for i, name in enumerate(BASE[:3]):
        position[:, i] = base.get(name, position[:, i])
    quat[:] = home[3:]
    if any(name in base for name in BASE[3:]):
        roll, pitch, yaw = (0.5 * np.asarray(base.get(name, np.zeros(count)), float) for name in BASE[3:])
        zero = np.zeros(count)
        about_x = np.stack([np.cos(roll), np.sin(roll), zero, zero], axis=1)
        about_y = np.stack([np.cos(pitch), zero, np.sin(pitch), zero], axis=1)
        about_z = np.stack([np.cos(yaw), zero, zero, np.sin(yaw)], axis=1)
        quat = _multiply(about_z, _multiply(about_y, about_x))
        same = np.sign(np.sum(quat[1:] * quat[:-1], axis=1))
        quat[1:] *= np.cumprod(np.where(same == 0.0, 1.0, same))[:, None]
    return position, quat


def _neighbours(rows: Float[np.ndarray, "frames n"], loop: bool) -> tuple[Rows, Rows, Rows]:
    """The rows before and after each, and how many frames lie between."""
    if loop:
        return np.roll(rows, 1, axis=0), np.roll(rows, -1, axis=0), np.full((len(rows), 1), 2.0)
    before, after = np.concatenate([rows[:1], rows[:-1]]), np.concatenate([rows[1:], rows[-1:]])
    apart = np.full((len(rows), 1), 2.0)
    apart[[0, -1]] = 1.0
    return before, after, apart


def _difference(rows: Float[np.ndarray, "frames n"], loop: bool) -> Float[np.ndarray, "frames n"]:
    """Central differences, per frame."""
    before, after, apart = _neighbours(rows, loop)
    return (after - before) / apart


def _turning(quat: Float[np.ndarray, "frames 4"], loop: bool) -> Float[np.ndarray, "frames 3"]:
    """The rotation vector from the frame before to the one after, in the body's frame, per frame."""
    before, after, apart = _neighbours(quat, loop)
    between = _multiply(before * [1.0, -1.0, -1.0, -1.0], after)
    between *= np.where(between[:, :1] < 0.0, -1.0, 1.0)  # the shorter way
    sine = np.linalg.norm(between[:, 1:], axis=1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, between[:, :1])
    return between[:, 1:] * np.where(sine > 1e-9, angle / np.maximum(sine, 1e-9), 2.0) / apart


def _multiply(a: Float[np.ndarray, "frames 4"], b: Float[np.ndarray, "frames 4"]) -> Float[np.ndarray, "frames 4"]:
    """Hamilton products: the rotations `b` followed by `a`."""
    aw, av, bw, bv = a[:, :1], a[:, 1:], b[:, :1], b[:, 1:]
    real = aw * bw - np.sum(av * bv, axis=1, keepdims=True)
    return np.concatenate([real, aw * bv + bw * av + np.cross(av, bv)], axis=1)
