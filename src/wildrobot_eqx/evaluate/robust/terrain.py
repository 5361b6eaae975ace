"""Ground that is not flat: slopes, bumps and steps, each by itself, side by side on one large heightfield."""

import dataclasses
import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...arrays import f32
from ...env import Env
from ...errors import WildRobotError
from ...learn.networks import AbstractPolicy
from ...locomotion import Scales
from ...physics import make_physics
from ...robots import Ground, Robot, on_ground
from ...task import Fallen, HomeReset
from ..walking.limits import of_length, of_speed
from .cases import AxisCommand, rows_of
from .scores import errors, keys_of, run, score
from .sweep import Curve, Sweep, speed_limit
from .sweep_env import (
    DEGREE,
    Parameter,
    Point,
    SweepValues,
    make_sweep_env,
    parameter,
    points_of,
    sweep_values,
    with_values,
)

_SPACING = 0.225706  # leg lengths, of the grid: 10 cm for `wildrobot`
_LENGTH, _TREAD = 4, 6  # cells of the grid, over which bumps change; side of a raised plate
_SIDE = 4.79664  # s, times sqrt(g L): of one kind of ground, in whose middle robots begin, 10 m
_ABOUT = 1.12853  # leg lengths, about the middle
_BUMPS = (0.0, 0.0225706, 0.0451413, 0.0677119, 0.0902825, 0.112853)  # leg lengths: 0 to 5 cm
_STEPS = (0.0, 0.0112853, 0.0225706, 0.0338559, 0.0451413, 0.0677119)  # leg lengths: 0 to 3 cm


def grounds_of(robot: Robot) -> tuple[Parameter, ...]:
    """What the ground may be, in the order of the tables: heights by leg length. docs/robustness.md defines each."""
    scales = Scales.of(robot)
    bumps, steps = (tuple(1e2 * of_length(share, scales) for share in shares) for shares in (_BUMPS, _STEPS))
    return (
        parameter("slope", "slope", "deg", 1 / DEGREE, 0, (0, 2, 4, 6, 8, 10)),
        parameter("bumps", "bumps", "cm", 1e2, 0, bumps),
        parameter("steps", "steps", "cm", 1e2, 0, steps),
    )


def spots(robot: Robot) -> list[Point]:
    """Flat, then every other level of every kind."""
    return points_of(grounds_of(robot))


def ground_of(robot: Robot, way: float = 0.0) -> tuple[Ground, Float[np.ndarray, "points 2"]]:
    """One field with a square of each of the robot's `spots`, and the middle (m) of each.

    A square's side goes with speed, all else with the length of the legs. A robot that walks a `way` (m) stays in it.
    """
    scales, points = Scales.of(robot), spots(robot)
    spacing = of_length(_SPACING, scales)
    side = max(of_speed(_SIDE, scales), 2.0 * (way + of_length(_ABOUT, scales)))
    cells = round(side / spacing)
    across, side = math.ceil(math.sqrt(len(points))), cells * spacing
    half = 0.5 * across * side
    heights, middles = np.zeros((across * cells + 1, across * cells + 1)), []
    for i, (name, level) in enumerate(points):
        row, column = divmod(i, across)
        heights[row * cells : (row + 1) * cells, column * cells : (column + 1) * cells] = _square(
            name, level, cells, spacing, i
        )
        middles.append(((column + 0.5) * side - half, (row + 0.5) * side - half))
    return Ground(jnp.asarray(heights, jnp.float32), half), np.asarray(middles, np.float32)


def _square(name: str, level: float, cells: int, spacing: float, seed: int) -> Float[np.ndarray, "cells cells"]:
    if name != "steps":
        slope, bumps = level * (name == "slope"), level * (name == "bumps")
        made = Ground.make(slope, bumps, _LENGTH * spacing, 0.5 * cells * spacing, spacing, seed)
        return np.asarray(made.heights)[:cells, :cells]
    plate = np.arange(cells) // _TREAD
    return level * ((plate[:, None] + plate[None, :]) % 2)


def terrain_env(env: Env, ground: Ground, timestep: float) -> Env:
    """The env of `make_sweep_env` on a ground: engine, first places and falls know of it. `timestep` in s.

    Raises:
        WildRobotError: the robot's floor cannot be replaced (`on_ground`).
    """
    robot = on_ground(env.physics.robot, ground)
    env = make_sweep_env(env, timestep)
    if not isinstance(env.reset_state, HomeReset):
        raise WildRobotError(
            f"First poses of a {type(env.reset_state).__name__} cannot be put on a ground.",
            where="env.reset_state",
            hint="HomeReset knows of grounds",
        )
    reset = dataclasses.replace(
        env.reset_state, ground=ground, steps=None, spread=f32(of_length(_ABOUT, Scales.of(env.physics.robot)))
    )
    endings = {
        name: _on(ending, ground) if isinstance(ending, Fallen) else ending for name, ending in env.endings.items()
    }
    physics = make_physics("native", robot, timestep)
    return dataclasses.replace(env, physics=physics, reset_state=reset, endings=endings)


def _on(ending: Fallen, ground: Ground) -> Fallen:
    return eqx.tree_at(lambda e: e.ground, ending, ground, is_leaf=lambda leaf: leaf is None)


def cross(
    env: Env,
    policy: AbstractPolicy,
    commands: tuple[AxisCommand, ...],
    episodes: int,
    seconds: float,
    timestep: float,
) -> Sweep:
    """Walk on every kind of ground, the robot itself as drawn.

    Args:
        env: the recipe's.
        policy: its mean is the action.
        commands: which the episodes of a level take in turn.
        episodes: per level; the i-th of every level has the same key and heads the same way.
        seconds: of each.
        timestep: of physics, s.

    Raises:
        WildRobotError: the robot's floor cannot be replaced.
    """
    points = spots(env.physics.robot)
    each = rows_of(commands, episodes)[0]
    ground, middles = ground_of(env.physics.robot, seconds * float(np.abs(each[:, :2]).max()))
    there = terrain_env(env, ground, timestep)
    rows = np.tile(each, (len(points), 1))
    cases = (sweep_values(f32(rows[:, 0]), motions=f32(rows[:, 1:])), f32(np.repeat(middles, episodes, axis=0)))
    keys = jnp.tile(keys_of(timestep, episodes), len(points))
    tally = run(there, policy, _placed, cases, keys, seconds, "terrain")
    error = errors(tally, rows, there.physics.control_dt).reshape(len(points), episodes)
    error = np.where(rows[:episodes, 2] == 0.0, error, np.nan)  # a turn has its own unit
    upright = np.asarray(tally.upright).reshape(error.shape)
    found = {point: score(upright[i], error[i]) for i, point in enumerate(points)}

    most = speed_limit(env.physics.robot)
    curves = tuple(Curve(p, tuple(found[point] for point in p.points), most) for p in grounds_of(env.physics.robot))
    return Sweep(curves, episodes, seconds, "ground")


def _placed(env: Env, case: tuple[SweepValues, Float[Array, " 2"]]) -> Env:
    return eqx.tree_at(lambda e: e.reset_state.centre, with_values(env, case[0]), case[1])
