"""What is learned: a policy and its value function, sized by an env's layouts."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from ..env import Env
from ..errors import WildRobotError
from .config import PPO
from .networks import MLP, AbstractPolicy, AbstractValue, MLPPolicy, MLPValue, SideMirror
from .normalise import RunningNorm

Stack = TypeVar("Stack")
MakePolicy = Callable[[Env, PPO, PRNGKeyArray], AbstractPolicy]
"""Makes a policy of another kind than the multilayer perceptron."""


class Agent(eqx.Module):
    """What is learned: a policy and its value function."""

    policy: AbstractPolicy
    value: AbstractValue


def critic_role(stacks: Mapping[str, Any]) -> str:
    """The name of what the value function sees of an env's stacks or observations: "critic", else "policy"."""
    return "critic" if "critic" in stacks else "policy"


def critics(stacks: Mapping[str, Stack]) -> Stack:
    """What the value function sees of an env's stacks or observations."""
    return stacks[critic_role(stacks)]


def make_agent(env: Env, config: PPO, key: PRNGKeyArray, make_policy: MakePolicy | None = None) -> Agent:
    """Fresh networks, sized by the env's layouts.

    Raises:
        WildRobotError: the env has no observation called "policy".
    """
    key_policy, key_value = jax.random.split(key)
    if "policy" not in env.observations:
        raise WildRobotError(
            "The env has no observation called 'policy'.",
            where=f"env.observations: {', '.join(env.observations) or 'none'}",
            hint='name one of the stacks "policy"; one called "critic" is optional',
        )
    stacks = {"policy": env.observations["policy"], "critic": critics(env.observations)}
    mirrors: dict[str, SideMirror | None] = dict.fromkeys(stacks)
    for role, stack in stacks.items():
        seen, acted, side = stack.mirror, env.controller.mirror, stack.side
        if config.symmetric and seen is not None and acted is not None and side is not None:
            mirrors[role] = SideMirror(seen, acted, side)
    sizes = {role: stack.size for role, stack in stacks.items()}
    nu = env.action_size
    if make_policy is None:
        policy: AbstractPolicy = MLPPolicy(
            norm=RunningNorm.init(sizes["policy"]),
            log_std=jnp.full((nu,), jnp.log(config.init_std), jnp.float32),
            mirror=mirrors["policy"],
            mlp=MLP((sizes["policy"], *config.hidden, nu), key_policy, output_scale=0.01),
        )
    else:
        policy = make_policy(env, config, key_policy)
    return Agent(
        policy,
        MLPValue(
            RunningNorm.init(sizes["critic"]), MLP((sizes["critic"], *config.hidden, 1), key_value), mirrors["critic"]
        ),
    )
