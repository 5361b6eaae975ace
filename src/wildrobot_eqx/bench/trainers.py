"""The comparison of trainers: our PPO and Brax's on the same env, networks, batches and steps, on two engines."""

import importlib.util
import logging
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..env import Env
from ..env.rollout import batch_step
from ..learn.networks import AbstractPolicy
from ..recipes.recipe import load_recipe
from ..runs.folder import RunFolder
from ..train.registry import trainer_of
from ..train.session import reopen, restore
from .train import run_apart, speed

_log = logging.getLogger(__name__)

# What Brax's PPO has no counterpart of is switched off in ours.
_EQUAL = ("learner.symmetric=false", "learner.decay_steps=null")  # of our own PPO; Brax's knows neither
_EPISODES = 64


def bench_trainers(
    recipe: str = "walk", steps: int = 100_000, seeds: int = 3, engines: tuple[str, ...] = ("native", "mjx")
) -> dict[str, Any]:
    """Train `recipe` for `steps` control steps with each trainer on each engine, every run in a new process.

    All start from an empty compilation cache. A case's figures are:

    - `first_update_s`: from process start to the first completed update, compiles included
      (the first seed's);
    - `steps_per_second`: control steps per second from the first update to the last;
    - `steps_per_second_from_start`: the same over the whole life of the process;
    - `cores_busy`: CPU seconds over wall seconds, of the whole process;
    - `returns`: per seed, the mean return of 64 episodes under the policy's mean action, on the
      native engine, from the same first states for all.

    `ours_given_the_time_of_brax` is our PPO on native, trained for the wall clock that Brax's
    took on MJX with the first seed. Without Brax only our own cases run.

    Raises:
        WildRobotError: a run failed.
    """
    with_brax = importlib.util.find_spec("brax") is not None
    cases = [(trainer, engine) for engine in engines for trainer in ("ppo", "brax-ppo")[: 1 + with_brax]]
    if not with_brax:
        _log.info("Brax is not installed, so only our own trainer runs: pip install 'wildrobot-eqx[brax]'")
    found: dict[str, Any] = {"steps": steps, "episodes": _EPISODES}
    with tempfile.TemporaryDirectory(prefix="wildrobot-eqx-bench-") as scratch:
        for seed in range(seeds):
            for trainer, physics in cases:
                name = f"{trainer}_{physics}".replace("-", "_")
                _log.info(f"training {recipe} with {trainer} on {physics}, seed {seed} ...")
                folder = Path(scratch) / f"{name}_{seed}"
                figures = _timed(recipe, trainer, physics, seed, steps, folder)
                case = found.setdefault(name, {**figures, "returns": []})
                case["returns"].append(_judged(folder))
                summary = ", ".join(f"{key} {value:,.1f}" for key, value in figures.items())
                _log.info(f"  {summary}, return {case['returns'][-1]:.1f}")
        if "brax_ppo_mjx" in found:
            found |= _compared(found)
            ours, theirs = found["ppo_native"], found["brax_ppo_mjx"]
            left = theirs["wall_s"] - ours["wall_s"] + steps / ours["steps_per_second"]
            more = max(steps, int(left * ours["steps_per_second"]))
            _log.info(f"training {recipe} with ppo on native for as long as Brax took on mjx: {more} steps ...")
            folder = Path(scratch) / "equal_time"
            figures = _timed(recipe, "ppo", "native", 0, more, folder)
            found["ours_given_the_time_of_brax"] = {
                "wall_s": figures["wall_s"],
                "steps": more,
                "return": _judged(folder),
            }
    return found


def _compared(found: dict[str, Any]) -> dict[str, float]:
    """The two figures that the comparison is about."""
    ours, theirs = found["ppo_native"], found["brax_ppo_mjx"]
    after = ours["steps_per_second"] / theirs["steps_per_second"]
    start = ours["steps_per_second_from_start"] / theirs["steps_per_second_from_start"]
    means = [statistics.fmean(found[name]["returns"]) for name in ("ppo_native", "brax_ppo_native")]
    return {
        "speed_of_ours_on_native_over_brax_on_mjx": after,
        "the_same_from_process_start": start,
        "return_of_ours_less_that_of_brax_on_native": means[0] - means[1],
    }


def _timed(recipe: str, trainer: str, physics: str, seed: int, steps: int, folder: Path) -> dict[str, float]:
    """One training in a process of its own."""
    own = [f"--trainer={trainer}", f"--physics={physics}", f"--seed={seed}"]
    before, began = os.times(), time.monotonic()
    run_apart(recipe, steps, _EQUAL if trainer == "ppo" else (), folder, folder.with_name(f"{folder.name}-cache"), own)
    wall, after = time.monotonic() - began, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        **speed(folder),
        "steps_per_second_from_start": steps / wall,
        "wall_s": wall,
        "cores_busy": cpu / wall,
    }


def _judged(folder: Path) -> float:
    """The mean return of the policy that a run has learned."""
    run = RunFolder.open(folder)
    recipe, _ = reopen(run, False)
    policy = trainer_of(run).policy(restore(recipe, run))
    native = load_recipe(recipe.name)(physics="native").env
    return float(_returns(native, policy, jax.random.key(1), int(native.episode_steps)))


@eqx.filter_jit
def _returns(env: Env, policy: AbstractPolicy, key: PRNGKeyArray, steps: int) -> Float[Array, ""]:
    """The mean over episodes of the sum of rewards until an episode ends."""
    state, timestep = jax.vmap(env.reset)(jax.random.split(key, _EPISODES))

    def step(loop: tuple[Any, ...], _: None) -> tuple[tuple[Any, ...], None]:
        state, obs, carry, alive, total = loop
        distribution, carry = policy(obs, carry)
        state, timestep = batch_step(env, state, distribution.mode())
        total = total + jnp.where(alive, timestep.reward, 0.0)
        return (state, timestep.obs["policy"], carry, alive & ~timestep.done, total), None

    carry = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (_EPISODES, *leaf.shape)), policy.init())
    loop = (state, timestep.obs["policy"], carry, jnp.ones(_EPISODES, bool), jnp.zeros(_EPISODES, jnp.float32))
    (*_, total), _ = jax.lax.scan(step, loop, length=steps)
    return jnp.mean(total)
