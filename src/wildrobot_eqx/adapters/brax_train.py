"""Brax's own PPO and SAC, run unchanged on a `BraxEnv`: what goes in, what comes out, one call per iteration.

Both get networks of our own shape by Brax's public options: elu units, and observations
normalised by Brax's running statistics as `clip((x - mean) / sqrt(std^2 + 1e-4), -10, 10)`,
which is what our policies compute. So what they learn can be carried over to the bit.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ..env.divergence import DIVERGED
from .brax import BraxEnv
from .brax_compat import brax_trainers, importing_brax

with importing_brax():
    from brax.training import networks as brax_networks
    from brax.training import types
    from brax.training.acme import running_statistics, specs
    from brax.training.agents.ppo import networks as ppo_networks
    from brax.training.agents.ppo import train as ppo
    from brax.training.agents.sac import checkpoint as sac_checkpoint
    from brax.training.agents.sac import networks as sac_networks
    from brax.training.agents.sac import train as sac

OnIteration = Callable[[PyTree, dict[str, float]], None]
"""Called after each iteration with Brax's parameters and the figures; what it raises ends the training."""


class Actor(eqx.Module):
    """What a policy computes with, taken out of Brax's parameters."""

    count: Float[Array, ""]
    mean: Float[Array, " nobs"]
    std: Float[Array, " nobs"]
    weights: list[Float[Array, "_ _"]]
    biases: list[Float[Array, " _"]]
    log_std: Float[Array, " nu"] | None  # None where the spread depends on the state


def init_ppo(env: BraxEnv, hidden: tuple[int, ...], init_std: float, key: PRNGKeyArray) -> PyTree:
    """First parameters for Brax's PPO: (statistics, policy, value function)."""
    networks = _ppo_factory(hidden, init_std)(env.observation_size, env.action_size)
    key_policy, key_value = jax.random.split(key)
    policy, value = networks.policy_network.init(key_policy), networks.value_network.init(key_value)
    return _pack((_statistics(env), policy, value))


def init_sac(env: BraxEnv, hidden: tuple[int, ...], key: PRNGKeyArray) -> PyTree:
    """Parameters as Brax's SAC hands them out: (statistics, policy)."""
    networks = _sac_factory(hidden)(env.observation_size, env.action_size)
    return _pack((_statistics(env), networks.policy_network.init(key)))


def train_ppo(
    env: BraxEnv,
    arguments: Mapping[str, Any],
    hidden: tuple[int, ...],
    init_std: float,
    iterations: int,
    params: PyTree,
    on_iteration: OnIteration,
) -> None:
    """Run `brax.training.agents.ppo.train.train` for some iterations from `params`.

    Args:
        env: with `privileged` observations, of which the value function gets them.
        arguments: of Brax's function, but for those that this one sets.
        hidden: sizes of the hidden layers, of both networks.
        init_std: first standard deviation of the actions, a diagonal Gaussian's.
        iterations: collections, each with its updates.
        params: from `init_ppo`, or from an earlier run.
        on_iteration: called with (statistics, policy, value function).
    """
    latest: dict[str, Any] = {"params": None, "episodes": {}}

    def keep(step: int, make_policy: Any, params: PyTree) -> None:
        latest["params"] = params

    def progress(step: int, metrics: Mapping[str, Any]) -> None:
        if any(name.startswith("episode/") for name in metrics):  # from the logger of finished episodes
            latest["episodes"] = metrics
            return
        jax.effects_barrier()  # that logger runs in a callback
        figures = _episode_figures(env, latest["episodes"], "episode/", "sum_reward", "episode/length")
        on_iteration(_pack(latest["params"]), {**figures, **_training_figures(metrics)})

    with brax_trainers():
        ppo.train(
            env,
            network_factory=_ppo_factory(hidden, init_std),
            normalize_observations=True,
            num_evals=iterations + 1,
            run_evals=False,
            num_eval_envs=1,
            log_training_metrics=True,
            max_devices_per_host=1,
            restore_params=unpack(params),
            progress_fn=progress,
            policy_params_fn=keep,
            **arguments,
        )


def train_sac(
    env: BraxEnv, arguments: Mapping[str, Any], hidden: tuple[int, ...], iterations: int, on_iteration: OnIteration
) -> None:
    """Run `brax.training.agents.sac.train.train` for some iterations, from the beginning.

    Brax evaluates the policy after each, which is where the figures come from.

    Args:
        env: without `privileged` observations.
        arguments: of Brax's function, but for those that this one sets.
        hidden: sizes of the hidden layers, of all networks.
        iterations: how many evaluations the training is divided by.
        on_iteration: called with (statistics, policy).
    """
    with tempfile.TemporaryDirectory(prefix="wildrobot-eqx-sac-") as folder:

        def progress(step: int, metrics: Mapping[str, Any]) -> None:
            if step == 0:  # before any training
                return
            params = _pack(sac_checkpoint.load(Path(folder) / f"{step:012d}"))
            figures = _episode_figures(env, metrics, "eval/episode_", "reward", "eval/avg_episode_length")
            on_iteration(params, {**figures, **_training_figures(metrics)})

        with brax_trainers():
            sac.train(
                env,
                network_factory=_sac_factory(hidden),
                normalize_observations=True,
                num_evals=iterations + 1,
                max_devices_per_host=1,
                checkpoint_logdir=folder,
                progress_fn=progress,
                **arguments,
            )


