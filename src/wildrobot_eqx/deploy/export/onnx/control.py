"""One graph from readings to targets: the robot's part of an env, its policy in the middle."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ....errors import WildRobotError
from ....learn.networks import AbstractPolicy
from ...bundle.contract import (
    ACTION,
    COMMAND,
    OBSERVATION,
    POSITIONS,
    SENSOR,
    SWITCHES,
    TARGET,
    VELOCITIES,
    PolicyState,
)
from ...bundle.extra import require
from ..robot_side import Measured, RobotSide, StepState
from .graph import add_policy, add_started, as_model, policy_states
from .nodes import Graph
from .trace import Known, Refused, Value, trace

_STARTED, _NEXT = "started", "next_"


@dataclasses.dataclass(frozen=True)
class ControlGraph:
    """The file, and what goes in and comes out beside the outputs observation, action and target."""

    model: bytes
    inputs: tuple[tuple[str, int], ...]  # what is read, by name and length
    states: tuple[PolicyState, ...]  # what is handed on


def control_graph(
    side: RobotSide, reads: set[str], policy: AbstractPolicy, history: int, metadata: dict[str, str]
) -> ControlGraph:
    """The ONNX model of a control step.

    Args:
        side: what the robot computes beside the policy.
        reads: what that reads, as `RobotSide.reads` has it.
        policy: its distribution's mode is the action.
        history: how many moments the policy sees.
        metadata: kept in the model by name.

    Raises:
        WildRobotError: something in it cannot be written down.
    """
    graph, size = Graph(), side.stack.size
    reading, unknown = side.blank()
    started = add_started(graph)
    first = graph.add("Reshape", [graph.add("Not", [started]), graph.integers("started.scalar", [])])
    names, leaves, tree = _leaves(side.init())
    before = [_recalled(graph, name, leaf) for name, leaf in zip(names, leaves)]
    values, read = _read(graph, side, reading, reads)
    hidden = [Known(leaf) for leaf in jax.tree.leaves(unknown)]

    def observe(first: Any, *rest: Any) -> tuple[Any, StepState]:
        state = jax.tree.unflatten(tree, rest[: len(leaves)])
        measured = jax.tree.unflatten(jax.tree.structure(reading), rest[len(leaves) : len(leaves) + len(values)])
        return side.observe(
            first, state, measured, jax.tree.unflatten(jax.tree.structure(unknown), rest[-len(hidden) :])
        )

    def act(first: Any, action: Any, *rest: Any) -> tuple[Any, StepState]:
        return side.act(first, jax.tree.unflatten(tree, rest), action)

    subject = "The robot's part of the env, its commands, observation terms or controller,"
    flag = jax.ShapeDtypeStruct((), bool)
    specs = [flag, *leaves, *jax.tree.leaves(reading), *jax.tree.leaves(unknown)]
    observation, *middle = trace(graph, observe, [first, *before, *values, *hidden], specs, subject)
    graph.add("Reshape", [_written(observation), graph.integers("observation.row", [1, size])], name=OBSERVATION)
    add_policy(graph, policy, OBSERVATION, size, history, started)
    action = graph.add("Reshape", [ACTION, graph.integers("action.vector", [side.controller.action_size])])
    acted = jax.ShapeDtypeStruct((side.controller.action_size,), jnp.float32)
    target, *after = trace(graph, act, [first, action, *middle], [flag, acted, *leaves], subject)
    nu = side.robot.nu
    graph.add("Reshape", [_written(target), graph.integers("target.row", [1, nu])], name=TARGET)
    states = _hand_on(graph, side, policy, history, names, leaves, after)
    ends = [(OBSERVATION, [1, size]), (ACTION, [1, side.controller.action_size]), (TARGET, [1, nu])]
    outputs = [*ends, *((state.output, list(state.shape)) for state in states)]
    graph.prune([name for name, _ in outputs])
    used = graph.reached([name for name, _ in outputs])
    inputs = tuple((name, length) for name, length in read if name in used)
    taken = [(name, [1, length]) for name, length in inputs]
    handed = [(state.input, list(state.shape)) for state in states]
    return ControlGraph(as_model(graph, taken + handed, outputs, metadata), inputs, states)


def _read(
    graph: Graph, side: RobotSide, reading: Measured, needed: set[str]
) -> tuple[list[Value], list[tuple[str, int]]]:
    """The readings' leaves as vectors in the graph, in the tree's order; and the inputs that they come from."""
    named = {".command": COMMAND, ".joint_positions": POSITIONS, ".joint_velocities": VELOCITIES}
    named |= {".foot_switches": SWITCHES, **{f".sensors['{name}']": f"{SENSOR}{name}" for name in side.sensors}}
    values: list[Value] = []
    read: list[tuple[str, int]] = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(reading):
        name = named[jax.tree_util.keystr(path)]
        short = name.removeprefix(SENSOR)
        if short not in needed or not leaf.size:
            values.append(Known(leaf))
            continue
        read.append((name, leaf.size))
        values.append(graph.add("Reshape", [name, graph.known(np.array([leaf.size], np.int64))]))
    return values, read


def _hand_on(
    graph: Graph,
    side: RobotSide,
    policy: AbstractPolicy,
    history: int,
    names: list[str],
    leaves: list[Any],
    after: list[Any],
) -> tuple[PolicyState, ...]:
    """The states that a result hangs on, now or in a later step; the others are left out.

    Raises:
        WildRobotError: one of them cannot be written down.
    """
    own = [state for state in policy_states(policy, side.stack.size, history) if state.kind != _STARTED]
    started = PolicyState(_STARTED, _STARTED, f"{_NEXT}{_STARTED}", (1, 1))
    known = {state.input: state for state in (*own, started)}
    for name, leaf, value in zip(names, leaves, after):
        if not leaf.size:
            continue
        known[name] = PolicyState("step", name, f"{_NEXT}{name}", (1, *leaf.shape))
        if not isinstance(value, Refused):
            _handed(graph, name, leaf, value)
    refused = {name: value.error for name, value in zip(names, after) if isinstance(value, Refused)}
    live: set[str] = {state.input for state in own}
    while True:
        roots = [OBSERVATION, ACTION, TARGET, *(known[name].output for name in sorted(live) if name not in refused)]
        found = (graph.reached(roots) & set(known)) | live
        if found == live:
            break
        live = found
    for name in sorted(live & set(refused)):
        raise refused[name]
    return tuple(state for name, state in known.items() if name in live)


def _leaves(state: StepState) -> tuple[list[str], list[Any], Any]:
    """Of a state: the leaves' names in the graph, shapes and dtypes, and the tree."""
    names, leaves = [], []
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        parts = [str(getattr(key, "name", getattr(key, "key", getattr(key, "idx", key)))) for key in path]
        names.append(".".join(["state", *parts]))
        leaves.append(jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)))
    return names, leaves, jax.tree.structure(state)


