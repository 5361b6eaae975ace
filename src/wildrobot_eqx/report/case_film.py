"""A film of a gate's cases: any robot, any task; the names of the cases are its captions."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key
from PIL import Image, ImageDraw, ImageFont

from ..arrays import f32
from ..atomic import writing
from ..env import Env
from ..evaluate.gate import AbstractGate, Case
from ..evaluate.rollout import control_steps, hold_commands, judge_key, judged_env
from ..learn.networks import AbstractPolicy
from ..physics.mujoco_tools.render import Renderer
from ..task.point import points_in
from .encode import SIZE, frames_apart, write_film

NAME = "film.mp4"
_CASES = 6  # at most
_SECONDS = 15.0  # of the whole film, as near as whole episodes allow
_TIMESTEP = 0.005  # s


@dataclasses.dataclass(frozen=True)
class Scene:
    """One recorded episode, a row per control step."""

    caption: str
    qpos: Float[np.ndarray, "time nq"]
    marks: Float[np.ndarray, "time marks 3"]  # m, places that commands ask for
    over: Bool[np.ndarray, " time"]  # true from the end of the episode on
    dt: float  # s


def film_cases(env: Env, gate: AbstractGate | None, policy: AbstractPolicy, folder: Path) -> list[Path]:
    """Film the gate's first cases, one episode each, or several of the only one, into `folder`/film.mp4.

    Args:
        env: the recipe's env.
        gate: whose cases are shown; None: an episode of the env as it is.
        policy: its distribution's mode is the action.
        folder: an existing folder.

    Raises:
        NoRenderer: no OpenGL context can be had.
        WildRobotError: the film cannot be written.
    """
    robot = env.physics.robot
    with Renderer(robot.model, *SIZE, follow=robot.base is not None) as renderer:  # first: it may refuse
        scenes = record_cases(env, gate, policy)
        with writing(folder / NAME):
            write_scenes(renderer, scenes, folder / NAME)
    return [folder / NAME]


def write_scenes(renderer: Renderer, scenes: list[Scene], path: Path) -> None:
    """A film of episodes one after the other, whole or not at all."""
    every = frames_apart(scenes[0].dt)
    write_film(_frames(renderer, scenes, every), 1.0 / (every * scenes[0].dt), path)


def record_cases(env: Env, gate: AbstractGate | None, policy: AbstractPolicy) -> list[Scene]:
    """The episodes of a film, one after the other."""
    judged = judged_env(env, _TIMESTEP)
    cases: tuple[Case, ...] = (Case("an episode"),)
    seconds = min(_SECONDS, float(env.episode_length))
    if gate is not None:
        cases, judged, seconds = gate.cases(env), gate.prepare(judged), min(_SECONDS, gate.seconds)
    many = max(1, min(_CASES, round(_SECONDS / seconds)))
    shown, each = (cases[:many], 1) if len(cases) > 1 else (cases, many)
    rows = None if gate is None else gate.rows(shown, each)
    steps = control_steps(env, seconds)
    scenes = []
    for i, case in enumerate(shown * each):
        key = jax.random.fold_in(judge_key(_TIMESTEP), i + 1)
        env_of_case = hold_commands(judged, {name: f32(value) for name, value in case.values.items()})
        if gate is not None:
            env_of_case = gate.vary(env_of_case, jax.tree.map(lambda leaf, i=i: leaf[i], rows))
        qpos, marks, over = jax.device_get(_roll(env_of_case, policy, key, steps))
        caption = case.label or case.name
        number = f", {i + 1} of {many}" if len(cases) == 1 and many > 1 else ""
        scenes.append(Scene(caption + number, qpos, marks, over, env.physics.control_dt))
    return scenes


@eqx.filter_jit
def _roll(
    env: Env, policy: AbstractPolicy, key: Key[Array, ""], steps: int
) -> tuple[Float[Array, "time nq"], Float[Array, "time marks 3"], Bool[Array, " time"]]:
    def step(loop: tuple[Any, ...], _: None) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        state, obs, carry, over = loop
        distribution, carry = policy(obs, carry)
        state, timestep = env.step(state, distribution.mode())
        over = over | timestep.terminated
        out = (state.physics.qpos, points_in(state.commands), over)
        return (state, timestep.obs["policy"], carry, over), out

    state, timestep = env.reset(key)
    loop = (state, timestep.obs["policy"], policy.init(), jnp.zeros((), bool))
    return jax.lax.scan(step, loop, length=steps)[1]


def _frames(renderer: Renderer, scenes: list[Scene], every: int) -> Iterator[np.ndarray]:
    small, large = ImageFont.load_default(size=15), ImageFont.load_default(size=24)
    for scene in scenes:
        for i in range(0, len(scene.qpos), every):
            picture = Image.fromarray(renderer.draw(scene.qpos[i], marks=scene.marks[i]))
            draw = ImageDraw.Draw(picture, "RGBA")
            wide = max(190, 36 + int(large.getlength(scene.caption)))
            draw.rectangle((12, 12, wide, 76), fill=(20, 24, 30, 190))
            draw.text((24, 16), scene.caption, font=large, fill=(255, 255, 255))
            draw.text((24, 50), f"{i * scene.dt:.1f} s, real time", font=small, fill=(200, 205, 210))
            if scene.over[i]:
                draw.text((SIZE[0] - 24, 20), "over", font=large, fill=(220, 40, 30), anchor="ra")
            yield np.asarray(picture)
