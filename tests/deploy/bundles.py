"""Bundles to test with, made without training, and ways to tamper with them."""

import copy
import dataclasses
import functools
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from helpers import shifted

from wildrobot_eqx import PPO, Env, NativePhysics, ObservationStack, load_recipe, load_robot
from wildrobot_eqx.controllers import Delay, LowPass
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.bundle.contract import FILE, contract_digest, read_contract
from wildrobot_eqx.deploy.export.export import bundle_files
from wildrobot_eqx.deploy.player.player import Player
from wildrobot_eqx.evaluate.rollout import judged_env
from wildrobot_eqx.learn.agent import make_agent
from wildrobot_eqx.learn.networks import AbstractPolicy
from wildrobot_eqx.paths import data_dir
from wildrobot_eqx.terms import FootSwitches

Files = dict[str, bytes]


@functools.cache
def env_and_policy(
    name: str, history: int = 1, calm: bool = False, switches: Path | None = None
) -> tuple[Env, AbstractPolicy]:
    """A shipped recipe's env, and a policy of random weights that answers to every part of its observation.

    The hopper's controller has a filter and a delay on top. With a `history` the policy sees so many moments; a
    `calm` one hardly moves. With `switches`, an empty folder for its robot, the policy reads the switches of its feet.
    """
    recipe = load_recipe(name)()
    env = judged_env(recipe.env, 0.005)
    env = eqx.tree_at(lambda e: e.commands["velocity"].deadband, env, recipe.env.commands["velocity"].deadband)
    if env.observations["policy"].sensing:  # a robot brings its own
        env = eqx.tree_at(lambda e: e.observations["policy"].sensing, env, {})
    if history > 1:
        stack = ObservationStack(env.observations["policy"].terms, history=history)
        env = eqx.tree_at(lambda e: e.observations["policy"], env, stack)
    if switches is not None:
        env = _with_switches(env, switches)
    if name == "hop":
        home = env.physics.robot.home_joints
        inner = LowPass(LowPass(env.controller, home, 0.6), home, 0.9)
        env = eqx.tree_at(lambda e: e.controller, env, Delay(inner, home, 2))
    policy = make_agent(env, PPO(hidden=(16, 16)), jax.random.key(shifted(3))).policy
    rng = np.random.default_rng(shifted(0))
    size = env.observations["policy"].size
    norm = dataclasses.replace(
        policy.norm,
        mean=jnp.asarray(rng.normal(size=size) * 0.1, jnp.float32),
        var=jnp.asarray(rng.uniform(0.3, 2.0, size), jnp.float32),
    )
    last = policy.mlp.weights[-1] * (1.0 if calm else 15.0)
    bias = jnp.asarray(rng.normal(size=policy.mlp.biases[0].shape) * 0.1, jnp.float32)
    policy = eqx.tree_at(lambda p: (p.norm, p.mlp.weights[-1], p.mlp.biases[0]), policy, (norm, last, bias))
    return env, policy


def _with_switches(env: Env, folder: Path) -> Env:
    """The env, its robot loaded from a copy that has a switch in each foot, which the policy reads."""
    shutil.copytree(data_dir("robots") / env.physics.robot.name, folder, dirs_exist_ok=True)
    toml = folder / "robot.toml"
    toml.write_text(re.sub(r"(\[feet\.\w+\])", r"\1\nswitch = true", toml.read_text()))
    robot, stack = load_robot(folder), env.observations["policy"]
    terms = {**{name: stack.terms[name] for name in stack.names}, "switches": FootSwitches(robot, threshold=0.3)}
    physics = NativePhysics(robot, timestep=env.physics.timestep)
    return eqx.tree_at(lambda e: (e.physics, e.observations["policy"]), env, (physics, ObservationStack(terms)))


def gate(env: Env, required: list[float], lines: list[dict[str, Any]]) -> dict[str, Any]:
    """A verdict as `eval.json` has it, short enough for a test."""
    failed = [line["name"] for line in lines if not line["passed"]]
    return {
        "passed": not failed,
        "provisional": None,
        "episodes": 1,
        "failed": failed,
        "lines": lines,
        "required": required,
        "seconds": 1.0,
        "warmup": 0.2,
        "judge": "WalkGate",
    }


def make_files(
    name: str,
    verdict: Callable[[Env], dict[str, Any] | None] = lambda env: None,
    history: int = 1,
    calm: bool = False,
    switches: Path | None = None,
) -> Files:
    """The files of a recipe's bundle."""
    env, policy = env_and_policy(name, history, calm, switches)
    return bundle_files(env, policy, {"recipe": name}, verdict(env), lambda text: None)


def opened(files: Files) -> Bundle:
    """The bundle, without the checks of its hashes: what it says is taken for true."""
    return Bundle(read_contract(files[FILE]), {n: data for n, data in files.items() if n != FILE}, "bundle")


def tampered(files: Files, change: Callable[[dict[str, Any], Files], None]) -> Files:
    """The files after `change(contract, files)`, by somebody who puts all hashes right again."""
    new = dict(files)
    document = copy.deepcopy(json.loads(new.pop(FILE)))
    change(document, new)
    document["files"] = {
        n: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for n, data in sorted(new.items())
    }
    return {**new, FILE: sealed(document)}


def sealed(document: dict[str, Any]) -> bytes:
    """The contract as a file, its digest put right."""
    try:
        digest = contract_digest(document)
    except ValueError:  # it holds what JSON cannot
        digest = "0" * 64
    return json.dumps({**document, "digest": digest}, indent=2).encode()


def readings(player: Player, k: int, **changes) -> dict:
    """What the robot reads in control step `k`: its home pose, upright and at rest."""
    contract = player.bundle.contract
    sensors = {
        s["name"]: [1.0, 0.0, 0.0, 0.0] if s["kind"] == "orientation" else [0.0] * s["size"]
        for s in contract.document["sensors"]
    }
    return {
        "time": 100.0 + k * player.dt,
        "joint_positions": dict(zip(contract.joints, contract.home.tolist())),
        "joint_velocities": dict.fromkeys(contract.joints, 0.0),
        "command": {"speed": 0.1},
        **({"foot_switches": dict.fromkeys(contract.feet, True)} if contract.feet else {}),
        **sensors,
        **changes,
    }
