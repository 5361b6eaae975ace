"""A policy as an ONNX graph: what it does in evaluation, normaliser and symmetry included, in full precision."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Shaped

from ..errors import WildRobotError
from ..learn.networks import MLP, AbstractPolicy, MLPPolicy, SideMirror
from ..learn.normalise import RunningNorm
from ..learn.squashed import SquashedPolicy
from .extra import require

OPSET = 17
INPUT, OUTPUT = "observation", "action"
_IR_VERSION = 8  # of the time of that opset: old runtimes read it, too


def policy_kinds() -> list[str]:
    """The classes of policies that can be exported."""
    return [kind.__name__ for kind in _BODIES]


def policy_graph(policy: AbstractPolicy, size: int, metadata: dict[str, str]) -> bytes:
    """The ONNX model of a policy's mean action.

    Args:
        policy: a policy without a memory.
        size: length of its observation.
        metadata: kept in the model by name.

    Returns:
        The model: `observation` float32[1, size] to `action` float32[1, nu].

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
    graph = _Graph(size)
    nu = int(policy.log_std.size)
    graph.add("Identity", [body(graph, policy, size)], name=OUTPUT)
    tensor = onnx.TensorProto.FLOAT
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "policy",
            [onnx.helper.make_tensor_value_info(INPUT, tensor, [1, size])],
            [onnx.helper.make_tensor_value_info(OUTPUT, tensor, [1, nu])],
            graph.constants,
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="wildrobot-eqx",
    )
    onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


class _Graph:
    """Nodes and constants in the order they are added; names are counted."""

    def __init__(self, size: int):
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.size = size

    def add(self, op: str, inputs: list[str], name: str = "", **attributes: Any) -> str:
        """One node; returns the name of its output."""
        name = name or f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(require("onnx").helper.make_node(op, inputs, [name], name=f"{op}:{name}", **attributes))
        return name

    def constant(self, name: str, value: Shaped[np.ndarray, "..."]) -> str:
        """One constant; returns its name.

        Raises:
            WildRobotError: it holds a number that is not finite.
        """
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise WildRobotError(
                f"The policy's {name} holds a number that is not finite.",
                where="the run's newest checkpoint",
                hint="the training has diverged: train it again",
                exit_code=1,
            )
        self.constants.append(require("onnx").numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def normalise(self, x: str, norm: RunningNorm) -> str:
        """`clip((x - mean) / sd, -10, 10)`, as `RunningNorm` has it."""
        sd = np.sqrt(_host(norm.var) + np.float32(1e-4))
        centred = self.add("Sub", [x, self.constant("norm.mean", _host(norm.mean))])
        scaled = self.add("Div", [centred, self.constant("norm.sd", sd)])
        bounds = [self.constant(f"norm.{end}", np.array(v, np.float32)) for end, v in (("low", -10.0), ("high", 10.0))]
        return self.add("Clip", [scaled, *bounds])

    def mlp(self, x: str, mlp: MLP) -> str:
        """The layers, elu in between."""
        for i, (weight, bias) in enumerate(zip(mlp.weights, mlp.biases)):
            if i:
                x = self.add("Elu", [x], alpha=1.0)
            weights = [self.constant(f"mlp.{kind}.{i}", _host(v)) for kind, v in (("weight", weight), ("bias", bias))]
            x = self.add("Gemm", [x, *weights])
        return x

    def reflect(self, x: str, name: str, source: tuple[int, ...], sign: tuple[float, ...]) -> str:
        """`sign * x[source]`, as `Mirror` has it."""
        picked = self.add("Gather", [x, self.constant(f"{name}.source", np.array(source, np.int64))], axis=1)
        return self.add("Mul", [picked, self.constant(f"{name}.sign", np.array(sign, np.float32))])

    def symmetric(self, x: str, mirror: SideMirror | None, body: Callable[[str], str]) -> str:
        """`body`, reflected on one of the two sides, as `SideMirror` has it."""
        if mirror is None:
            return body(x)
        index = self.constant("mirror.index", np.array([mirror.index], np.int64))
        side = self.add("Gather", [x, index], axis=1)
        second = self.add("Less", [side, self.constant("mirror.zero", np.array(0.0, np.float32))])
        image = self.reflect(x, "mirror.observation", mirror.observation.source, mirror.observation.sign)
        mean = body(self.add("Where", [second, image, x]))
        turned = self.reflect(mean, "mirror.action", mirror.action.source, mirror.action.sign)
        return self.add("Where", [second, turned, mean])


def _host(array: Any) -> Float[np.ndarray, "..."]:
    return np.asarray(jax.device_get(array), np.float32)


def _mlp_policy(graph: _Graph, policy: MLPPolicy, size: int) -> str:
    return graph.symmetric(INPUT, policy.mirror, lambda x: graph.mlp(graph.normalise(x, policy.norm), policy.mlp))


def _squashed(graph: _Graph, policy: SquashedPolicy, size: int) -> str:
    return graph.add("Tanh", [graph.mlp(graph.normalise(INPUT, policy.norm), policy.mlp)])


_BODIES: dict[type, Callable[[_Graph, Any, int], str]] = {MLPPolicy: _mlp_policy, SquashedPolicy: _squashed}
