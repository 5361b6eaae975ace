"""Any function as nodes of an ONNX graph: JAX traces it, and each of its operations is written down as ONNX has it.

What hangs on no input is computed here and becomes a constant, random draws included. An
operation that ONNX has not is refused by name, but only where a result needs it.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .... import jax_compat
from ....errors import WildRobotError
from ....learn.networks import AbstractPolicy
from .nodes import Graph
from .operators import write


@dataclasses.dataclass(frozen=True)
class Known:
    """A value that hangs on no input."""

    value: Any


@dataclasses.dataclass(frozen=True)
class Refused:
    """A value that cannot be written down, and why."""

    error: WildRobotError


Value = str | Known | Refused
"""A value within a traced function: the name of a node's output, a constant, or one that cannot be had."""


def trace_policy(graph: Graph, policy: AbstractPolicy, observation: str, size: int, memory: list[str]) -> list[str]:
    """Add a policy's most likely action to the graph.

    Args:
        graph: what it is added to.
        policy: any policy.
        observation: the name of its observation, float32[1, size].
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
    opened, consts = jax_compat.opened(traced)
    for value in consts:
        graph.check_finite("weights", np.asarray(jax.device_get(value)))
    found = [(value.aval.shape, value.aval.dtype) for value in opened.outvars]
    nu = found[0][0][-1:]  # whatever the policy says; its bundle's first test is the env's own number
    expected = [((1, *nu), jnp.dtype(jnp.float32)), *((leaf.shape, leaf.dtype) for leaf in blank)]
    if found != expected:
        raise WildRobotError(
            f"The policy, a {type(policy).__name__}, gives {found} for one observation, not {expected}.",
            where="its __call__",
            hint="let it take a batch of observations and memories, as AbstractPolicy says",
        )
    writer = Writer(graph, f"The policy, a {type(policy).__name__},")
    return [writer.name(value) for value in writer.write(traced, [observation, *memory])]


class Writer:
    """Writes one traced function, and those that it calls.

    Args:
        graph: where to.
        subject: who computes, for errors: the beginning of a sentence.
    """

    def __init__(self, graph: Graph, subject: str):
        self.graph, self.subject = graph, subject

    def write(self, traced: Any, inputs: Sequence[Value]) -> list[Value]:
        """Write a traced function of these inputs; returns its results."""
        jaxpr, consts = jax_compat.opened(traced)
        values: dict[Any, Value] = dict(zip(jaxpr.invars, inputs))
        values |= {var: Known(value) for var, value in zip(jaxpr.constvars, consts)}

        def of(atom: Any) -> Value:
            return Known(atom.val) if jax_compat.is_constant(atom) else values[atom]

        for equation in jaxpr.eqns:
            found = self.operation(equation, [of(value) for value in equation.invars])
            values |= dict(zip(equation.outvars, found))
        return [of(value) for value in jaxpr.outvars]

    def operation(self, equation: Any, inputs: list[Value]) -> list[Value]:
        """The results of one operation."""
        called = jax_compat.called(equation)
        if called is not None:
            return self.write(called, inputs)
        if all(isinstance(value, Known) for value in inputs):
            made = jax_compat.apply(equation, *(value.value for value in inputs if isinstance(value, Known)))
            return [Known(value) for value in made]
        if all(_is_empty(var.aval) for var in equation.outvars):  # a shape with a 0 means something else to ONNX
            return [Known(np.zeros(var.aval.shape, var.aval.dtype)) for var in equation.outvars]
        if branches := jax_compat.branches(equation):
            return self.choose(branches, inputs, [var.aval.dtype for var in equation.outvars])
        kind = equation.primitive.name
        if kind == "select_n" and (picked := _uniform(inputs[0])) is not None:
            return [inputs[1 + picked]]
        spoilt = next((value for value in inputs if isinstance(value, Refused)), None)
        if spoilt is not None:
            return [spoilt] * len(equation.outvars)
        written = write(self.graph, equation, [self.name(value) for value in inputs])
        if written is not None:
            return list(written)
        error = WildRobotError(
            f"{self.subject} computes with `{kind}`, which an exported policy cannot.",
            where="deploy/export/onnx/operators.py",
            hint="write it with matrix products, element-wise functions and slices, or add the operation there",
        )
        return [Refused(error)] * len(equation.outvars)

    def choose(self, branches: Sequence[Any], inputs: list[Value], dtypes: list[Any]) -> list[Value]:
        """One of several functions, chosen by the first input: all are computed where it is not known."""
        picked = _uniform(inputs[0])
        if picked is not None:
            return self.write(branches[min(max(picked, 0), len(branches) - 1)], inputs[1:])
        found = self.write(branches[-1], inputs[1:])
        if isinstance(inputs[0], Refused):
            return [inputs[0]] * len(found)
        index = self.name(inputs[0])
        for i, branch in reversed(list(enumerate(branches[:-1]))):
            at_most = self.graph.add("LessOrEqual", [index, self.graph.known(np.int32(i))])
            found = [self.either(at_most, *pair) for pair in zip(self.write(branch, inputs[1:]), found, dtypes)]
        return found

    def either(self, which: str, yes: Value, no: Value, dtype: Any) -> Value:
        """`yes` where the condition holds, else `no`."""
        for value in (yes, no):
            if isinstance(value, Refused):
                return value
        return self.graph.where(which, self.name(yes), self.name(no), dtype)

    def name(self, value: Value) -> str:
        """A value's name in the graph.

        Raises:
            WildRobotError: it cannot be written down.
        """
        if isinstance(value, Refused):
            raise value.error
        return self.graph.known(np.asarray(jax.device_get(value.value))) if isinstance(value, Known) else value


def trace(
    graph: Graph, function: Callable[..., Any], inputs: Sequence[Value], specs: Sequence[Any], subject: str
) -> list[str | Refused]:
    """Add a function to the graph.

    Args:
        graph: what it is added to.
        function: of the inputs, in their order; returns a pytree of arrays.
        inputs: names in the graph, or values that cannot be had.
        specs: a `jax.ShapeDtypeStruct` for each.
        subject: who computes, for errors: the beginning of a sentence.

    Returns:
        The names of the results' leaves; where one cannot be written down, why.
    """
    writer = Writer(graph, subject)
    found: list[str | Refused] = []
    for value in writer.write(jax.make_jaxpr(function)(*specs), inputs):
        if isinstance(value, Known) and _is_key(value.value):
            error = WildRobotError(
                f"{subject} hands on a random key, which an exported policy cannot.",
                where="its state",
                hint="keep keys out of what a robot computes",
            )
            found.append(Refused(error))
        else:
            found.append(value if isinstance(value, Refused) else writer.name(value))
    return found


def _is_empty(aval: Any) -> bool:
    return 0 in aval.shape and not jnp.issubdtype(aval.dtype, jax.dtypes.prng_key)


def _is_key(value: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(value), jax.dtypes.prng_key)


def _uniform(value: Value) -> int | None:
    """The one number of a known condition or index, whatever its shape; None where there are several, or none is."""
    if not isinstance(value, Known):
        return None
    numbers = np.unique(np.asarray(jax.device_get(value.value)))
    return int(numbers[0]) if numbers.size == 1 else None
