"""Our env as a `brax.envs.Env`, for Brax's wrappers and trainers."""

import dataclasses
from typing import TYPE_CHECKING, Any, NoReturn

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, UInt32

from ..env import Env, EnvState, Timestep
from ..env.rollout import tracking_errors
from ..errors import MissingNameError, WildRobotError
from ..physics import PhysicsParams, engine_name
from .brax_compat import importing_brax

with importing_brax():
    from brax import envs
    from flax import struct

_KEYS = "threefry2x32"  # JAX's default: two words
_PLAYGROUND = ("mj_model", "mjx_model", "xml_path", "model_assets", "render")


def _no_data(state: Any) -> NoReturn:
    """Stands where MuJoCo Playground's wrappers look for an engine's state."""
    raise MissingNameError(
        "This state has no 'data': it is one for Brax's own wrappers, not for those of MuJoCo Playground.",
        where="BraxEnv, state.data",
        hint="train with brax.envs.wrappers.training.wrap; the engine's state is state.pipeline_state.physics",
    )


# Made by a call, so that nobody checks the types that Brax declares, which are not ours.
_State: Any = struct.dataclass(type("BraxState", (envs.State,), {"data": property(_no_data), "__module__": __name__}))


class BraxEnv(envs.Env):
    """One robot with one task as `brax.envs.Env`, to wrap, vmap and train with Brax's own code.

    `reset` takes legacy and typed keys. States keep one tree, one set of shapes and dtypes:

    - `obs`: float32, 1-D; with `privileged` a dict of `state` (the policy's) and `privileged_state` (the critic's).
    - `reward`, `done`: float32 scalars. `done` says that the episode failed; how long it may last is
      Brax's `episode_length` to say, so the env's own limit is not heeded, unless `time_limit` says so.
    - `metrics`: the env's, `terminated`, and for each pair `x` and `commanded_x` of them `x_error`, such as
      `lin_vel_x_error` (m/s, at this very moment); float32 scalars.
    - `info`: `rng`, a legacy key; `episode`, how many have begun; `time_out`, float32, 1 where the env's own
      limit ended the episode, for PPO's `bootstrap_on_timeout`. Keys of others are carried through.
    - `pipeline_state`: an `EnvState` with a legacy key, everything that ends with an episode.

    Brax's AutoResetWrapper puts every episode back to the first state that there was. So the
    first step of each later episode draws parameters, pose, velocities and command anew, from
    `info["rng"]`, which survives, by `Env.redraw`: the observation that a policy acts on in that one step
    is still the first one's. A redraw is computed in every step (under `vmap` there is no other way), but calls no
    engine: a batch of 128 walking robots on two cores took 8.7 ms per step with it and without it, and 12.3 ms
    with `Env.reset` in its place.

    Args:
        env: the env.
        privileged: also hand out what only the simulator knows, to a critic.
        time_limit: heed the env's own limit, too: `done` and `info["time_out"]` are 1 where it is reached.

    Attributes:
        sys: the nominal domain parameters, which the env's own randomisers start from; Brax's
            DomainRandomizationVmapWrapper assigns them.
    """

    env: Env
    privileged: bool
    time_limit: bool
    sys: PhysicsParams

    def __init__(self, env: Env, privileged: bool = False, time_limit: bool = False):
        missing = {"policy", *(["critic"] if privileged else [])} - set(env.observations)
        if missing:
            raise WildRobotError(
                f"The env has no observation {sorted(missing)[0]!r}.",
                where="BraxEnv(env)",
                hint="give env.observations a stack of that name" + (", or privileged=False" if privileged else ""),
            )
        self.env, self.privileged, self.time_limit = env, privileged, time_limit
        self.sys = env.physics.params()

    @property
    def observation_size(self) -> int | dict[str, tuple[int, ...]]:
        """The observation's length, or the shape of each of its parts."""
        if not self.privileged:
            return self.env.observations["policy"].size
        sizes = {name: self.env.observations[role].size for name, role in self._roles().items()}
        return {name: (size,) for name, size in sizes.items()}

    @property
    def action_size(self) -> int:
        """The action's length."""
        return self.env.action_size

    @property
    def backend(self) -> str:
        """The engine's name, such as `native` or `mjx`."""
        return engine_name(self.env.physics)

    @property
    def dt(self) -> float:
        """The control period, s."""
        return self.env.physics.control_dt

    if not TYPE_CHECKING:  # a checker would take any name for one that there is

        def __getattr__(self, name: str) -> NoReturn:
            """Only for names that there are not: the error names those of MuJoCo Playground's envs."""
            if name in _PLAYGROUND:
                raise MissingNameError(
                    f"BraxEnv has no {name!r}: it is an env for Brax's own wrappers, not for MuJoCo Playground's.",
                    where=f"BraxEnv.{name}",
                    hint="train it with Brax's default wrap_env_fn, brax.envs.wrappers.training.wrap; see docs/brax.md",
                )
            raise AttributeError(f"'BraxEnv' object has no attribute {name!r}", name=name, obj=self)

    def reset(self, rng: PRNGKeyArray) -> envs.State:
        """A first state, drawn from a legacy or a typed key."""
        own, key = jax.random.split(_typed(rng))
        state, timestep = self.env.reset(key, self.sys)
        info = {"rng": _raw(own), "episode": jnp.zeros((), jnp.int32)}
        return self._state(state, timestep, {}, info)

    def step(self, state: envs.State, action: Float[Array, " {self.action_size}"]) -> envs.State:
        """The state one control period later."""
        current = self._enter(state.pipeline_state)
        begins = current.steps == 0
        again = begins & (state.info["episode"] > 0)
        rng, key = jax.random.split(_typed(state.info["rng"]))
        other = self.env.redraw(current, key, self.sys)
        current = jax.tree.map(lambda a, b: jnp.where(again, a, b), other, current)
        new, timestep = self.env.step(current, action)
        info = {
            **state.info,
            "rng": jnp.where(begins, _raw(rng), state.info["rng"]),
            "episode": state.info["episode"] + begins.astype(jnp.int32),
        }
        return self._state(new, timestep, state.metrics, info)

    @property
    def _draws_params(self) -> bool:
        return self.env.disturbances is not None and self.env.disturbances.draws_params

    def _roles(self) -> dict[str, str]:
        return {"state": "policy", "privileged_state": "critic"}

    def _enter(self, state: EnvState) -> EnvState:
        """Our own state out of Brax's."""
        state = dataclasses.replace(state, key=_typed(state.key))
        return state if self._draws_params else _with_params(state, self.sys)

    def _state(self, state: EnvState, timestep: Timestep, metrics: dict[str, Any], info: dict[str, Any]) -> envs.State:
        """Brax's state out of our own; parameters that `sys` holds are not kept a second time."""
        state = state if self._draws_params else _with_params(state, None)
        obs = {name: timestep.obs[role] for name, role in self._roles().items()} if self.privileged else None
        failed = timestep.terminated.astype(jnp.float32)
        late = timestep.truncated.astype(jnp.float32) if self.time_limit else jnp.zeros_like(failed)
        own = timestep.metrics
        errors = {name: jnp.abs(value) for name, value in tracking_errors(own).items()}
        return _State(
            pipeline_state=dataclasses.replace(state, key=_raw(state.key)),
            obs=timestep.obs["policy"] if obs is None else obs,
            reward=timestep.reward,
            done=failed + late,  # never both
            metrics={**metrics, **own, **errors, "terminated": failed},
            info={**info, "time_out": late},
        )


def _with_params(state: EnvState, params: PhysicsParams | None) -> EnvState:
    return dataclasses.replace(state, disturbances=dataclasses.replace(state.disturbances, params=params))


def _is_typed(key: Any) -> bool:
    return jnp.issubdtype(key.dtype, jax.dtypes.prng_key)


def _typed(key: PRNGKeyArray) -> PRNGKeyArray:
    """The key with its type; one of another kind than JAX's default seeds one of that kind."""
    if not _is_typed(key):
        return jax.random.wrap_key_data(key, impl=_KEYS)
    return key if str(jax.random.key_impl(key)) == _KEYS else jax.random.key(jax.random.bits(key), impl=_KEYS)


def _raw(key: PRNGKeyArray) -> UInt32[Array, " 2"]:
    return jax.random.key_data(key) if _is_typed(key) else key
