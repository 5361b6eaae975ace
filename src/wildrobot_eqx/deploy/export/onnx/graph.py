"""A policy as an ONNX graph: what it does in evaluation, history, normaliser and symmetry included, in full precision.

What lasts from one control step to the next are inputs and outputs of the graph: ONNX has no
other state. All of it is zero in an episode's first step, so that whoever runs the file
needs to know nothing else of it: by `started` the graph knows that a history is yet to be
filled, and that a memory is to be that of an episode's start.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ....errors import WildRobotError
from ....learn.networks import AbstractPolicy, MLPPolicy
from ....learn.squashed import SquashedPolicy
from ...bundle.contract import PolicyState
from ...bundle.extra import require
from .nodes import Graph
from .trace import trace_policy

OPSET = 17
INPUT, OUTPUT = "observation", "action"
_HISTORY, _MEMORY, _STARTED, _NEXT = "history", "memory", "started", "next_"
_IR_VERSION = 8  # of the time of that opset: old runtimes read it, too


def memory_names(policy: AbstractPolicy) -> tuple[str, ...]:
    """The names that the graph gives the leaves of a policy's memory."""
    n = len(jax.tree.leaves(policy.init()))
    return (_MEMORY,) if n == 1 else tuple(f"{_MEMORY}_{i}" for i in range(n))


def policy_memory(policy: AbstractPolicy) -> dict[str, Float[np.ndarray, "..."]]:
    """A policy's memory at the start of an episode, by `memory_names`.

    Raises:
        WildRobotError: a leaf is no float32 array.
    """
    leaves = [np.asarray(jax.device_get(leaf)) for leaf in jax.tree.leaves(policy.init())]
    for leaf in leaves:
        if leaf.dtype != np.float32:
            raise WildRobotError(
                f"The policy, a {type(policy).__name__}, remembers {leaf.dtype.name}, and a bundle hands on float32.",
                where="its init()",
                hint="keep the memory in float32 arrays",
            )
    return dict(zip(memory_names(policy), leaves))


def policy_states(policy: AbstractPolicy, size: int, history: int = 1) -> tuple[PolicyState, ...]:
    """What the graph of `policy_graph` hands on, in the order of its inputs."""
    memory = policy_memory(policy)
    states: list[tuple[str, str, tuple[int, ...]]] = []
    if history > 1:
        states.append((_HISTORY, _HISTORY, (1, history, size)))
    states += [(_MEMORY, name, (1, *start.shape)) for name, start in memory.items()]
    if history > 1 or any(start.any() for start in memory.values()):
        states.append((_STARTED, _STARTED, (1, 1)))
    return tuple(PolicyState(kind, name, f"{_NEXT}{name}", shape) for kind, name, shape in states)


def policy_graph(policy: AbstractPolicy, size: int, metadata: dict[str, str], history: int = 1) -> bytes:
    """The ONNX model of a policy's most likely action, the mode of its distribution.

    Args:
        policy: the shipped kinds have graphs of their own; JAX traces any other.
        size: length of one moment's observation.
        metadata: kept in the model by name.
        history: how many moments the policy sees.

    Returns:
        The model: `observation` float32[1, size] to `action` float32[1, nu], and one input and one output for
        each of `policy_states`.

    Raises:
        WildRobotError: it computes with what an exported policy cannot, or holds a number that is not finite.
    """
    graph = Graph()
    states = policy_states(policy, size, history)
    started = add_started(graph) if any(state.kind == _STARTED for state in states) else ""
    add_policy(graph, policy, INPUT, size, history, started)
    handed = [(state.input, list(state.shape)) for state in states]
    after = [(state.output, list(state.shape)) for state in states]
    nu = action_size(policy, history * size)
    return as_model(graph, [(INPUT, [1, size]), *handed], [(OUTPUT, [1, nu]), *after], metadata)


