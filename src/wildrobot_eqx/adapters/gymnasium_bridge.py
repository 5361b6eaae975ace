"""What the two Gymnasium adapters share: spaces, seeds, checked actions, and the jitted reset and step of a batch."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt, UInt8

from ..env import Env, EnvState, Timestep
from ..errors import WildRobotError, nearest
from ..physics.mujoco_tools.render import Renderer

try:
    import gymnasium as gymnasium
except ModuleNotFoundError as missing:
    raise WildRobotError(
        "Gymnasium is not installed.",
        where="wildrobot_eqx.adapters",
        hint="pip install 'wildrobot-eqx[gymnasium]'",
    ) from missing

Observation = Float[np.ndarray, "*batch nobs"] | dict[str, Float[np.ndarray, "*batch _"]]


class Outcome(eqx.Module):
    """What a reset or a step of a batch yields; few arrays, since each costs a transfer."""

    obs: dict[str, Float[Array, "envs _"]]
    reward: Float[Array, " envs"]
    terminated: Bool[Array, " envs"]
    truncated: Bool[Array, " envs"]
    metrics: Float[Array, "envs metrics"]  # in the order of their sorted names


@dataclasses.dataclass(frozen=True)
class HostOutcome:
    """The same on the host; its arrays may be views, to be copied before they are given away."""

    obs: dict[str, Float[np.ndarray, "envs _"]]
    reward: Float[np.ndarray, " envs"]
    terminated: Bool[np.ndarray, " envs"]
    truncated: Bool[np.ndarray, " envs"]
    metrics: Float[np.ndarray, "envs metrics"]

    @staticmethod
    def of(outcome: Outcome) -> "HostOutcome":
        """`outcome`, fetched in one go."""
        return HostOutcome(
            **jax.device_get({field.name: getattr(outcome, field.name) for field in dataclasses.fields(outcome)})
        )


class Constant:
    """An env as a constant of compiled code: as an argument, its leaves would cost as much per call as its physics.

    Two are equal if their env is the same object, so that adapters of one env share their compiles.
    """

    def __init__(self, env: Env):
        self.env = env

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self.env is other.env

    def __hash__(self) -> int:
        return id(self.env)


@functools.partial(jax.jit, static_argnums=0)
def jitted_reset(constant: Constant, limit: Float[Array, ""], words: UInt[Array, "envs 2"]) -> tuple[EnvState, Outcome]:
    """A fresh episode per row of `words`, the two halves of its seed; observations are clipped to `limit`."""
    keys = jax.vmap(lambda word: jax.random.fold_in(jax.random.key(word[0]), word[1]))(words)
    state, timestep = jax.vmap(constant.env.reset)(keys)
    return state, _outcome(timestep, limit)


@functools.partial(jax.jit, static_argnums=0)
def jitted_step(
    constant: Constant,
    limit: Float[Array, ""],
    scale: Float[Array, ""],
    state: EnvState,
    action: Float[Array, "envs nu"],
) -> tuple[EnvState, Outcome]:
    """One control step of every env, its action clipped to the space and then scaled."""
    state, timestep = jax.vmap(constant.env.step)(state, scale * jnp.clip(action, -1.0, 1.0))
    return state, _outcome(timestep, limit)


def _outcome(timestep: Timestep, limit: Float[Array, ""]) -> Outcome:
    """Within the spaces, whatever the physics did: `Env.step` yields nothing that is not finite."""
    return Outcome(
        obs={name: jnp.clip(obs, -limit, limit) for name, obs in timestep.obs.items()},
        reward=timestep.reward,
        terminated=timestep.terminated,
        truncated=timestep.truncated,
        metrics=jnp.stack([timestep.metrics[name] for name in sorted(timestep.metrics)], axis=1),
    )


class Bridge:
    """One env and its spaces, for a batch of robots: seeds and NumPy actions in, states and NumPy outcomes out.

    Args:
        name: of the adapter, for its errors.
        env: the env of one robot.
        roles: names of the observations to give, as a dict; none: the policy's alone, as a vector.
        render_mode: "rgb_array", or none.
        action_scale: the env's action at the border of the action space.
        observation_limit: the border of the observation space.
        picture_size: width and height, in pixels.

    Raises:
        WildRobotError: an argument is not understood.
    """

    def __init__(
        self,
        name: str,
        env: Env,
        roles: Sequence[str] | None,
        render_mode: str | None,
        action_scale: float,
        observation_limit: float,
        picture_size: tuple[int, int],
    ):
        if render_mode not in (None, "rgb_array"):
            raise WildRobotError(f"There is no render mode {render_mode!r}.", where=name, hint="'rgb_array', or None")
        for argument, value in (("action_scale", action_scale), ("observation_limit", observation_limit)):
            if not 0.0 < value < np.inf:
                raise WildRobotError(f"{argument} is {value}.", where=name, hint="take a positive number")
        for role in ("policy",) if roles is None else roles:
            if role not in env.observations:
                hint = nearest(role, env.observations)
                raise WildRobotError(f"The env has no observation {role!r}.", where=f"{name}, roles", hint=hint)
        self.name, self.env, self.roles = name, env, None if roles is None else tuple(roles)
        self._constant = Constant(env)
        self._limit, self._scale = np.float32(observation_limit), np.float32(action_scale)
        _, timestep = eqx.filter_eval_shape(env.reset, jax.eval_shape(lambda: jax.random.key(0)))
        self.metrics = sorted(timestep.metrics)
        box = functools.partial(gymnasium.spaces.Box, dtype=np.float32)
        boxes = {r: box(-observation_limit, observation_limit, (s.size,)) for r, s in env.observations.items()}
        self.observation_space: gymnasium.Space[Any] = (
            boxes["policy"] if self.roles is None else gymnasium.spaces.Dict({role: boxes[role] for role in self.roles})
        )
        self.action_space = box(-1.0, 1.0, (env.action_size,))
        self.metadata: dict[str, Any] = {
            "render_modes": ["rgb_array"],
            "render_fps": round(1.0 / env.physics.control_dt),
        }
        self._render_mode, self._size = render_mode, picture_size
        self._renderer: Renderer | None = None

    def reset(self, words: UInt[np.ndarray, "envs 2"]) -> tuple[EnvState, HostOutcome]:
        """A fresh episode per row."""
        state, outcome = jitted_reset(self._constant, self._limit, words)
        return state, HostOutcome.of(outcome)

    def step(self, state: EnvState, action: Float[np.ndarray, "envs nu"]) -> tuple[EnvState, HostOutcome]:
        """One control period of every env."""
        state, outcome = jitted_step(self._constant, self._limit, self._scale, state, action)
        return state, HostOutcome.of(outcome)

    def actions(self, action: Any, envs: int | None = None) -> Float[np.ndarray, "*envs nu"]:
        """`action` as float32, if it is one finite real number per actuator (and env).

        Raises:
            WildRobotError: it is not.
        """
        joints, where = self.env.physics.robot.joint_names, f"{self.name}.step"
        shape = (len(joints),) if envs is None else (envs, len(joints))
        order = ("" if envs is None else "a row per env, each ") + f"[{', '.join(joints)}]"
        hint = f"give float32{list(shape)}: {order}"
        try:
            array = np.asarray(action)
        except (TypeError, ValueError) as error:
            raise WildRobotError(f"The action is no array: {error}", where=where, hint=hint) from error
        if array.dtype.kind != "f":
            raise WildRobotError(f"The action's dtype is {array.dtype}, not float32.", where=where, hint=hint)
        if array.shape != shape:
            what = f"The action's shape is {list(array.shape)}, not {list(shape)}."
            raise WildRobotError(what, where=where, hint=hint)
        if not np.isfinite(array).all():
            first = tuple(np.argwhere(~np.isfinite(array))[0])
            of = f"joint {joints[first[-1]]!r}" + ("" if envs is None else f" of env {first[0]}")
            hint = "the policy has diverged: lower its learning rate, and look at what it was trained on"
            raise WildRobotError(f"The action is {array[first]} for {of}.", where=where, hint=hint)
        return array.astype(np.float32)

    def select(self, per_role: dict[str, Float[np.ndarray, "*batch _"]]) -> Observation:
        """The observations that were asked for."""
        return per_role["policy"] if self.roles is None else {role: per_role[role] for role in self.roles}

    def draw(self, qpos: Float[np.ndarray, " nq"]) -> UInt8[np.ndarray, "height width 3"]:
        """A picture of the robot in the pose `qpos`.

        Raises:
            WildRobotError: the env was made to draw nothing.
            NoRenderer: no OpenGL context can be had.
        """
        if self._render_mode is None:
            hint = "make the env with render_mode='rgb_array'"
            raise WildRobotError("This env was made to draw nothing.", where=f"{self.name}.render", hint=hint)
        if self._renderer is None:
            self._renderer = Renderer(self.env.physics.robot.model, *self._size)
        return np.ascontiguousarray(self._renderer.draw(qpos))

    def close(self) -> None:
        """Free what the pictures took."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


def draw_words(rng: np.random.Generator) -> UInt[np.ndarray, " 2"]:
    """An episode's seed, as two 32-bit words."""
    return rng.integers(0, 2**32, size=2, dtype=np.uint32)


def refuse(options: dict[str, Any] | None, where: str) -> None:
    """Refuse options of a reset, which have no meaning here.

    Raises:
        WildRobotError: there are options.
    """
    if options:
        hint = "give seed=..., and no options"
        raise WildRobotError(f"There is no option {sorted(options)[0]!r}.", where=where, hint=hint)
