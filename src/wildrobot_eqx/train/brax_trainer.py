"""Brax's PPO and SAC as trainers of a recipe: what our figures are called there, and what comes back."""

import dataclasses
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

from ..adapters import brax_train
from ..adapters.brax import BraxEnv
from ..arrays import f32
from ..env.divergence import DIVERGED
from ..errors import WildRobotError
from ..learn.config import BraxPPO, BraxSAC, as_learner
from ..learn.mesh import Devices
from ..learn.networks import MLP, AbstractPolicy, MLPPolicy
from ..learn.normalise import RunningNorm
from ..learn.squashed import SquashedPolicy
from ..recipes.recipe import Recipe
from .trainer import OnIteration, Trainer

_SAC_ITERATIONS = 20  # evaluations, and so lines of figures and chances to save
_CERTAIN = -10.0  # log of the spread of a policy that is judged by its mode
_NEXT_STREAM = 1_000_003  # apart from the seeds that people choose


class BraxState(eqx.Module):
    """Brax's parameters after some iterations; its optimiser's state and its envs are not handed out."""

    params: PyTree
    iteration: Int[Array, ""]

    @property
    def agent(self) -> PyTree:
        """The networks, without the statistics of observations."""
        return self.params[1:]


def brax_ppo_arguments(recipe: Recipe) -> dict[str, Any]:
    """Our hyperparameters by Brax's names.

    | ours | Brax's |
    |---|---|
    | `num_envs`, `unroll_length`, `num_minibatches` | the same; `batch_size` = `num_envs / num_minibatches` |
    | `num_epochs` | `num_updates_per_batch` |
    | `discount`, `gae_lambda`, `clip` | `discounting`, `gae_lambda`, `clipping_epsilon` |
    | `value_cost` | `vf_loss_coefficient`, doubled: Brax halves the squared error |
    | `desired_kl`, `max_learning_rate` | `learning_rate_schedule="ADAPTIVE_KL"` and its limits |
    | `learning_rate`, `entropy_cost`, `max_grad_norm` | the same |
    | `hidden`, `init_std` | the networks' |
    | the env's episode length | `episode_length` |

    Brax lacks a falling learning rate (`decay_steps`), symmetry and the pool of resets. Rewards
    are not scaled. An episode lasts at most half of the training, so that some are seen to end.
    """
    config, env = as_learner(recipe.learner, BraxPPO), recipe.env
    arguments: dict[str, Any] = {
        "num_envs": config.num_envs,
        "unroll_length": config.unroll_length,
        "num_minibatches": config.num_minibatches,
        "batch_size": config.num_envs // config.num_minibatches,
        "num_updates_per_batch": config.num_epochs,
        "discounting": config.discount,
        "gae_lambda": config.gae_lambda,
        "clipping_epsilon": config.clip,
        "learning_rate": config.learning_rate,
        "entropy_cost": config.entropy_cost,
        "vf_loss_coefficient": 2.0 * config.value_cost,
        "max_grad_norm": config.max_grad_norm,
        "reward_scaling": 1.0,
        "episode_length": max(1, min(int(env.episode_steps), recipe.iterations * config.unroll_length // 2)),
    }
    if config.desired_kl is not None:
        arguments["learning_rate_schedule"] = "ADAPTIVE_KL"
        arguments["desired_kl"] = config.desired_kl
        arguments["learning_rate_schedule_max_lr"] = config.max_learning_rate
    return arguments


def brax_sac_arguments(recipe: Recipe) -> dict[str, Any]:
    """The hyperparameters that SAC shares with our PPO, by Brax's names; it updates once per step of all envs."""
    config = as_learner(recipe.learner, BraxSAC)
    first = min(recipe.steps // 10, 10 * config.num_envs)  # steps before learning begins
    return {
        "num_timesteps": recipe.iterations * config.steps_per_iteration,
        "episode_length": int(recipe.env.episode_steps),
        "num_envs": config.num_envs,
        "num_eval_envs": min(config.num_envs, 32),
        "learning_rate": config.learning_rate,
        "discounting": config.discount,
        "min_replay_size": first,
        "max_replay_size": max(recipe.steps, 1) if recipe.steps < 1_000_000 else 1_000_000,
        "batch_size": config.batch_size,
        "deterministic_eval": True,
        "reward_scaling": 1.0,
        "seed": recipe.seed,
    }


def _init_ppo(recipe: Recipe) -> BraxState:
    env, key = BraxEnv(recipe.env, privileged=True), jax.random.key(recipe.seed)
    config = as_learner(recipe.learner, BraxPPO)
    params = brax_train.init_ppo(env, config.hidden, config.init_std, key)
    return BraxState(params, jnp.zeros((), jnp.int32))


def _run_ppo(recipe: Recipe, state: BraxState, on_iteration: OnIteration, num_shards: int, devices: Devices) -> None:
    """What is left to do, from the networks of `state`; Adam's moments, envs and random numbers start anew."""
    done, config = int(state.iteration), as_learner(recipe.learner, BraxPPO)
    left = recipe.iterations - done
    if left <= 0:
        return
    arguments = {
        **brax_ppo_arguments(recipe),
        "num_timesteps": left * config.steps_per_iteration,
        "seed": (recipe.seed + _NEXT_STREAM * done) % 2**31,
    }
    env = BraxEnv(recipe.env, privileged=True)
    hidden, std = config.hidden, config.init_std
    brax_train.train_ppo(env, arguments, hidden, std, left, state.params, _counting(recipe, done, on_iteration))


def _init_sac(recipe: Recipe) -> BraxState:
    params = brax_train.init_sac(BraxEnv(recipe.env), recipe.learner.hidden, jax.random.key(recipe.seed))
    return BraxState(params, jnp.zeros((), jnp.int32))


def _admit_sac(recipe: Recipe, state: BraxState) -> None:
    done = int(state.iteration)
    if 0 < done < recipe.iterations:
        raise WildRobotError(
            f"Brax's SAC cannot go on from iteration {done}: it hands out its policy, not its critics and its memory.",
            where="--resume",
            hint="start a new run; `eval` and `render` take this one as it is",
        )


def _run_sac(recipe: Recipe, state: BraxState, on_iteration: OnIteration, num_shards: int, devices: Devices) -> None:
    if int(state.iteration) >= recipe.iterations:
        return
    brax_train.train_sac(
        BraxEnv(recipe.env),
        brax_sac_arguments(recipe),
        recipe.learner.hidden,
        recipe.iterations,
        _counting(recipe, 0, on_iteration),
    )


def _counting(recipe: Recipe, done: int, on_iteration: OnIteration) -> brax_train.OnIteration:
    """Numbers the iterations from `done` on.

    Brax gives means over the steps of episodes that ended: of the control steps that diverged it gives the fraction,
    which becomes their number in an iteration of `steps_per_iteration`.
    """

    def count(params: PyTree, figures: dict[str, float]) -> None:
        nonlocal done
        done += 1
        if DIVERGED in figures:
            figures = {**figures, DIVERGED: figures[DIVERGED] * recipe.learner.steps_per_iteration}
        on_iteration(BraxState(params, jnp.asarray(done, jnp.int32)), figures)

    return count


def _own_networks(recipe: Recipe) -> Recipe:
    """The recipe as it is.

    Raises:
        WildRobotError: it brings a policy of another kind, or a reward model.
    """
    if recipe.reward_model is not None:
        raise WildRobotError(
            "Brax's trainers learn from the env's own rewards, and this recipe brings a reward model.",
            where="Recipe, reward_model",
            hint="train it with --trainer ppo, or leave `reward_model` out of the recipe",
        )
    if recipe.policy is not None:
        raise WildRobotError(
            "Brax trains networks of its own, and this recipe makes its policy itself.",
            where="Recipe, policy",
            hint="train it with --trainer ppo, or leave `policy` out of the recipe",
        )
    return recipe


def _few_iterations(recipe: Recipe) -> Recipe:
    """The same number of steps in at most twenty iterations: each ends with an evaluation."""
    _own_networks(recipe)
    if recipe.iterations <= _SAC_ITERATIONS:
        return recipe
    unroll = math.ceil(recipe.steps / (_SAC_ITERATIONS * recipe.learner.num_envs))
    return dataclasses.replace(recipe, learner=dataclasses.replace(recipe.learner, unroll_length=unroll))


def ppo_policy(state: BraxState) -> AbstractPolicy:
    """What Brax's PPO learned, as one of our Gaussian policies: the same mean and spread to the bit."""
    actor = brax_train.ppo_actor(state.params)
    assert actor.log_std is not None  # it is one of the parameters
    return MLPPolicy(norm=_norm(actor), log_std=actor.log_std, mirror=None, mlp=_mlp(actor))


def sac_policy(state: BraxState) -> AbstractPolicy:
    """What Brax's SAC learned, as a policy of its most likely action."""
    actor = brax_train.sac_actor(state.params)
    log_std = jnp.full(actor.biases[-1].shape, _CERTAIN, jnp.float32)
    return SquashedPolicy(norm=_norm(actor), log_std=log_std, mlp=_mlp(actor))


def _norm(actor: brax_train.Actor) -> RunningNorm:
    return RunningNorm(actor.count, actor.mean, jnp.square(actor.std))


def _mlp(actor: brax_train.Actor) -> MLP:
    sizes = (actor.weights[0].shape[0], *(bias.shape[0] for bias in actor.biases))
    blank = MLP(sizes, jax.random.key(0))
    return eqx.tree_at(
        lambda m: (m.weights, m.biases), blank, (list(map(f32, actor.weights)), list(map(f32, actor.biases)))
    )


BRAX_PPO = Trainer(_init_ppo, _run_ppo, ppo_policy, _own_networks)
BRAX_SAC = Trainer(_init_sac, _run_sac, sac_policy, _few_iterations, _admit_sac)