def add_started(graph: Graph) -> str:
    """The input that is 0 in an episode's first step and 1 after it; returns the name of the condition "after it"."""
    graph.add("Identity", [graph.constant("started.one", np.ones((1, 1), np.float32))], name=f"{_NEXT}{_STARTED}")
    return graph.add("Greater", [_STARTED, graph.constant("started.zero", np.array(0.0, np.float32))])


def add_policy(graph: Graph, policy: AbstractPolicy, moment: str, size: int, history: int, started: str) -> None:
    """Add the policy: from the observation `moment` of one moment to `action`, its states handed on.

    `started` is needed where there is a history, or a memory that does not start at zero.
    """
    observation = moment if history == 1 else _remember(graph, moment, started, size, history)
    body = _BODIES.get(type(policy))
    if body is None:
        memory = [_recall(graph, started, name, start) for name, start in policy_memory(policy).items()]
        action, *after = trace_policy(graph, policy, observation, history * size, memory)
        for name, value in zip(memory_names(policy), after):
            graph.add("Identity", [value], name=f"{_NEXT}{name}")
    else:
        action = body(graph, policy, observation)
    graph.add("Identity", [action], name=OUTPUT)


def as_model(
    graph: Graph,
    inputs: list[tuple[str, list[int]]],
    outputs: list[tuple[str, list[int]]],
    metadata: dict[str, str],
    opset: int = OPSET,
) -> bytes:
    """The graph as a file; inputs and outputs are float32, each with a name and a shape."""
    onnx = require("onnx")

    def tensors(named: list[tuple[str, list[int]]]) -> list[Any]:
        return [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in named]

    model = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "policy", tensors(inputs), tensors(outputs), graph.constants),
        opset_imports=[onnx.helper.make_opsetid("", opset)],
        ir_version=_IR_VERSION,
        producer_name="wildrobot-eqx",
    )
    onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def action_size(policy: AbstractPolicy, size: int) -> int:
    """Length of a policy's action, of an observation of that length."""
    return jax.eval_shape(lambda obs: _mode(policy, obs), jnp.zeros((1, size), jnp.float32)).shape[-1]


def _mode(policy: AbstractPolicy, obs: Float[Array, "1 nobs"]) -> Float[Array, "1 nu"]:
    memory = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], policy.init())
    return policy(obs, memory)[0].mode()


def _remember(graph: Graph, moment: str, started: str, size: int, history: int) -> str:
    """The newest observation before the older ones, as `ObservationStack` has it; returns all of them as one row."""
    now = graph.add("Reshape", [moment, graph.integers("history.moment", [1, 1, size])])
    ends = [graph.integers(f"history.{name}", [at]) for name, at in (("first", 0), ("last", history - 1), ("axis", 1))]
    older = graph.add("Slice", [_HISTORY, *ends])
    # Before an episode's first reading stands that reading.
    older = graph.add("Where", [started, older, now])
    observation = graph.add("Concat", [now, older], name=f"{_NEXT}{_HISTORY}", axis=1)
    return graph.add("Reshape", [observation, graph.integers("history.row", [1, history * size])])


def _recall(graph: Graph, started: str, name: str, start: Float[np.ndarray, "..."]) -> str:
    """A leaf of the memory: what it was at the start, before there is any."""
    if not start.any():
        return name
    flat = graph.add("Reshape", [started, graph.integers(f"{name}.one", [1] * (1 + start.ndim))])
    return graph.add("Where", [flat, name, graph.constant(f"{name}.start", start[None])])


def _mlp_policy(graph: Graph, policy: MLPPolicy, observation: str) -> str:
    return graph.symmetric(observation, policy.mirror, lambda x: graph.mlp(graph.normalise(x, policy.norm), policy.mlp))


def _squashed(graph: Graph, policy: SquashedPolicy, observation: str) -> str:
    return graph.add("Tanh", [graph.mlp(graph.normalise(observation, policy.norm), policy.mlp)])


_BODIES: dict[type, Callable[[Graph, Any, str], str]] = {MLPPolicy: _mlp_policy, SquashedPolicy: _squashed}