def unpack(params: PyTree) -> tuple[Any, ...]:
    """The parameters as Brax's inference functions take them: its own class of statistics first."""
    statistics, *networks = params
    count = types.UInt64(hi=statistics["count"][0], lo=statistics["count"][1])
    return running_statistics.RunningStatisticsState(**{**statistics, "count": count}), *networks


def _pack(params: Any) -> PyTree:
    """Brax's parameters in dicts of arrays: its 64-bit counter, a pytree that refuses most leaves, as two words."""
    statistics, *networks = params
    names = ("mean", "std", "summed_variance", "std_eps")
    plain = {name: getattr(statistics, name) for name in names}
    plain["count"] = jnp.stack([jnp.uint32(statistics.count.hi), jnp.uint32(statistics.count.lo)])
    return jax.tree.map(jnp.asarray, (plain, *networks))


def ppo_actor(params: PyTree) -> Actor:
    """The policy within (statistics, policy, value function)."""
    statistics, policy, _ = params
    layers = [*_layers(policy["params"]["MLP_0"]), policy["params"]["Dense_0"]]
    mean, std = (statistics[name]["state"] for name in ("mean", "std"))
    return _actor(statistics, mean, std, layers, policy["params"]["std_logparam"]["log_value"])


def sac_actor(params: PyTree) -> Actor:
    """The mode of the policy within (statistics, policy), before it is squashed."""
    statistics, policy = params
    *layers, last = _layers(policy["params"])
    nu = last["bias"].shape[0] // 2  # the other half says how far to explore
    last = {"kernel": last["kernel"][:, :nu], "bias": last["bias"][:nu]}
    return _actor(statistics, statistics["mean"], statistics["std"], [*layers, last], None)


def _actor(statistics: Any, mean: Array, std: Array, layers: list[Any], log_std: Array | None) -> Actor:
    high, low = statistics["count"].astype(jnp.float32)
    weights, biases = [layer["kernel"] for layer in layers], [layer["bias"] for layer in layers]
    return Actor(jnp.float32(2.0**32) * high + low, mean, std, weights, biases, log_std)


def _layers(mlp: Mapping[str, Any]) -> list[Any]:
    return [mlp[f"hidden_{i}"] for i in range(len(mlp))]


def _statistics(env: BraxEnv) -> Any:
    sizes = env.observation_size
    if not isinstance(sizes, dict):
        return running_statistics.init_state(specs.Array((sizes,), jnp.dtype(jnp.float32)))
    return running_statistics.init_state({n: specs.Array(s, jnp.dtype(jnp.float32)) for n, s in sizes.items()})


def _normalise(obs: Float[Array, "*batch n"], statistics: Any) -> Float[Array, "*batch n"]:
    """As our policies do it: Brax's own divides by a spread that may be 1e-6, and clips nothing."""
    spread = jnp.sqrt(jnp.square(statistics.std) + 1e-4)
    return jnp.clip((obs - statistics.mean) / spread, -10.0, 10.0)


def _ppo_factory(hidden: tuple[int, ...], init_std: float) -> Callable[..., Any]:
    def networks(
        observation_size: Any,
        action_size: int,
        preprocess_observations_fn: Any = types.identity_observation_preprocessor,
    ) -> Any:
        return ppo_networks.make_ppo_networks(
            observation_size,
            action_size,
            preprocess_observations_fn=_normalise,
            policy_hidden_layer_sizes=hidden,
            value_hidden_layer_sizes=hidden,
            activation=brax_networks.ACTIVATION["elu"],
            value_obs_key="privileged_state",
            distribution_type="normal",
            noise_std_type="log",
            init_noise_std=init_std,
            mean_kernel_init_fn=jax.nn.initializers.orthogonal,
            mean_kernel_init_kwargs={"scale": 0.01},
        )

    return networks


def _sac_factory(hidden: tuple[int, ...]) -> Callable[..., Any]:
    def networks(
        observation_size: Any,
        action_size: int,
        preprocess_observations_fn: Any = types.identity_observation_preprocessor,
    ) -> Any:
        return sac_networks.make_sac_networks(
            observation_size,
            action_size,
            preprocess_observations_fn=_normalise,
            hidden_layer_sizes=hidden,
            activation=brax_networks.ACTIVATION["elu"],
        )

    return networks


def _episode_figures(env: BraxEnv, sums: Mapping[str, Any], prefix: str, reward: str, length: str) -> dict[str, float]:
    """Figures by our names out of sums over episodes; zero while no episode has ended yet."""
    steps = max(float(sums.get(length, 0.0)), 1.0)
    names = jax.eval_shape(env.reset, jax.random.key(0)).metrics
    means = {name: float(sums.get(prefix + name, 0.0)) / steps for name in names}
    terminations = means.pop("terminated") - means.get(DIVERGED, 0.0)
    total = float(sums.get(prefix + reward, 0.0))
    return {
        **means,
        "reward_per_step": total / steps,
        "episode_return": total,
        "episode_length": float(sums.get(length, 0.0)),
        "terminations_per_minute": terminations / (env.dt / 60.0),
    }


_OURS = {"v_loss": "value_loss", "kl_mean": "kl", "policy_dist_mean_std": "std"}
_LEFT_OUT = {"sps", "walltime"}


def _training_figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Brax's losses and the like, by our names where we have one."""
    found = {name.removeprefix("training/"): float(value) for name, value in metrics.items() if "training/" in name}
    return {_OURS.get(name, name): value for name, value in found.items() if name not in _LEFT_OUT}
