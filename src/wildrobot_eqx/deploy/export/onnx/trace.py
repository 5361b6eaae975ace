"""Any policy as nodes of an ONNX graph: JAX traces it, and each of its operations is written down as ONNX has it.

What JAX computes with besides (loops, random numbers, ...) is refused by name. Source of
the operators: ONNX's operator schemas, opset 17.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .... import jax_compat
from ....errors import WildRobotError
from ....learn.networks import AbstractPolicy
from ...bundle.extra import require
from .nodes import Graph

_PLAIN = {
    "abs": "Abs",
    "add": "Add",
    "add_any": "Add",
    "and": "And",
    "ceil": "Ceil",
    "copy": "Identity",
    "copy_p": "Identity",
    "cos": "Cos",
    "div": "Div",
    "eq": "Equal",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "ge": "GreaterOrEqual",
    "gt": "Greater",
    "le": "LessOrEqual",
    "log": "Log",
    "logistic": "Sigmoid",
    "lt": "Less",
    "max": "Max",
    "min": "Min",
    "mul": "Mul",
    "neg": "Neg",
    "not": "Not",
    "or": "Or",
    "pow": "Pow",
    "sign": "Sign",
    "sin": "Sin",
    "sqrt": "Sqrt",
    "stop_gradient": "Identity",
    "sub": "Sub",
    "tanh": "Tanh",
}
_TYPES = {"float32": "FLOAT", "int32": "INT32", "int64": "INT64", "bool": "BOOL"}


def trace_policy(graph: Graph, policy: AbstractPolicy, seen: str, size: int, memory: list[str]) -> list[str]:
    """Add a policy's most likely action to the graph.

    Args:
        graph: what it is added to.
        policy: any policy.
        seen: the name of its observation, float32[1, size].
        size: the observation's length.
        memory: names of its memory's leaves, each of the leaf's shape after a first axis of 1.

    Returns:
        The names of the action and of the memory's next leaves.

    Raises:
        WildRobotError: it computes with what ONNX or this exporter has not.
    """
    leaves, tree = jax.tree.flatten(policy.init())

    def apply(obs: Any, *carry: Any) -> tuple[Any, ...]:
        distribution, after = policy(obs, jax.tree.unflatten(tree, carry))
        return (distribution.mode(), *jax.tree.leaves(after))

    blank = [jnp.zeros((1, *jnp.shape(leaf)), jnp.result_type(leaf)) for leaf in leaves]
    traced = jax.make_jaxpr(apply)(jnp.zeros((1, size), jnp.float32), *blank)
    found = [(value.aval.shape, value.aval.dtype) for value in jax_compat.opened(traced)[0].outvars]
    nu = found[0][0][-1:]  # whatever the policy says; its bundle's first test is the env's own number
    wanted = [((1, *nu), jnp.dtype(jnp.float32)), *((leaf.shape, leaf.dtype) for leaf in blank)]
    if found != wanted:
        raise WildRobotError(
            f"The policy, a {type(policy).__name__}, gives {found} for one observation, not {wanted}.",
            where="its __call__",
            hint="let it take a batch of observations and memories, as AbstractPolicy says",
        )
    return _Writer(graph, type(policy).__name__).write(traced, [seen, *memory])


class _Writer:
    """Writes one traced function, and those that it calls."""

    def __init__(self, graph: Graph, kind: str):
        self.graph, self.kind, self.count = graph, kind, 0

    def write(self, traced: Any, inputs: Sequence[str]) -> list[str]:
        """Write a traced function whose inputs are known by name; returns the names of its outputs."""
        jaxpr, consts = jax_compat.opened(traced)
        names = dict(zip(jaxpr.invars, inputs))
        names |= {var: self.constant(value, weights=True) for var, value in zip(jaxpr.constvars, consts)}

        def name(value: Any) -> str:
            return self.constant(value.val) if jax_compat.is_constant(value) else names[value]

        for equation in jaxpr.eqns:
            names |= zip(equation.outvars, self.operation(equation, [name(value) for value in equation.invars]))
        return [name(value) for value in jaxpr.outvars]

    def operation(self, equation: Any, inputs: list[str]) -> list[str]:
        kind, add = equation.primitive.name, self.graph.add
        called = jax_compat.called(equation)
        if called is not None:
            return self.write(called, inputs)
        if kind in _PLAIN:
            return [add(_PLAIN[kind], inputs)]
        if kind == "split":
            return self.split(equation, inputs[0])
        rule = _RULES.get(kind)
        written = None if rule is None else rule(self, equation, inputs)
        if written is None:
            raise WildRobotError(
                f"The policy, a {self.kind}, computes with `{kind}`, which an exported policy cannot.",
                where="deploy/graph_trace.py",
                hint="write it with matrix products, element-wise functions and slices, or add the operation there",
            )
        return [written]

    def constant(self, value: Any, weights: bool = False) -> str:
        """A constant; only weights must be finite, for JAX itself computes with NaN and infinity now and then."""
        array = np.asarray(jax.device_get(value))
        self.count += 1
        return self.graph.constant(f"{'weights' if weights else 'constant'}.{self.count}", array, finite=weights)

    def integers(self, values: Sequence[int]) -> str:
        return self.constant(np.array(values, np.int64))

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        return self.graph.add("Reshape", [x, self.integers(shape)])

    def split(self, equation: Any, x: str) -> list[str]:
        axis = int(equation.params["axis"])
        ends = np.cumsum([0, *equation.params["sizes"]])
        return [
            self.graph.add("Slice", [x, *(self.integers([int(v)]) for v in (start, stop, axis))])
            for start, stop in itertools.pairwise(ends)
        ]


def _shape(equation: Any, place: int = 0) -> tuple[int, ...]:
    return tuple(equation.invars[place].aval.shape)


def _out(equation: Any) -> tuple[int, ...]:
    return tuple(equation.outvars[0].aval.shape)


def _broadcast(writer: _Writer, equation: Any, inputs: list[str]) -> str:
    kept = [1] * len(_out(equation))
    for place, size in zip(equation.params["broadcast_dimensions"], _shape(equation)):
        kept[place] = size
    flat = writer.reshape(inputs[0], kept)
    return writer.graph.add("Expand", [flat, writer.integers(_out(equation))])


def _dot(writer: _Writer, equation: Any, inputs: list[str]) -> str | None:
    """As one product of two matrices: what is summed over last on the left, first on the right."""
    (left, right), batched = equation.params["dimension_numbers"]
    if any(batched):
        return None
    sides = []
    for place, (x, summed) in enumerate(zip(inputs, (left, right))):
        shape = _shape(equation, place)
        free = [axis for axis in range(len(shape)) if axis not in summed]
        order = [*free, *summed] if place == 0 else [*summed, *free]
        size = int(np.prod([shape[axis] for axis in summed]))
        turned = writer.graph.add("Transpose", [x], perm=[int(axis) for axis in order])
        sides.append(writer.reshape(turned, [-1, size] if place == 0 else [size, -1]))
    return writer.reshape(writer.graph.add("MatMul", sides), _out(equation))


def _slice(writer: _Writer, equation: Any, inputs: list[str]) -> str:
    params = equation.params
    steps = params["strides"] or [1] * len(params["start_indices"])
    axes = range(len(steps))
    bounds = (params["start_indices"], params["limit_indices"], axes, steps)
    return writer.graph.add("Slice", [inputs[0], *(writer.integers([int(v) for v in values]) for values in bounds)])


def _gather(writer: _Writer, equation: Any, inputs: list[str]) -> str | None:
    """Picking along one axis, which is `x[..., places]`; no other kind."""
    params, shape, places = equation.params, _shape(equation), _shape(equation, 1)
    numbers = params["dimension_numbers"]
    (axis,) = numbers.start_index_map if len(numbers.start_index_map) == 1 else (-1,)
    whole = tuple(1 if i == axis else size for i, size in enumerate(shape))
    plain = tuple(numbers.collapsed_slice_dims) == (axis,) and tuple(params["slice_sizes"]) == whole
    offsets = [i for i in range(len(shape) + len(places) - 2) if not axis <= i < axis + len(places) - 1]
    if axis < 0 or not plain or numbers.operand_batching_dims or list(numbers.offset_dims) != offsets:
        return None
    return writer.graph.add("Gather", [inputs[0], writer.reshape(inputs[1], places[:-1])], axis=int(axis))


def _select(writer: _Writer, equation: Any, inputs: list[str]) -> str | None:
    if len(inputs) != 3 or equation.invars[0].aval.dtype != jnp.bool_:
        return None
    which, no, yes = inputs
    return writer.graph.add("Where", [which, yes, no])


def _cast(writer: _Writer, equation: Any, inputs: list[str]) -> str | None:
    kind = _TYPES.get(np.dtype(equation.params["new_dtype"]).name)
    return kind and writer.graph.add("Cast", inputs, to=getattr(require("onnx").TensorProto, kind))


def _reduce(op: str) -> Callable[[_Writer, Any, list[str]], str]:
    def rule(writer: _Writer, equation: Any, inputs: list[str]) -> str:
        axes = [int(axis) for axis in equation.params["axes"]]
        if op == "ReduceSum":  # the one whose axes are an input in this opset
            return writer.graph.add(op, [inputs[0], writer.integers(axes)], keepdims=0)
        return writer.graph.add(op, inputs, axes=axes, keepdims=0)

    return rule


def _iota(writer: _Writer, equation: Any, inputs: list[str]) -> str:
    params = equation.params
    counted = np.indices(params["shape"])[params["dimension"]]
    return writer.constant(counted.astype(params["dtype"]))


def _near_zero(writer: _Writer, x: str, near: str, far: str) -> str:
    """`near` where |x| < 1/2, else `far`."""
    add = writer.graph.add
    return add("Where", [add("Less", [add("Abs", [x]), writer.constant(np.float32(0.5))]), near, far])


def _expm1(writer: _Writer, equation: Any, inputs: list[str]) -> str:
    """`exp(x) - 1`, near 0 as `tanh(x / 2) (exp(x) + 1)`, which keeps its digits there, as XLA has it.

    ONNX's own Elu would not: onnxruntime computes it as `exp(x) - 1`.
    """
    (x,), add, one = inputs, writer.graph.add, writer.constant(np.float32(1.0))
    grown, half = add("Exp", [x]), add("Mul", [x, writer.constant(np.float32(0.5))])
    near = add("Mul", [add("Tanh", [half]), add("Add", [grown, one])])
    return _near_zero(writer, x, near, add("Sub", [grown, one]))


def _log1p(writer: _Writer, equation: Any, inputs: list[str]) -> str:
    """`log(1 + x)`, near 0 times `x / ((1 + x) - 1)`, which takes the rounding of `1 + x` out again.

    Source: Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, section 1.14.1.
    """
    (x,), add, one = inputs, writer.graph.add, writer.constant(np.float32(1.0))
    raised = add("Add", [x, one])
    log, rounded = add("Log", [raised]), add("Sub", [raised, one])
    lost = add("Equal", [rounded, writer.constant(np.float32(0.0))])  # all of x: the quotient's limit is 1
    quotient = add("Div", [add("Where", [lost, one, log]), add("Where", [lost, one, rounded])])
    return _near_zero(writer, x, add("Mul", [x, quotient]), log)


_RULES: dict[str, Callable[[_Writer, Any, list[str]], str | None]] = {
    "broadcast_in_dim": _broadcast,
    "clamp": lambda w, e, i: w.graph.add("Min", [w.graph.add("Max", [i[1], i[0]]), i[2]]),
    "concatenate": lambda w, e, i: w.graph.add("Concat", i, axis=int(e.params["dimension"])),
    "convert_element_type": _cast,
    "dot_general": _dot,
    "expm1": _expm1,
    "gather": _gather,
    "integer_pow": lambda w, e, i: w.graph.add("Pow", [i[0], w.constant(np.float32(e.params["y"]))]),
    "iota": _iota,
    "log1p": _log1p,
    "ne": lambda w, e, i: w.graph.add("Not", [w.graph.add("Equal", i)]),
    "reduce_max": _reduce("ReduceMax"),
    "reduce_min": _reduce("ReduceMin"),
    "reduce_sum": _reduce("ReduceSum"),
    "reshape": lambda w, e, i: w.reshape(i[0], _out(e)),
    "rsqrt": lambda w, e, i: w.graph.add("Reciprocal", [w.graph.add("Sqrt", i)]),
    "select_n": _select,
    "slice": _slice,
    "square": lambda w, e, i: w.graph.add("Mul", [i[0], i[0]]),
    "squeeze": lambda w, e, i: w.reshape(i[0], _out(e)),
    "transpose": lambda w, e, i: w.graph.add("Transpose", i, perm=[int(axis) for axis in e.params["permutation"]]),
}
