"""What is learned: a policy and its value function, sized by an env's layouts."""

from collections.abc import Callable
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from ..env import Env
from ..errors import WildRobotError
from ..observe import GaitPhase, ObservationStack, ProjectedGravity
from ..robots import Robot
from .config import PPOConfig
from .networks import MLP, AbstractPolicy, MLPPolicy, MLPValue, SideMirror
from .normalise import RunningNorm

Stack = TypeVar("Stack")
MakePolicy = Callable[[Env, PPOConfig, PRNGKeyArray], AbstractPolicy]
"""Makes a policy of another kind than the multilayer perceptron."""


class Agent(eqx.Module):
    """What is learned: a policy and its value function."""

    policy: AbstractPolicy
    value: MLPValue


def critics(stacks: dict[str, Stack]) -> Stack:
    """What the value function sees of an env's stacks or observations: "critic", or where there is none, "policy"."""
    return stacks["critic" if "critic" in stacks else "policy"]


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
        mirror = env.physics.robot.mirror
        if config.symmetric and side is not None and mirror is not None:
            mirrors[role] = SideMirror(stack.mirror, mirror, side)
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

    It is the gait clock's sine, or where there is no clock the sideways part of gravity, which
    a robot on one foot, such as one in a plane, has no use for.
    """
    kinds = [(type(stack.terms[part.name]), part.start) for part in stack.layout]
    clocks = [start for kind, start in kinds if kind is GaitPhase]
    leans = [start + 1 for kind, start in kinds if kind is ProjectedGravity and len(robot.feet) > 1]
    return next(iter(clocks + leans), None)
