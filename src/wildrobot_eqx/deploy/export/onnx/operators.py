"""JAX's operations by ONNX's operators. Source of the operators: ONNX's schemas, opset 17."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...bundle.extra import require
from .nodes import Graph

_PLAIN = {
    "abs": "Abs",
    "acos": "Acos",
    "add": "Add",
    "add_any": "Add",
    "and": "And",
    "asin": "Asin",
    "atan": "Atan",
    "ceil": "Ceil",
    "copy": "Identity",
    "copy_p": "Identity",
    "cos": "Cos",
    "cosh": "Cosh",
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
    "sinh": "Sinh",
    "sqrt": "Sqrt",
    "stop_gradient": "Identity",
    "sub": "Sub",
    "tan": "Tan",
    "tanh": "Tanh",
    "xor": "Xor",
}
_TYPES = {"float32": "FLOAT", "int32": "INT32", "int64": "INT64", "bool": "BOOL"}
_LOGICAL = {"and", "not", "or", "xor"}  # JAX has them of whole numbers, too
Rule = Callable[[Graph, Any, list[str]], str | None]


def write(graph: Graph, equation: Any, inputs: list[str]) -> list[str] | None:
    """Add one operation of a jaxpr to the graph; the names of its results, or None where ONNX has it not."""
    kind = equation.primitive.name
    if kind in _PLAIN and not (kind in _LOGICAL and equation.invars[0].aval.dtype != jnp.bool_):
        return [graph.add(_PLAIN[kind], inputs)]
    if kind == "split":
        return _split(graph, equation, inputs[0])
    rule = _RULES.get(kind)
    written = None if rule is None else rule(graph, equation, inputs)
    return None if written is None else [written]


def _integers(graph: Graph, values: Sequence[int]) -> str:
    return graph.known(np.array(values, np.int64))


def _reshaped(graph: Graph, x: str, shape: Sequence[int]) -> str:
    return graph.add("Reshape", [x, _integers(graph, shape)])


def _split(graph: Graph, equation: Any, x: str) -> list[str]:
    axis = int(equation.params["axis"])
    ends = np.cumsum([0, *equation.params["sizes"]])
    return [
        graph.add("Slice", [x, *(_integers(graph, [int(v)]) for v in (start, stop, axis))])
        for start, stop in itertools.pairwise(ends)
    ]


def _shape(equation: Any, place: int = 0) -> tuple[int, ...]:
    return tuple(equation.invars[place].aval.shape)


def _out(equation: Any) -> tuple[int, ...]:
    return tuple(equation.outvars[0].aval.shape)


def _broadcast(graph: Graph, equation: Any, inputs: list[str]) -> str:
    shape = [1] * len(_out(equation))
    for place, size in zip(equation.params["broadcast_dimensions"], _shape(equation)):
        shape[place] = size
    return graph.add("Expand", [_reshaped(graph, inputs[0], shape), _integers(graph, _out(equation))])


def _dot(graph: Graph, equation: Any, inputs: list[str]) -> str | None:
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
        turned = graph.add("Transpose", [x], perm=[int(axis) for axis in order])
        sides.append(_reshaped(graph, turned, [-1, size] if place == 0 else [size, -1]))
    return _reshaped(graph, graph.add("MatMul", sides), _out(equation))


def _slice(graph: Graph, equation: Any, inputs: list[str]) -> str:
    params = equation.params
    steps = params["strides"] or [1] * len(params["start_indices"])
    axes = range(len(steps))
    bounds = (params["start_indices"], params["limit_indices"], axes, steps)
    return graph.add("Slice", [inputs[0], *(_integers(graph, [int(v) for v in values]) for values in bounds)])


def _dynamic_slice(graph: Graph, equation: Any, inputs: list[str]) -> str:
    """A slice whose place is computed; it is moved inside where it would stick out, as JAX has it."""
    sizes, shape = equation.params["slice_sizes"], _shape(equation)
    places = []
    for x, size, whole in zip(inputs[1:], sizes, shape):
        whole_number = graph.add("Cast", [x], to=require("onnx").TensorProto.INT64)
        inside = graph.add("Max", [whole_number, graph.known(np.int64(0))])
        inside = graph.add("Min", [inside, graph.known(np.int64(whole - size))])
        places.append(_reshaped(graph, inside, [1]))
    start = graph.add("Concat", places, axis=0)
    stop = graph.add("Add", [start, _integers(graph, [int(v) for v in sizes])])
    cut = graph.add("Slice", [inputs[0], start, stop, _integers(graph, range(len(sizes)))])
    return _reshaped(graph, cut, [int(v) for v in sizes])  # the sizes are known, which ONNX does not see


def _gather(graph: Graph, equation: Any, inputs: list[str]) -> str | None:
    """Picking along one axis, which is `x[..., places]`; no other kind."""
    params, shape, places = equation.params, _shape(equation), _shape(equation, 1)
    numbers = params["dimension_numbers"]
    (axis,) = numbers.start_index_map if len(numbers.start_index_map) == 1 else (-1,)
    whole = tuple(1 if i == axis else size for i, size in enumerate(shape))
    plain = tuple(numbers.collapsed_slice_dims) == (axis,) and tuple(params["slice_sizes"]) == whole
    offsets = [i for i in range(len(shape) + len(places) - 2) if not axis <= i < axis + len(places) - 1]
    if axis < 0 or not plain or numbers.operand_batching_dims or list(numbers.offset_dims) != offsets:
        return None
    at = graph.add("Cast", [inputs[1]], to=require("onnx").TensorProto.INT64)
    at = graph.add("Max", [at, graph.known(np.int64(0))])
    at = graph.add("Min", [at, graph.known(np.int64(shape[axis] - 1))])
    return graph.add("Gather", [inputs[0], _reshaped(graph, at, places[:-1])], axis=int(axis))


def _select(graph: Graph, equation: Any, inputs: list[str]) -> str | None:
    if len(inputs) != 3 or equation.invars[0].aval.dtype != jnp.bool_:
        return None
    which, no, yes = inputs
    return graph.where(which, yes, no, equation.invars[1].aval.dtype)


def _cast(graph: Graph, equation: Any, inputs: list[str]) -> str | None:
    kind = _TYPES.get(np.dtype(equation.params["new_dtype"]).name)
    return kind and graph.add("Cast", inputs, to=getattr(require("onnx").TensorProto, kind))


def _reduce(op: str) -> Rule:
    def rule(graph: Graph, equation: Any, inputs: list[str]) -> str:
        axes = [int(axis) for axis in equation.params["axes"]]
        if op == "ReduceSum":  # the one whose axes are an input in this opset
            return graph.add(op, [inputs[0], _integers(graph, axes)], keepdims=0)
        return graph.add(op, inputs, axes=axes, keepdims=0)

    return rule


def _truths(op: str) -> Rule:
    """Whether all are true, or any: the least or the most of them as whole numbers."""

    def rule(graph: Graph, equation: Any, inputs: list[str]) -> str:
        proto = require("onnx").TensorProto
        number = graph.add("Cast", inputs, to=proto.INT32)
        found = graph.add(op, [number], axes=[int(axis) for axis in equation.params["axes"]], keepdims=0)
        return graph.add("Cast", [found], to=proto.BOOL)

    return rule


def _remainder(graph: Graph, equation: Any, inputs: list[str]) -> str:
    """Of a division that rounds towards zero, as C has it."""
    return graph.add("Mod", inputs, fmod=1)


def _atan2(graph: Graph, equation: Any, inputs: list[str]) -> str:
    """The angle of (x, y) by the arc tangent of a number of at most 1, which keeps its digits."""
    (y, x), add = inputs, graph.add
    zero, right, half = (graph.known(np.float32(v)) for v in (0.0, np.pi / 2.0, np.pi))
    high, wide = add("Abs", [y]), add("Abs", [x])
    longer = add("Max", [add("Max", [high, wide]), graph.known(np.float32(1e-37))])
    angle = add("Atan", [add("Div", [add("Min", [high, wide]), longer])])
    angle = add("Where", [add("Greater", [high, wide]), add("Sub", [right, angle]), angle])
    angle = add("Where", [add("Less", [x, zero]), add("Sub", [half, angle]), angle])
    return add("Where", [add("Less", [y, zero]), add("Neg", [angle]), angle])


def _stack(graph: Graph, equation: Any, inputs: list[str]) -> str:
    axis, out = int(equation.params["axis"]), _out(equation)
    flat = [_reshaped(graph, x, [*out[:axis], 1, *out[axis + 1 :]]) for x in inputs]
    return graph.add("Concat", flat, axis=axis)


def _iota(graph: Graph, equation: Any, inputs: list[str]) -> str:
    params = equation.params
    counted = np.indices(params["shape"])[params["dimension"]]
    return graph.known(counted.astype(params["dtype"]))


def _pad(graph: Graph, equation: Any, inputs: list[str]) -> str | None:
    before, after, between = (list(n) for n in zip(*equation.params["padding_config"]))
    return (
        None
        if min(before + after) < 0 or any(between)
        else graph.add("Pad", [inputs[0], _integers(graph, before + after), inputs[1]])
    )


def _reversed(graph: Graph, equation: Any, inputs: list[str]) -> str:
    axes = [int(axis) for axis in equation.params["dimensions"]]
    ends = ([-1] * len(axes), [-(2**31)] * len(axes), axes, [-1] * len(axes))
    return graph.add("Slice", [inputs[0], *(_integers(graph, values) for values in ends)])


def _near_zero(graph: Graph, x: str, near: str, far: str) -> str:
    """`near` where |x| < 1/2, else `far`."""
    return graph.add("Where", [graph.add("Less", [graph.add("Abs", [x]), graph.known(np.float32(0.5))]), near, far])


def _expm1(graph: Graph, equation: Any, inputs: list[str]) -> str:
    """`exp(x) - 1`, near 0 as `tanh(x / 2) (exp(x) + 1)`, which keeps its digits there, as XLA has it.

    ONNX's own Elu would not: onnxruntime computes it as `exp(x) - 1`.
    """
    (x,), add, one = inputs, graph.add, graph.known(np.float32(1.0))
    grown, half = add("Exp", [x]), add("Mul", [x, graph.known(np.float32(0.5))])
    near = add("Mul", [add("Tanh", [half]), add("Add", [grown, one])])
    return _near_zero(graph, x, near, add("Sub", [grown, one]))


def _log1p(graph: Graph, equation: Any, inputs: list[str]) -> str:
    """`log(1 + x)`, near 0 times `x / ((1 + x) - 1)`, which takes the rounding of `1 + x` out again.

    Source: Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, section 1.14.1.
    """
    (x,), add, one = inputs, graph.add, graph.known(np.float32(1.0))
    raised = add("Add", [x, one])
    log, rounded = add("Log", [raised]), add("Sub", [raised, one])
    lost = add("Equal", [rounded, graph.known(np.float32(0.0))])  # all of x: the quotient's limit is 1
    quotient = add("Div", [add("Where", [lost, one, log]), add("Where", [lost, one, rounded])])
    return _near_zero(graph, x, add("Mul", [x, quotient]), log)


_RULES: dict[str, Rule] = {
    "atan2": _atan2,
    "broadcast_in_dim": _broadcast,
    "clamp": lambda g, e, i: g.add("Min", [g.add("Max", [i[1], i[0]]), i[2]]),
    "concatenate": lambda g, e, i: g.add("Concat", i, axis=int(e.params["dimension"])),
    "convert_element_type": _cast,
    "dot_general": _dot,
    "dynamic_slice": _dynamic_slice,
    "exp2": lambda g, e, i: g.add("Pow", [g.known(np.float32(2.0)), i[0]]),
    "expm1": _expm1,
    "gather": _gather,
    "integer_pow": lambda g, e, i: g.add("Pow", [i[0], g.known(np.float32(e.params["y"]))]),
    "iota": _iota,
    "is_finite": lambda g, e, i: g.add("Not", [g.add("Or", [g.add("IsInf", i), g.add("IsNaN", i)])]),
    "log1p": _log1p,
    "ne": lambda g, e, i: g.add("Not", [g.add("Equal", i)]),
    "pad": _pad,
    "reduce_and": _truths("ReduceMin"),
    "reduce_max": _reduce("ReduceMax"),
    "reduce_min": _reduce("ReduceMin"),
    "reduce_or": _truths("ReduceMax"),
    "reduce_sum": _reduce("ReduceSum"),
    "rem": _remainder,
    "reshape": lambda g, e, i: _reshaped(g, i[0], _out(e)),
    "rev": _reversed,
    "round": lambda g, e, i: g.add("Round", i) if e.params["rounding_method"].name == "TO_NEAREST_EVEN" else None,
    "rsqrt": lambda g, e, i: g.add("Reciprocal", [g.add("Sqrt", i)]),
    "select_n": _select,
    "slice": _slice,
    "square": lambda g, e, i: g.add("Mul", [i[0], i[0]]),
    "squeeze": lambda g, e, i: _reshaped(g, i[0], _out(e)),
    "stack": _stack,
    "tile": lambda g, e, i: g.add("Tile", [i[0], _integers(g, e.params["reps"])]),
    "transpose": lambda g, e, i: g.add("Transpose", i, perm=[int(axis) for axis in e.params["permutation"]]),
}
