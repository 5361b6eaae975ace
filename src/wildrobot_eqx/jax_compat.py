"""What this package reads of JAX beyond its documented functions, in one place, alike on JAX 0.9, 0.10 and 0.12.

Three parts of the package walk through a traced function, operation by operation: the tree engine, which runs it in
another order; the contract checker, which follows keys and secrets through it; and the exporter, which writes it as
an ONNX graph. How JAX keeps the functions that an operation calls differs between versions, so it is read here only,
and from shapes instead of parameters wherever shapes give it. `tests/test_jax_compat.py` states each thing that this
file relies on. What `jax.distributed` knows of other processes is read here, too. Public functions that JAX dropped
(`adapters/brax_compat.py`) are another matter.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax._src.distributed import global_state as _distributed
from jax.core import ShapedArray
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Primitive
from jax.interpreters import batching, mlir
from jaxtyping import Array, Key, Shaped

_CALLED = ("jaxpr", "call_jaxpr", "fun_jaxpr")
_CALLS = {"jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2"} | {
    "custom_jvp_call",
    "custom_vjp_call",
}


@dataclasses.dataclass(frozen=True)
class Loop:
    """A loop's body and what its inputs are: `skip` that the body never sees, constants, what is carried, slices.

    Args:
        body: the function of one turn, of constants, carried values and slices; it returns carried values and slices.
        skip: how many of the operation's inputs come before those of the body.
        consts: how many constants.
        carried: how many values go from turn to turn.
    """

    body: Any
    skip: int
    consts: int
    carried: int


def opened(function: Any) -> tuple[Any, list[Any]]:
    """The jaxpr of a traced function, and the values of its constants.

    Before JAX 0.12 a `ClosedJaxpr` holds the jaxpr and the constants; since then a jaxpr holds its constants.
    """
    return getattr(function, "jaxpr", function), list(getattr(function, "consts", ()))


def is_constant(atom: Any) -> bool:
    """Whether an operation's input is a number written into the jaxpr (`atom.val`) instead of a variable."""
    return isinstance(atom, Literal)


def inner(equation: Any) -> Any | None:
    """The traced function that an operation holds, however it calls it; None where it holds none, or several."""
    return next((equation.params[name] for name in _CALLED if name in equation.params), None)


def called(equation: Any) -> Any | None:
    """The traced function whose results, given the operation's inputs, are the operation's; None where there is none.

    So it is for `jit`, `checkpoint` and functions with derivatives of their own, but not for loops and branches.
    """
    return inner(equation) if equation.primitive.name in _CALLS else None


def functions(equation: Any) -> list[Any]:
    """All traced functions that an operation holds."""
    values = [v for value in equation.params.values() for v in (value if isinstance(value, tuple) else (value,))]
    return [value for value in values if isinstance(value, ClosedJaxpr | Jaxpr)]


def loop(equation: Any) -> Loop | None:
    """How a `scan` or a `while` calls its body; None for other operations."""
    name = equation.primitive.name
    if name == "scan":
        body = equation.params["jaxpr"]
        jaxpr, _ = opened(body)
        slices = sum(_sliced(a, b) for a, b in zip(equation.invars, jaxpr.invars))
        carried = sum(not _sliced(a, b) for a, b in zip(equation.outvars, jaxpr.outvars))
        return Loop(body, 0, len(equation.invars) - slices - carried, carried)
    if name == "while":
        body, carried = equation.params["body_jaxpr"], len(equation.outvars)
        skip = len(opened(equation.params["cond_jaxpr"])[0].invars) - carried
        return Loop(body, skip, len(opened(body)[0].invars) - carried, carried)
    return None


def branches(equation: Any) -> tuple[Any, ...]:
    """The functions among which a `cond` chooses by its first input; none for other operations."""
    return tuple(equation.params["branches"]) if equation.primitive.name == "cond" else ()


def apply(equation: Any, *values: Any) -> list[Any]:
    """The operation's results for other inputs."""
    primitive = equation.primitive
    out = primitive.bind(*values, **primitive.get_bind_params(equation.params))
    return list(out) if primitive.multiple_results else [out]


def lines(equation: Any) -> list[tuple[str, int]]:
    """File and line of each call that led to the operation, the innermost first."""
    trace = equation.source_info.traceback
    return [] if trace is None else [(frame.file_name, frame.line_num) for frame in trace.frames]


def calls(equation: Any) -> list[tuple[str, str]]:
    """File and name of each function whose call led to the operation, the innermost first."""
    trace = equation.source_info.traceback
    return [] if trace is None else [(frame.file_name, frame.function_name) for frame in trace.frames]


def key_impl(like: Key[Array, "..."] | jax.ShapeDtypeStruct) -> Any:
    """The generator of typed keys, or of their `jax.ShapeDtypeStruct`."""
    found: list[Any] = []
    jax.eval_shape(lambda key: found.append(jax.random.key_impl(key)), like)
    return found[0]


def offer_cpu_devices(count: int) -> None:
    """Divide the CPU into so many devices, where JAX has not begun to compute and nobody else has said how many."""
    if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        with contextlib.suppress(RuntimeError):  # too late: whoever counts the devices will say so
            jax.config.update("jax_num_cpu_devices", count)


def prepare_distributed() -> None:
    """Have `jax.distributed` leave signals and the end of another process to this package.

    Otherwise it takes SIGTERM for a notice of preemption, and aborts a process as soon as another has ended.
    """
    for name, value in {"jax_enable_preemption_service": False, "jax_enable_recoverability": True}.items():
        with contextlib.suppress(AttributeError):  # a version that does not know it
            jax.config.update(name, value)


def distributed_client() -> Any:
    """The client of `jax.distributed`, through which processes tell each other short texts."""
    return _distributed.client


def row_primitive(
    name: str,
    function: Callable[..., Shaped[Array, "..."]],
    outputs: Callable[[Any], int],
) -> Callable[..., Shaped[Array, "..."]]:
    """An operation on the rows of an array, under `jit` and `vmap`; traced as one operation, not as its contents.

    Args:
        name: what the operation is called in jaxprs.
        function: (..., n) and `program` to (..., m), jitted, row by row the same.
        outputs: m of a program.
    """
    primitive = Primitive(name)

    def shape(rows: Any, *, program: Any) -> ShapedArray:
        return ShapedArray((*rows.shape[:-1], outputs(program)), rows.dtype)

    def batch(arrays: Sequence[jax.Array], axes: Sequence[int], *, program: Any) -> tuple[jax.Array, int]:
        return primitive.bind(jax.numpy.moveaxis(arrays[0], axes[0], 0), program=program), 0

    primitive.def_abstract_eval(shape)
    primitive.def_impl(function)
    batching.primitive_batchers[primitive] = batch
    mlir.register_lowering(primitive, mlir.lower_fun(function, multiple_results=False))
    return primitive.bind


def _sliced(whole: Any, part: Any) -> bool:
    """Whether a loop's body takes or gives a slice of an array: it has one axis less."""
    return len(getattr(whole.aval, "shape", ())) == len(getattr(part.aval, "shape", ())) + 1
