"""Nodes of an ONNX graph, written down one after the other."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Shaped

from ....errors import WildRobotError
from ....learn.networks import MLP, SideMirror
from ....learn.normalise import RunningNorm
from ...bundle.extra import require


class Graph:
    """Nodes and constants in the order they are added; names are counted."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def add(self, op: str, inputs: list[str], name: str = "", **attributes: Any) -> str:
        """One node; returns the name of its output."""
        name = name or f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(require("onnx").helper.make_node(op, inputs, [name], name=f"{op}:{name}", **attributes))
        return name

    def constant(self, name: str, value: Shaped[np.ndarray, "..."]) -> str:
        """One constant of finite numbers; returns its name.

        Raises:
            WildRobotError: it holds a number that is not finite.
        """
        self.check_finite(name, value)
        self.constants.append(require("onnx").numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def check_finite(self, name: str, value: Shaped[np.ndarray, "..."]) -> None:
        """Refuse weights that are not finite.

        Raises:
            WildRobotError: they are not.
        """
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise WildRobotError(
                f"The policy's {name} holds a number that is not finite.",
                where="the run's newest checkpoint",
                hint="the training has diverged: train it again",
                exit_code=1,
            )

    def known(self, value: Shaped[np.ndarray, "..."] | np.generic) -> str:
        """A constant of what JAX computes with, which may be infinity; equal ones are one. Returns its name."""
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            name = f"constant.{len(self._known) + 1}"
            self.constants.append(require("onnx").numpy_helper.from_array(array, name))
            self._known[key] = name
        return self._known[key]

    def where(self, which: str, yes: str, no: str, dtype: Any) -> str:
        """`yes` where the condition holds, else `no`; truths by logic, for onnxruntime chooses between numbers only."""
        if dtype != np.bool_:
            return self.add("Where", [which, yes, no])
        kept = [self.add("And", [which, yes]), self.add("And", [self.add("Not", [which]), no])]
        return self.add("Or", kept)

    def reached(self, outputs: list[str]) -> set[str]:
        """The names of everything that these outputs hang on, themselves included."""
        makers = {name: node for node in self.nodes for name in node.output}
        found: set[str] = set()
        waiting = list(outputs)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += makers[name].input if name in makers else []
        return found

    def prune(self, outputs: list[str]) -> None:
        """Leave out the nodes and constants that none of these outputs hangs on."""
        found = self.reached(outputs)
        self.nodes = [node for node in self.nodes if found & set(node.output)]
        self.constants = [constant for constant in self.constants if constant.name in found]

    def integers(self, name: str, values: list[int]) -> str:
        """A constant of whole numbers, such as a shape; returns its name."""
        return self.constant(name, np.array(values, np.int64))

    def normalise(self, x: str, norm: RunningNorm) -> str:
        """`clip((x - mean) / sd, -10, 10)`, as `RunningNorm` has it."""
        sd = np.sqrt(host(norm.var) + np.float32(1e-4))
        centred = self.add("Sub", [x, self.constant("norm.mean", host(norm.mean))])
        scaled = self.add("Div", [centred, self.constant("norm.sd", sd)])
        bounds = [self.constant(f"norm.{end}", np.array(v, np.float32)) for end, v in (("low", -10.0), ("high", 10.0))]
        return self.add("Clip", [scaled, *bounds])

    def mlp(self, x: str, mlp: MLP) -> str:
        """The layers, elu in between."""
        for i, (weight, bias) in enumerate(zip(mlp.weights, mlp.biases)):
            if i:
                x = self.add("Elu", [x], alpha=1.0)
            weights = [self.constant(f"mlp.{kind}.{i}", host(v)) for kind, v in (("weight", weight), ("bias", bias))]
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


def host(array: Any) -> Float[np.ndarray, "..."]:
    """The array in NumPy, float32."""
    return np.asarray(jax.device_get(array), np.float32)
