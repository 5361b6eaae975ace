"""A video of a policy's walk, and a strip of pictures of one stride."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from PIL import Image, ImageDraw, ImageFont

from ..atomic import replacing, writing
from ..env import Env, EnvState
from ..evaluate.rollout import judge_key, judged_env
from ..evaluate.walking.episodes import channel_values, with_command
from ..learn.networks import AbstractPolicy
from ..locomotion import gait_of, velocity_in, velocity_of
from ..physics.mujoco_tools.render import NoRenderer as NoRenderer
from ..physics.mujoco_tools.render import Renderer
from .encode import SIZE as SIZE
from .encode import frames_apart, write_film

SCRIPT = ((0.0, 2.0), (0.1, 4.0), (0.2, 4.0), (0.3, 4.0), (0.4, 4.0), (0.0, 2.0))
"""The clip's commands: speed (m/s) and for how long (s)."""

STANDING = ((0.0, 10.0),)
"""The same of a robot that is to stand, and nothing else."""

PLANAR = (
    (0.0, 2.0),
    (0.3, 4.0),
    (-0.2, 4.0),
    (0.0, 4.0, 0.1, 0.0),
    (0.0, 4.0, -0.1, 0.0),
    (0.0, 4.0, 0.0, 0.4),
    (0.3, 4.0, 0.0, -0.4),
    (0.0, 2.0),
)
"""The same of one that also walks sideways and turns: speed, for how long, lateral speed (m/s) and turn (rad/s)."""


