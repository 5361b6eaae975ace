"""Bundles to test with, made without training, and ways to tamper with them."""

import copy
import dataclasses
import functools
import hashlib
import io
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
import onnx

from wildrobot_eqx import PPO, Env, NativePhysics, ObservationStack, load_recipe, load_robot
from wildrobot_eqx.controllers import Delay, LowPass
from wildrobot_eqx.deploy.bundle.bundle import GOLDEN, Bundle
from wildrobot_eqx.deploy.bundle.contract import FILE, contract_digest, observation_digest
from wildrobot_eqx.deploy.bundle.read import read_contract
from wildrobot_eqx.deploy.export.export import _arrays, bundle_files
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
    env = judged_env(recipe.env, min(0.005, recipe.env.physics.timestep))
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
    config = PPO(hidden=(16, 16), symmetric=recipe.learner.symmetric)
    # Weights that no seed moves: some amplified ones hardly move a cart, others drive an arm into chaos.
    policy = make_agent(env, config, jax.random.key(3)).policy
    rng = np.random.default_rng(0)
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
    return bundle_files(env, policy, {"recipe": name}, verdict(env))


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


def regraphed(change: Callable[[onnx.GraphProto], None]) -> Callable[[dict[str, Any], Files], None]:
    """A change of a bundle's graph, for `tampered`."""

    def apply(document: dict[str, Any], files: Files) -> None:
        model = onnx.load_model_from_string(files["policy.onnx"])
        change(model.graph)
        files["policy.onnx"] = model.SerializeToString()

    return apply


def constant(name: str, change: Callable[[np.ndarray], Any]) -> Callable[[onnx.GraphProto], None]:
    """A change of one of a graph's constants."""

    def apply(graph: onnx.GraphProto) -> None:
        (tensor,) = (tensor for tensor in graph.initializer if tensor.name == name)
        old = onnx.numpy_helper.to_array(tensor)
        new = np.broadcast_to(np.asarray(change(old.copy()), old.dtype), old.shape)
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(new).reshape(old.shape), name))

    return apply


def constants(was: Any, now: Any) -> Callable[[onnx.GraphProto], None]:
    """A change of a graph's constants, known by the numbers that they hold; there must be one of them."""
    was = np.asarray(was)

    def apply(graph: onnx.GraphProto) -> None:
        arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        (name,) = (n for n, a in arrays.items() if a.dtype == np.float32 and a.shape == was.shape and (a == was).all())
        constant(name, lambda _: now)(graph)

    return apply


def spliced(name: str, nodes: list[onnx.NodeProto], *more: onnx.TensorProto) -> Callable[[onnx.GraphProto], None]:
    """Nodes put behind what a graph calls `name`: they read it as "own" and give it back under its name."""

    def apply(graph: onnx.GraphProto) -> None:
        (at,) = (i for i, node in enumerate(graph.node) if name in node.output)
        graph.node[at].output[0] = "own"
        for i, node in enumerate(nodes):
            graph.node.insert(at + 1 + i, node)
        graph.initializer.extend(more)

    return apply


def amplified(factor: float) -> Callable[[dict[str, Any], Files], None]:
    """The targets go `factor` times as far from rest, whatever the policy's own."""

    def apply(document: dict[str, Any], files: Files) -> None:
        rest = np.float32([[joint["target"]["rest"] for joint in document["joints"]]])
        tensors = [
            onnx.numpy_helper.from_array(value, name)
            for name, value in (("spliced.rest", rest), ("spliced.factor", np.float32([[factor]])))
        ]
        node = onnx.helper.make_node
        nodes = [
            node("Sub", ["own", "spliced.rest"], ["spliced.off"]),
            node("Mul", ["spliced.off", "spliced.factor"], ["spliced.far"]),
            node("Add", ["spliced.far", "spliced.rest"], ["target"]),
        ]
        regraphed(spliced("target", nodes, *tensors))(document, files)

    return apply


def restamped(document: dict[str, Any], files: Files) -> None:
    """The graph's own mark of what its vectors mean, made that of the contract."""
    model = onnx.load_model_from_string(files["policy.onnx"])
    onnx.helper.set_model_props(model, {"observation": observation_digest(document)})
    files["policy.onnx"] = model.SerializeToString()


def spoilt_rows(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[dict[str, Any], Files], None]:
    """A change of one of the golden vectors, for `tampered`."""

    def apply(document: dict[str, Any], files: Files) -> None:
        with np.load(io.BytesIO(files[GOLDEN])) as arrays:
            rows = {n: arrays[n] for n in arrays.files}
        rows[name] = change(rows[name].copy())
        files[GOLDEN] = _arrays(rows)

    return apply


def with_rows(bundle: Bundle, rows: dict[str, np.ndarray]) -> Bundle:
    """The bundle with other golden vectors."""
    return Bundle(bundle.contract, {**bundle.files, GOLDEN: _arrays(rows)}, "bundle")


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
    channels = [channel.name for channel in contract.channels]
    sensors = {
        s["name"]: [1.0, 0.0, 0.0, 0.0] if s["kind"] == "orientation" else [0.0] * s["size"]
        for s in contract.document["sensors"]
    }
    return {
        "time": 100.0 + k * player.dt,
        "joint_positions": {
            **dict.fromkeys(contract.measured, 0.0),
            **dict(zip(contract.joints, contract.home.tolist())),
        },
        "joint_velocities": dict.fromkeys(contract.measured, 0.0),
        "command": {"lin_vel_x": 0.1} if "lin_vel_x" in channels else {},
        **({"foot_switches": dict.fromkeys(contract.feet, True)} if contract.feet else {}),
        **sensors,
        **changes,
    }
