"""A policy as an ONNX graph: what it does in evaluation, history, normaliser and symmetry included, in full precision.

What lasts from one control step to the next are inputs and outputs of the graph: ONNX has no
other state. All of it is zero in an episode's first step, so that whoever runs the file
needs to know nothing else of it: `begun` tells the graph that a history is yet to be filled.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ..errors import WildRobotError
from ..learn.networks import AbstractPolicy, MLPPolicy
from ..learn.squashed import SquashedPolicy
from .contract import State
from .extra import require
from .graph_nodes import Graph

OPSET = 17
INPUT, OUTPUT = "observation", "action"
_HISTORY, _BEGUN, _NEXT = "history", "begun", "next_"
_IR_VERSION = 8  # of the time of that opset: old runtimes read it, too


def policy_kinds() -> list[str]:
    """The classes of policies that can be exported."""
    return [kind.__name__ for kind in _BODIES]


def policy_states(policy: AbstractPolicy, size: int, history: int = 1) -> tuple[State, ...]:
    """What the graph of `policy_graph` hands on, in the order of its inputs."""
    if history == 1:
        return ()
    shapes = {_HISTORY: (1, history, size), _BEGUN: (1, 1)}
    return tuple(State(name, name, f"{_NEXT}{name}", shape) for name, shape in shapes.items())


def policy_graph(policy: AbstractPolicy, size: int, metadata: dict[str, str], history: int = 1) -> bytes:
    """The ONNX model of a policy's mean action.

    Args:
        policy: a policy without a memory.
        size: length of one moment's observation.
        metadata: kept in the model by name.
        history: how many moments the policy sees.

    Returns:
        The model: `observation` float32[1, size] to `action` float32[1, nu], and one input and one output for
        each of `policy_states`.

    Raises:
        WildRobotError: it has a memory, is of a kind that has no graph yet, or holds a number that is not finite.
    """
    onnx = require("onnx")
    body = _BODIES.get(type(policy))
    if body is None:
        memory = jax.tree.leaves(policy.init())
        why = "has a memory" if memory else "is of a kind"
        raise WildRobotError(
            f"The policy, a {type(policy).__name__}, {why} that an exported policy cannot have yet.",
            where="deploy/graph.py",
            hint=f"what can be exported: {', '.join(policy_kinds())}; write its graph beside theirs",
        )
    graph = Graph()
    states = policy_states(policy, size, history)
    nu = int(policy.log_std.size)
    seen = INPUT if history == 1 else _remember(graph, size, history)
    graph.add("Identity", [body(graph, policy, seen)], name=OUTPUT)

    def tensors(named: list[tuple[str, list[int]]]) -> list[Any]:
        return [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in named]

    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "policy",
            tensors([(INPUT, [1, size]), *((state.input, list(state.shape)) for state in states)]),
            tensors([(OUTPUT, [1, nu]), *((state.output, list(state.shape)) for state in states)]),
            graph.constants,
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="wildrobot-eqx",
    )
    onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _remember(graph: Graph, size: int, history: int) -> str:
    """The newest observation before the older ones, as `ObservationStack` has it; returns all of them as one row."""
    now = graph.add("Reshape", [INPUT, graph.integers("history.moment", [1, 1, size])])
    ends = [graph.integers(f"history.{name}", [at]) for name, at in (("first", 0), ("last", history - 1), ("axis", 1))]
    older = graph.add("Slice", [_HISTORY, *ends])
    begun = graph.add("Greater", [_BEGUN, graph.constant("begun.zero", np.array(0.0, np.float32))])
    # Before an episode's first reading stands that reading.
    older = graph.add("Where", [begun, older, now])
    seen = graph.add("Concat", [now, older], name=f"{_NEXT}{_HISTORY}", axis=1)
    one = graph.constant("begun.one", np.ones((1, 1), np.float32))
    graph.add("Identity", [one], name=f"{_NEXT}{_BEGUN}")
    return graph.add("Reshape", [seen, graph.integers("history.row", [1, history * size])])


def _mlp_policy(graph: Graph, policy: MLPPolicy, seen: str) -> str:
    return graph.symmetric(seen, policy.mirror, lambda x: graph.mlp(graph.normalise(x, policy.norm), policy.mlp))


def _squashed(graph: Graph, policy: SquashedPolicy, seen: str) -> str:
    return graph.add("Tanh", [graph.mlp(graph.normalise(seen, policy.norm), policy.mlp)])


_BODIES: dict[type, Callable[[Graph, Any, str], str]] = {MLPPolicy: _mlp_policy, SquashedPolicy: _squashed}
