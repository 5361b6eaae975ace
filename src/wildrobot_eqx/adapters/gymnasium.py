"""Our env as Gymnasium knows one: a single robot, and many robots in one jitted step."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, UInt8

from ..env import Env, EnvState
from ..env.rollout import where
from ..errors import WildRobotError, WrongMaskError, nearest
from .gymnasium_bridge import Bridge, HostOutcome, Observation, draw_words, gymnasium, refuse

AutoresetMode = gymnasium.vector.AutoresetMode


class GymnasiumEnv(gymnasium.Env[Any, np.ndarray]):
    """One robot as a `gymnasium.Env`: its step jitted, its seeds Gymnasium's, its metrics in `info`.

    The observation is the policy's, float32 within `observation_limit`. The action is float32
    in [-1, 1] for each joint, in actuator order; what lies beyond is clipped. `terminated` is
    a fall, or a simulation that is not finite any more; `truncated` is the end of the episode's
    time. `info` holds every metric of the env by its name, all zero after `reset`. The first
    `reset` and the first `step` compile, once for all adapters of one env.

    Args:
        env: the env of one robot.
        roles: names of the observations to give, as a dict; none: the policy's alone, as a vector.
        render_mode: "rgb_array", or none.
        action_scale: the env's action at the border of the action space.
        observation_limit: the border of the observation space.
        picture_size: width and height, in pixels.

    Raises:
        WildRobotError: an argument, or an action, is not understood; there is no episode to
            step; nothing can be drawn.
    """

    def __init__(
        self,
        env: Env,
        roles: Sequence[str] | None = None,
        render_mode: str | None = None,
        action_scale: float = 1.0,
        observation_limit: float = 1000.0,
        picture_size: tuple[int, int] = (640, 480),
    ):
        name = type(self).__name__
        self._bridge = Bridge(name, env, roles, render_mode, action_scale, observation_limit, picture_size)
        self.observation_space, self.action_space = self._bridge.observation_space, self._bridge.action_space
        self.metadata, self.render_mode = self._bridge.metadata, render_mode
        self._state: EnvState | None = None
        self._over = False

        options = {"action_scale": action_scale, "observation_limit": observation_limit, "picture_size": picture_size}

        def again(**changes: Any) -> GymnasiumEnv:
            return GymnasiumEnv(env, **{"roles": roles, **options, **changes})

        # `check_env` and wrappers make the env anew through its spec; no registry knows it.
        self.spec = gymnasium.envs.registration.EnvSpec(f"wildrobot_eqx/{env.physics.robot.name}-v0", again)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """A new episode, drawn from `np_random`, which a `seed` starts anew; there are no `options`."""
        super().reset(seed=seed)
        refuse(options, f"{self._bridge.name}.reset")
        self._state, outcome = self._bridge.reset(draw_words(self.np_random)[None])
        self._over = False
        return self._observation(outcome), self._info(outcome)

    def step(self, action: Float[np.ndarray, " nu"] | Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One control period under `action`."""
        action = self._bridge.actions(action)
        if self._state is None or self._over:
            what = "There is no episode yet." if self._state is None else "The episode is over."
            raise WildRobotError(what, where=f"{self._bridge.name}.step", hint="call reset() first")
        self._state, outcome = self._bridge.step(self._state, action[None])
        terminated, truncated = bool(outcome.terminated[0]), bool(outcome.truncated[0])
        self._over = terminated or truncated
        return self._observation(outcome), float(outcome.reward[0]), terminated, truncated, self._info(outcome)

    def render(self) -> Any:
        """A picture of the robot as it is now, uint8[height, width, 3]."""
        if self._state is None:
            hint = "call reset() first"
            raise WildRobotError("There is no episode yet.", where=f"{self._bridge.name}.render", hint=hint)
        return self._bridge.draw(np.asarray(self._state.physics.qpos)[0])

    def close(self) -> None:
        """Free what the pictures took."""
        self._bridge.close()

    def _observation(self, outcome: HostOutcome) -> Observation:
        return self._bridge.select({role: np.array(obs[0]) for role, obs in outcome.obs.items()})

    def _info(self, outcome: HostOutcome) -> dict[str, Any]:
        return dict(zip(self._bridge.metrics, np.array(outcome.metrics[0])))