def script_of(speeds: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    """The commands of a robot whose gate judges these speeds (m/s): from standing up to the fastest, and to a stand."""
    ahead = sorted(speed for speed in speeds if speed > 0.0)
    return ((0.0, 2.0), *((speed, 4.0) for speed in ahead), (0.0, 2.0)) if ahead else SCRIPT


_PERIOD = 0.7  # s, of a stride where there is no gait
_TIMESTEP = 0.005  # s
_STRIDE_PICTURES = 8
_AFTER_FALL = 1.0  # s shown of a fallen robot


@dataclasses.dataclass(frozen=True)
class Walk:
    """One robot's recorded walk, a row per control step, turned so that it sets off along x."""

    qpos: Float[np.ndarray, "time nq"]
    command: Float[np.ndarray, " time"]  # m/s
    speed: Float[np.ndarray, " time"]  # m/s along the commanded heading, averaged over the last gait cycle
    fallen: Bool[np.ndarray, " time"]  # true from the fall on
    dt: float  # s
    period: float  # s, of the gait clock
    command_text: tuple[str, ...] = ()  # the whole command in words, where it is more than a speed
    measured_text: tuple[str, ...] = ()  # what was measured of it, in words


def render_walk(
    env: Env, policy: AbstractPolicy, folder: Path, script: tuple[tuple[float, ...], ...] = SCRIPT
) -> list[Path]:
    """Walk through `script` and write `walk.mp4` and `stride.png` into `folder`.

    Args:
        env: the recipe's env.
        policy: its distribution's mode is the action.
        folder: an existing folder.
        script: the commands, speed (m/s) and duration (s) each, and where the env's command knows them lateral
            speed (m/s) and turn (rad/s).

    Raises:
        NoRenderer: no OpenGL context can be had.
        WildRobotError: a file cannot be written.
    """
    paths = [folder / "walk.mp4", folder / "stride.png"]
    with Renderer(env.physics.robot.model, *SIZE) as renderer:  # first: it may refuse
        walk = record(env, policy, script)
        for path, write in zip(paths, (write_video, _write_strip)):
            with writing(path):
                write(renderer, walk, path)
    return paths


def record(env: Env, policy: AbstractPolicy, script: tuple[tuple[float, ...], ...]) -> Walk:
    """The walk of one robot through the commands of `script`; it ends soon after a fall."""
    env = judged_env(env, _TIMESTEP)
    dt = env.physics.control_dt
    counts = [round(part[1] / dt) for part in script]
    command = np.repeat(np.array([part[0] for part in script], np.float32), counts)
    beside = np.repeat(np.array([part[2:] or (0.0, 0.0) for part in script], np.float32), counts, axis=0)
    texts = tuple(np.repeat([in_words(*part) for part in script], counts).tolist())
    qpos, moved, fallen, origin = jax.device_get(_roll(env, policy, jnp.asarray(command), jnp.asarray(beside)))
    if fallen.any():
        end = int(fallen.argmax()) + 1 + round(_AFTER_FALL / dt)
        qpos, moved, fallen, command = (rows[:end] for rows in (qpos, moved, fallen, command))
    base = env.physics.robot.base
    if base is not None and base.floating:
        qpos = _turn(qpos, base.qpos_address, -float(origin))
    gait = gait_of(env.commands)
    period = _PERIOD if gait is None else float(gait[1].period)
    speed, lateral, turn = (over_a_cycle(column, period / dt) for column in moved.T)
    asked = np.column_stack([command, beside[: len(command)]])
    reached = np.column_stack([speed, lateral, turn])
    measured = tuple(_measured(*rows) for rows in zip(asked, reached))
    return Walk(qpos, command, speed, fallen, dt, period, texts[: len(command)], measured)


def in_words(speed: float, seconds: float = 0.0, lateral: float = 0.0, turn: float = 0.0) -> str:
    """A command in a word or two."""
    parts = [f"{speed:.2g} m/s"] if speed else []
    parts += [f"{'left' if lateral > 0.0 else 'right'} {abs(lateral):.1f}"] if lateral else []
    parts += [f"turn {turn:+.1f}"] if turn else []
    return " ".join(parts) or "stand"


def _measured(asked: Float[np.ndarray, " 3"], reached: Float[np.ndarray, " 3"]) -> str:
    """What was reached of that which was asked for: a speed, a lateral speed, a turn; of standing the speed."""
    speed, lateral, turn = reached
    parts = [f"{speed + 0.0:.2f} m/s"] if asked[0] or not asked.any() else []
    parts += [f"{'left' if lateral > 0.0 else 'right'} {abs(lateral):.2f}"] if asked[1] else []
    parts += [f"turn {turn:+.2f}"] if asked[2] else []
    return " ".join(parts)


def over_a_cycle(speed: Float[np.ndarray, " time"], steps: float) -> Float[np.ndarray, " time"]:
    """Each moment's speed, averaged over the last gait cycle of so many control steps."""
    window = max(1, round(steps))
    total = np.cumsum(np.concatenate([np.zeros(1), np.nan_to_num(speed)]))
    start = np.maximum(np.arange(len(speed)) + 1 - window, 0)
    now = np.arange(len(speed)) + 1
    return (total[now] - total[start]) / (now - start)


@eqx.filter_jit
def _roll(
    env: Env, policy: AbstractPolicy, commands: Float[Array, " time"], beside: Float[Array, "time 2"]
) -> tuple[Float[Array, "time nq"], Float[Array, "time 3"], Bool[Array, " time"], Float[Array, ""]]:
    """Poses; speeds ahead and to the left (m/s) and turn (rad/s); whether it has fallen; the first heading (rad).

    What an env never asks for is 0.
    """
    zero = jnp.zeros((), jnp.float32)
    name, command = velocity_of(env.commands)

    def step(
        loop: tuple[Any, ...], velocity: tuple[Float[Array, ""], Float[Array, " 2"]]
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        state, obs, carry, fallen = loop
        asked = command.set(state.commands[name], channel_values(command, *velocity))
        state = dataclasses.replace(state, commands={**state.commands, name: asked})
        distribution, carry = policy(obs, carry)
        state, timestep = env.step(state, distribution.mode())
        fallen = fallen | timestep.terminated
        moved = jnp.stack([timestep.metrics.get(axis, zero) for axis in ("lin_vel_x", "lin_vel_y", "ang_vel_z")])
        out = (state.physics.qpos, moved, fallen)
        return (state, timestep.obs["policy"], carry, fallen), out

    state: EnvState
    state, timestep = with_command(env, commands[0]).reset(jax.random.fold_in(judge_key(_TIMESTEP), 1))
    loop = (state, timestep.obs["policy"], policy.init(), jnp.zeros((), bool))
    _, (qpos, moved, fallen) = jax.lax.scan(step, loop, (commands, beside))
    return qpos, moved, fallen, velocity_in(state.commands).origin


def _turn(qpos: np.ndarray, at: int, angle: float) -> np.ndarray:
    """The poses of a robot, whose free joint lies at `at` in qpos, turned by `angle` (rad) about the world's z axis."""
    c, s = np.cos(angle), np.sin(angle)
    h, k = np.cos(angle / 2.0), np.sin(angle / 2.0)
    x, y = qpos[:, at], qpos[:, at + 1]
    qw, qx, qy, qz = qpos[:, at + 3 : at + 7].T
    turned = qpos.copy()
    turned[:, at], turned[:, at + 1] = c * x - s * y, s * x + c * y
    turned[:, at + 3 : at + 7] = np.stack([h * qw - k * qz, h * qx - k * qy, h * qy + k * qx, h * qz + k * qw], axis=1)
    return turned


def write_video(renderer: Renderer, walk: Walk, path: Path) -> None:
    """A film of a walk, whole or not at all."""
    every = frames_apart(walk.dt)
    write_film(_frames(renderer, walk, every), 1.0 / (every * walk.dt), path)


def _frames(renderer: Renderer, walk: Walk, every: int) -> Iterator[np.ndarray]:
    """A picture every so many control steps, with the command and the measured velocity written on it."""
    small, large = ImageFont.load_default(size=15), ImageFont.load_default(size=24)
    for i in range(0, len(walk.command), every):
        picture = Image.fromarray(renderer.draw(walk.qpos[i]))
        draw = ImageDraw.Draw(picture, "RGBA")
        command = walk.command_text[i] if walk.command_text else in_words(float(walk.command[i]))
        measured = walk.measured_text[i] if walk.measured_text else f"{walk.speed[i] + 0.0:.2f} m/s"
        wide = 218 + max(0, 11 * (max(len(command), len(measured)) - 8))  # several words
        draw.rectangle((12, 12, wide, 96), fill=(20, 24, 30, 190))
        draw.text((24, 20), "command", font=small, fill=(200, 205, 210))
        draw.text((104, 14), command, font=large, fill=(255, 255, 255))
        draw.text((24, 46), "measured", font=small, fill=(200, 205, 210))
        draw.text((104, 40), measured, font=large, fill=(255, 200, 90))
        draw.text((24, 72), f"{i * walk.dt:.1f} s, real time", font=small, fill=(200, 205, 210))
        if walk.fallen[i]:
            draw.text((SIZE[0] - 24, 20), "fallen", font=large, fill=(220, 40, 30), anchor="ra")
        yield np.asarray(picture)


def _write_strip(renderer: Renderer, walk: Walk, path: Path) -> None:
    """One stride, seen from the side, in the middle of the fastest command that was walked upright."""
    upright = ~walk.fallen
    fastest = walk.command[upright].max(initial=0.0)
    during = np.flatnonzero(upright & (walk.command == fastest))
    stride = round(walk.period / walk.dt)
    middle = int(during[during.size // 2]) if during.size else 0
    rows = np.linspace(middle, middle + stride, _STRIDE_PICTURES, endpoint=False).round().astype(int)
    font = ImageFont.load_default(size=16)
    width, height = SIZE[1] // 2, 4 * SIZE[1] // 5
    strip = Image.new("RGB", (width * _STRIDE_PICTURES, height))
    for place, row in enumerate(np.minimum(rows, len(walk.command) - 1)):
        left, top = (SIZE[0] - width) // 2, (SIZE[1] - height) // 2
        whole = Image.fromarray(renderer.draw(walk.qpos[row], "side"))
        picture = whole.crop((left, top, left + width, top + height))
        draw = ImageDraw.Draw(picture)
        draw.text((12, 12), f"{(row - middle) * walk.dt:.2f} s", font=font, fill=(20, 24, 30))
        if place == 0:
            draw.text((12, 34), f"command {fastest:.2g} m/s", font=font, fill=(20, 24, 30))
        strip.paste(picture, (place * width, 0))
    with replacing(path) as partial:
        strip.save(partial, optimize=True)