def _recalled(graph: Graph, name: str, leaf: Any) -> Value:
    """A leaf of the state, from the input that hands it on: that is float32, with a first axis of 1."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return Refused(
            WildRobotError(
                f"The state {name!r} is a random key, which a bundle cannot hand on.",
                where="env.commands, env.observations['policy']",
                hint="draw in sample, from the key that is given there",
            )
        )
    if not leaf.size:  # nothing to hand on, such as the past of a history of one moment
        return Known(np.zeros(leaf.shape, leaf.dtype))
    flat = graph.add("Reshape", [name, graph.known(np.array(leaf.shape, np.int64))])
    return flat if leaf.dtype == jnp.float32 else _cast(graph, flat, leaf.dtype)


def _handed(graph: Graph, name: str, leaf: Any, value: str) -> None:
    flat = value if leaf.dtype == jnp.float32 else _cast(graph, value, jnp.dtype(jnp.float32))
    graph.add("Reshape", [flat, graph.known(np.array([1, *leaf.shape], np.int64))], name=f"{_NEXT}{name}")


def _cast(graph: Graph, value: str, dtype: Any) -> str:
    kinds = {"float32": "FLOAT", "int32": "INT32", "bool": "BOOL"}
    return graph.add("Cast", [value], to=getattr(require("onnx").TensorProto, kinds[np.dtype(dtype).name]))


def _written(value: Any) -> str:
    if isinstance(value, Refused):
        raise value.error
    return value