class GymnasiumVectorEnv(gymnasium.vector.VectorEnv[Any, np.ndarray, np.ndarray]):
    """Many robots as a `gymnasium.vector.VectorEnv`, all of them in one jitted step.

    What it gives is what Gymnasium's `SyncVectorEnv` of as many `GymnasiumEnv`s gives, from the
    same seeds, faster. `autoreset_mode` says when the env is reset after an episode's end:

    - SAME_STEP: in the same step; the true last observation and info are in
      `info["final_obs"]` and `info["final_info"]`;
    - NEXT_STEP: in the next one, which ignores the action and pays nothing;
    - DISABLED: by the user, through `reset(options={"reset_mask": mask})`.

    First states are made for all envs at once, ahead of their use, and each env takes its own
    in order.

    Args:
        env: the env of one robot.
        num_envs: how many robots.
        autoreset_mode: as above, or its name: "SameStep", "same_step", ... Gymnasium's own wrappers of observations
            want NEXT_STEP or DISABLED.
        roles, render_mode, action_scale, observation_limit, picture_size: as for `GymnasiumEnv`.

    Raises:
        WildRobotError: as for `GymnasiumEnv`.
    """

    def __init__(
        self,
        env: Env,
        num_envs: int,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        roles: Sequence[str] | None = None,
        render_mode: str | None = None,
        action_scale: float = 1.0,
        observation_limit: float = 1000.0,
        picture_size: tuple[int, int] = (640, 480),
    ):
        name = type(self).__name__
        self.closed = True  # until it is whole: older Gymnasiums close what is half made when it is collected
        if num_envs < 1:
            raise WildRobotError(f"num_envs is {num_envs}.", where=name, hint="take 1 or more")
        self._bridge = Bridge(name, env, roles, render_mode, action_scale, observation_limit, picture_size)
        self.num_envs, self.render_mode = num_envs, render_mode
        self._mode = _mode(autoreset_mode, name)
        self.metadata = {**self._bridge.metadata, "autoreset_mode": self._mode}
        self.single_observation_space = self._bridge.observation_space
        self.single_action_space = self._bridge.action_space
        self.observation_space = gymnasium.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        seeded = [gymnasium.utils.seeding.np_random() for _ in range(num_envs)]
        self._rngs, self._seeds = [rng for rng, _ in seeded], [seed for _, seed in seeded]
        self._words = np.zeros((num_envs, 2), np.uint32)
        self._next: tuple[EnvState, HostOutcome] | None = None  # each env's next first state
        self._used = np.ones(num_envs, bool)  # where that one is taken
        self._now: tuple[EnvState, dict[str, np.ndarray]] | None = None
        self._over = np.zeros(num_envs, bool)
        self.closed = False

    @property
    def np_random(self) -> Any:
        """Each env's generator, as `SyncVectorEnv` gives them; first states are drawn from them ahead of use."""
        return tuple(self._rngs)

    @np_random.setter
    def np_random(self, value: Any) -> None:
        self._rngs, self._seeds = list(value), [-1] * self.num_envs
        self._used[:] = True

    @property
    def np_random_seed(self) -> Any:
        """Each env's seed."""
        return tuple(self._seeds)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """New episodes, for all envs or those of `options["reset_mask"]`; env `i` takes the seed `seed + i`."""
        where_ = f"{self._bridge.name}.reset"
        options = dict(options or {})
        mask = self._mask(options.pop("reset_mask", None), where_)
        refuse(options, where_)
        if seed is None or isinstance(seed, int):
            seeds = [None if seed is None else seed + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            hint = "give one number, or one per env"
            raise WildRobotError(f"There are {len(seeds)} seeds for {self.num_envs} envs.", where=where_, hint=hint)
        for i in np.flatnonzero(mask):
            if seeds[i] is not None:
                self._rngs[i], self._seeds[i] = gymnasium.utils.seeding.np_random(seeds[i])
                self._used[i] = True
        fresh = self._take(mask)
        self._over[mask] = False
        return self._observation(), self._info({}, fresh.metrics, mask)

    def step(self, actions: Float[np.ndarray, "envs nu"] | Any) -> tuple[Observation, Any, Any, Any, dict[str, Any]]:
        """One control period of every env; float64 rewards, bool ends, the info of each env by the metric's name."""
        actions = self._bridge.actions(actions, self.num_envs)
        if self._now is None or (self._mode is AutoresetMode.DISABLED and self._over.any()):
            what = (
                "There are no episodes yet." if self._now is None else f"Env {self._over.argmax()}'s episode is over."
            )
            hint = "call reset() first" + ("" if self._now is None else ", with options={'reset_mask': mask}")
            raise WildRobotError(what, where=f"{self._bridge.name}.step", hint=hint)
        resting = self._over if self._mode is AutoresetMode.NEXT_STEP else np.zeros_like(self._over)
        state, outcome = self._bridge.step(self._now[0], actions)
        self._now = (state, {role: np.array(obs) for role, obs in outcome.obs.items()})
        reward = np.where(resting, 0.0, outcome.reward.astype(np.float64))
        terminated, truncated = outcome.terminated & ~resting, outcome.truncated & ~resting
        done = terminated | truncated
        reset = resting
        infos: dict[str, Any] = {}
        if self._mode is AutoresetMode.SAME_STEP and done.any():
            reset = done
            infos = self._final(outcome, done)
        metrics = np.array(outcome.metrics)
        if reset.any():
            metrics[reset] = self._take(reset).metrics[reset]
        self._over = done
        return self._observation(), reward, terminated, truncated, self._info(infos, metrics, np.ones_like(done))

    def render(self) -> tuple[UInt8[np.ndarray, "height width 3"], ...]:
        """A picture of each robot as it is now."""
        if self._now is None:
            hint = "call reset() first"
            raise WildRobotError("There are no episodes yet.", where=f"{self._bridge.name}.render", hint=hint)
        return tuple(self._bridge.draw(qpos) for qpos in np.asarray(self._now[0].physics.qpos))

    def close_extras(self, **options: Any) -> None:
        """Free what the pictures took."""
        self._bridge.close()

    def _take(self, mask: Bool[np.ndarray, " envs"]) -> HostOutcome:
        """Put the envs of `mask` into their next first states, and say how those look."""
        if self._next is None or (mask & self._used).any():
            for i in np.flatnonzero(self._used):
                self._words[i] = draw_words(self._rngs[i])
            self._next = self._bridge.reset(self._words)
            self._used[:] = False
        state, outcome = self._next
        self._used |= mask
        if self._now is None or mask.all():
            self._now = (state, {role: np.array(obs) for role, obs in outcome.obs.items()})
        else:
            for role, obs in self._now[1].items():
                obs[mask] = outcome.obs[role][mask]
            self._now = (_replaced(mask, state, self._now[0]), self._now[1])
        return outcome

    def _mask(self, mask: Any, where: str) -> Bool[np.ndarray, " envs"]:
        if mask is None:
            return np.ones(self.num_envs, bool)
        if not (isinstance(mask, np.ndarray) and mask.dtype == bool and mask.shape == (self.num_envs,) and mask.any()):
            hint = f"a NumPy array bool[{self.num_envs}], with at least one True"
            raise WrongMaskError("options['reset_mask'] is not a mask.", where=where, hint=hint)
        if self._now is None and not mask.all():
            raise WrongMaskError("There are no episodes yet.", where=where, hint="reset all envs first")
        return mask

    def _observation(self) -> Observation:
        assert self._now is not None  # after a reset
        return self._bridge.select({role: np.array(obs) for role, obs in self._now[1].items()})

    def _info(self, infos: dict[str, Any], metrics: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
        """Gymnasium's vectorised info: an array by the metric's name, and by `_name` the envs that it is of."""
        for name, column in zip(self._bridge.metrics, metrics.T):
            infos[name], infos[f"_{name}"] = np.where(mask, column, np.float32(0.0)), mask.copy()
        return infos

    def _final(self, outcome: HostOutcome, done: Bool[np.ndarray, " envs"]) -> dict[str, Any]:
        """What is lost to a reset in the same step: a true last observation per env, or None, and its info."""
        last = np.full(self.num_envs, None, object)
        for i in np.flatnonzero(done):
            last[i] = self._bridge.select({role: np.array(obs[i]) for role, obs in outcome.obs.items()})
        final = self._info({}, np.array(outcome.metrics), done)
        return {"final_obs": last, "_final_obs": done.copy(), "final_info": final, "_final_info": done.copy()}


def _mode(given: AutoresetMode | str, where: str) -> AutoresetMode:
    known = {_folded(mode.value): mode for mode in AutoresetMode}
    mode = given if isinstance(given, AutoresetMode) else known.get(_folded(str(given)))
    if mode is None:
        names = [mode.value for mode in AutoresetMode]
        raise WildRobotError(f"There is no autoreset mode {given!r}.", where=where, hint=nearest(str(given), names))
    return mode


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


_replaced = jax.jit(where)  # (mask, fresh, state)
