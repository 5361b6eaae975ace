"""What is learned: a policy and its value function, sized by an env's layouts."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from ..env import Env
from ..errors import WildRobotError
from ..observe import AbstractTerm, ObservationStack
from ..robots import Robot
from .config import PPOConfig
from .networks import MLP, AbstractPolicy, AbstractValue, MLPPolicy, MLPValue, SideMirror
from .normalise import RunningNorm

Stack = TypeVar("Stack")
MakePolicy = Callable[[Env, PPOConfig, PRNGKeyArray], AbstractPolicy]
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


def make_agent(env: Env, config: PPOConfig, key: PRNGKeyArray, make_policy: MakePolicy | None = None) -> Agent:
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
        side = _side(stack, env.physics.robot)
        if config.symmetric and side is not None:
            mirrors[role] = SideMirror(stack.mirror, env.physics.robot.joint_mirror, side)
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


def _side(stack: ObservationStack, robot: Robot) -> int | None:
    """The entry of an observation that tells left from right, if there is one.

    Terms say which of their entries does (`AbstractTerm.side`). One that is nothing but a side, such as a gait clock,
    comes before one that has a side among others, such as the direction of gravity. A robot that has no two feet
    has no use for either: one on a single foot steps with the same foot in both halves of the clock's cycle.
    """
    if len(robot.feet) < 2:
        return None
    sided = [
        (not _turns_around(term), part.start + term.side)
        for part in stack.layout
        if (term := stack.terms[part.name]).side is not None
    ]
    return min(sided, default=(False, None), key=lambda found: found[0])[1]


def _turns_around(term: AbstractTerm) -> bool:
    """The term's reflection is its negative."""
    mirror = term.mirror
    return mirror.source == tuple(range(len(mirror.source))) and all(sign < 0.0 for sign in mirror.sign)
