"""What is learned: a policy and its value function, sized by an env's layouts."""

import logging
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

_log = logging.getLogger(__name__)

Stack = TypeVar("Stack")
MIRROR_FIX = (
    "set learner.symmetric=false (PPO(symmetric=False)), or give the part a `mirror`; that of joints comes from "
    "'mirror_pairs' in robot.toml"
)
MakePolicy = Callable[[Env, PPO, PRNGKeyArray], AbstractPolicy]
"""Makes a policy of another kind than the multilayer perceptron."""


class Agent(eqx.Module):
    """What is learned: a policy and its value function."""

    policy: AbstractPolicy
    value: AbstractValue


def critic_role(stacks: Mapping[str, Any]) -> str:
    """The name of what the value function sees of an env's stacks or observations: "critic", else "policy"."""
    return "critic" if "critic" in stacks else "policy"


def critic_view(stacks: Mapping[str, Stack]) -> Stack:
    """What the value function sees of an env's stacks or observations."""
    return stacks[critic_role(stacks)]


def without_mirror(env: Env) -> dict[str, str]:
    """The parts between a policy's observation and its actions that know no mirror image, by place in the env."""
    found = {} if "policy" not in env.observations else _terms_without_mirror(env, "policy")
    if env.controller.mirror is None:
        found["controller"] = type(env.controller).__name__
    return found


def _terms_without_mirror(env: Env, role: str) -> dict[str, str]:
    terms = env.observations[role].terms
    return {
        f"observations.{role}.terms.{name}": type(terms[name]).__name__
        for name in env.observations[role].names
        if terms[name].mirror is None
    }


def need_mirrors(env: Env) -> None:
    """Refuse an env for a symmetric policy where a part of it knows no mirror image.

    Raises:
        WildRobotError: one does not; it is named.
    """
    found = without_mirror(env)
    if found:
        first = next(iter(found))
        names = ", ".join(f"{kind} ({place})" for place, kind in found.items())
        raise WildRobotError(
            f"The policy is to be left-right symmetric, and no mirror image is known of: {names}.",
            where=f"env.{first}, learner.symmetric",
            hint=MIRROR_FIX,
        )


def make_agent(env: Env, config: PPO, key: PRNGKeyArray, make_policy: MakePolicy | None = None) -> Agent:
    """Fresh networks, sized by the env's layouts.

    A policy of `make_policy` looks after its own symmetry. A value function whose terms know no mirror
    image stays plain beside a symmetric policy, and a line of the log says so.

    Raises:
        WildRobotError: the env has no observation called "policy", or the policy is to be symmetric and
            a part of the env has no mirror image.
    """
    key_policy, key_value = jax.random.split(key)
    if "policy" not in env.observations:
        raise WildRobotError(
            "The env has no observation called 'policy'.",
            where=f"env.observations: {', '.join(env.observations) or 'none'}",
            hint='name one of the stacks "policy"; one called "critic" is optional',
        )
    if make_policy is None and config.symmetric:
        need_mirrors(env)
    stacks = {"policy": env.observations["policy"], "critic": critic_view(env.observations)}
    mirrors: dict[str, SideMirror | None] = dict.fromkeys(stacks)
    for role, stack in stacks.items():
        obs_mirror, action_mirror, side = stack.mirror, env.controller.mirror, stack.side
        if config.symmetric and obs_mirror is not None and action_mirror is not None and side is not None:
            mirrors[role] = SideMirror(obs_mirror, action_mirror, side)
    if mirrors["policy"] is not None and (plain := _terms_without_mirror(env, critic_role(env.observations))):
        _log.warning("The value function is not symmetric as the policy is: no mirror image of %s", ", ".join(plain))
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
