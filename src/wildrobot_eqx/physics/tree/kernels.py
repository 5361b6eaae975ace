"""How scalar programs run on batches: cut into kernels that XLA compiles as one vectorised loop each.

XLA fuses elementwise operations backwards from each result and computes again what several
results share; for a robot's step that takes minutes to compile and repeats most of the work.
So the step is traced once on scalars, and its operations are cut into pieces of some hundreds.
Each piece becomes one variadic `reduce_window` of window 1, whose body is the piece: XLA emits
that body once, as straight-line code inside one loop over the batch, which LLVM vectorises and
XLA spreads over the cores. Loops of the program (substeps, solver steps) stay loops.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Shaped

from ... import jax_compat
from ...errors import WildRobotError
from ...jax_compat import is_constant

NARROW = 256
"""Up to so many envs the start of a kernel costs more than its loop."""


@dataclasses.dataclass(frozen=True)
class Size:
    """What one kernel may hold; LLVM's time grows faster than its operations, and with many more arrays no loop is a
    vector loop.
    """

    operations: int
    arrays: int  # that it reads, or writes

    @staticmethod
    def of(envs: int) -> "Size":
        """Long kernels for few envs, kernels whose arrays fit the cache for many; other devices pay for each start."""
        if jax.default_backend() != "cpu":
            return Size(3000, 240)
        return Size(600, 90) if envs <= NARROW else Size(300, 56)


_CALLS = {"sin", "cos", "tan", "exp", "log", "atan2", "pow", "tanh", "logistic", "exp2", "expm1", "log1p"}


def run(program: Any, inputs: Sequence[Shaped[Array, "..."]]) -> list[Shaped[Array, "..."]]:
    """The outputs of a traced program on scalars for a batch: each input (n,), or with a loop's axes before the n."""
    jaxpr, consts = jax_compat.opened(program)
    env: dict[Any, Any] = dict(zip(jaxpr.invars, inputs)) | dict(zip(jaxpr.constvars, consts))
    n = inputs[0].shape[-1]

    def value(atom: Any) -> jax.Array:
        shape: Any = atom.aval
        v = jnp.asarray(atom.val, shape.dtype) if is_constant(atom) else env[atom]
        return v if v.ndim > shape.ndim else jnp.broadcast_to(v[..., None], (*v.shape, n))

    groups = _schedule(jaxpr, Size.of(n))
    for group, kept in zip(groups, _used_later(jaxpr, groups)):
        if len(group) == 1 and not _elementwise(group[0]):
            eqn = group[0]
            env.update(zip(eqn.outvars, _single(eqn, [value(a) for a in eqn.invars], n)))
        else:
            _kernel(group, env, value, kept, n)
    return [value(a) for a in jaxpr.outvars]


def _single(eqn: Any, inputs: list[jax.Array], n: int) -> list[jax.Array]:
    if eqn.primitive.name == "scan":
        return _scan(eqn, inputs)
    called = jax_compat.called(eqn)
    if called is not None:
        return run(called, inputs)
    return jax.vmap(functools.partial(jax_compat.apply, eqn), in_axes=-1, out_axes=-1)(*inputs)


def _scan(eqn: Any, inputs: list[jax.Array]) -> list[jax.Array]:
    loop = jax_compat.loop(eqn)
    assert loop is not None
    start, stop = loop.consts, loop.consts + loop.carried
    consts, carry, xs = inputs[:start], inputs[start:stop], inputs[stop:]

    def body(carry: list[jax.Array], x: list[jax.Array]) -> tuple[list[jax.Array], list[jax.Array]]:
        out = run(loop.body, [*consts, *carry, *x])
        return out[: loop.carried], out[loop.carried :]

    carry, ys = lax.scan(body, list(carry), list(xs), eqn.params["length"], reverse=eqn.params["reverse"])
    return [*carry, *ys]


def _elementwise(eqn: Any) -> bool:
    """Whether the equation may stand inside a kernel: arithmetic on scalars that LLVM vectorises."""
    scalars = all(a.aval.shape == () for a in (*eqn.invars, *eqn.outvars))
    return scalars and not eqn.primitive.multiple_results and eqn.primitive.name not in _CALLS


def _schedule(jaxpr: Any, size: Size) -> list[list[Any]]:
    """Equations in an order that keeps kernels long: those that cannot stand in one run when their inputs are ready."""
    phase: dict[Any, int] = {}
    ranked: list[tuple[int, bool, int, Any]] = []
    for i, eqn in enumerate(jaxpr.eqns):
        rank = max((phase.get(a, 0) for a in eqn.invars if not is_constant(a)), default=0)
        inside = _elementwise(eqn)
        ranked.append((rank, not inside, i, eqn))
        for out in eqn.outvars:
            phase[out] = rank if inside else rank + 1
    uses: dict[Any, int] = dict.fromkeys((a for a in jaxpr.outvars if not is_constant(a)), 1)
    for eqn in jaxpr.eqns:
        for a in {a for a in eqn.invars if not is_constant(a)}:
            uses[a] = uses.get(a, 0) + 1
    groups: list[list[Any]] = []
    piece = _Piece(uses, size)
    for _, single, _, eqn in sorted(ranked, key=lambda r: r[:3]):
        if single:
            groups.append([eqn])
            piece = _Piece(uses, size)
        elif piece.takes(eqn):
            if len(piece.equations) == 1:
                groups.append(piece.equations)
        else:
            piece = _Piece(uses, size)
            piece.takes(eqn)
            groups.append(piece.equations)
    return groups


class _Piece:
    """A kernel that grows while it has room."""

    def __init__(self, uses: dict[Any, int], size: Size):
        self.uses, self.size = uses, size
        self.equations: list[Any] = []
        self.inputs: set[Any] = set()
        self.open: dict[Any, int] = {}  # made here, with uses to come

    def takes(self, eqn: Any) -> bool:
        """Add the equation, if the kernel's arrays and operations stay within what LLVM vectorises."""
        arguments = {a for a in eqn.invars if not is_constant(a)}
        inputs = self.inputs | (arguments - self.open.keys())
        left = {a: self.open[a] - 1 for a in arguments if a in self.open}
        still = sum(n > 0 for n in (self.open | left).values()) + 1
        full = len(self.equations) >= self.size.operations or max(len(inputs), still) > self.size.arrays
        if self.equations and full:
            return False
        self.inputs = inputs
        self.open |= left
        self.open[eqn.outvars[0]] = self.uses.get(eqn.outvars[0], 0)
        self.equations.append(eqn)
        return True


def _used_later(jaxpr: Any, groups: list[list[Any]]) -> list[list[Any]]:
    """Of each group, what others or the program's outputs use."""
    home = {out: i for i, group in enumerate(groups) for e in group for out in e.outvars}
    wanted = {a for a in jaxpr.outvars if not is_constant(a)}
    for i, group in enumerate(groups):
        wanted |= {a for e in group for a in e.invars if not is_constant(a) and home.get(a, i) != i}
    return [[out for e in group for out in e.outvars if out in wanted] for group in groups]


@functools.cache
def check_compiler() -> None:
    """Make sure that a window of 1 applies its body once to each entry, which XLA's rules leave to it.

    Raises:
        WildRobotError: this version of XLA leaves the body out, or applies it twice.
    """
    with jax.ensure_compile_time_eval():
        x = jnp.arange(1.0, 17.0, dtype=jnp.float32)
        zero = jnp.zeros((), jnp.float32)

        def body(_: Any, entry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            return lax.mul(entry[0], entry[1]), lax.sub(entry[0], entry[1])

        out = jax.jit(lambda x, y: lax.reduce_window((x, y), (zero, zero), body, (1,), (1,), "VALID"))(x, 2.0 * x)
        sound = bool(jnp.all(out[0] == 2.0 * x * x) & jnp.all(out[1] == -x))
    if not sound:
        raise WildRobotError(
            "This version of XLA changes the tree engine's kernels.",
            where=f"TreePhysics, jax {jax.__version__}",
            hint="take --physics native, or another version of jax",
        )


@functools.cache
def compiler_options(quick_compile: bool) -> dict[str, bool | int]:
    """What makes XLA compile a program of kernels sooner on a CPU: of these options, those that this XLA knows.

    XLA's fusion emitters give each slice of the packed input a module of its own to lower and optimise: without them
    the biped's step compiles in two thirds of the time and runs as fast. (JAX 0.12 cannot leave them out.) Unoptimised
    code compiles in half of that again, and runs at a third of the speed.
    """
    if jax.default_backend() != "cpu":
        return {}
    options: dict[str, bool | int] = {"xla_cpu_use_fusion_emitters": False}
    if quick_compile:
        options["xla_backend_optimization_level"] = 0
    return {name: value for name, value in options.items() if knows(name, value)}


@functools.cache
def knows(option: str, value: bool | int) -> bool:
    """Whether XLA's compiler takes an option."""
    with jax.ensure_compile_time_eval():
        try:
            jax.jit(lambda x: x + 1.0, compiler_options={option: value})(jnp.zeros(()))
        except Exception:  # whatever class this version's compiler raises for an option that it lacks
            return False
    return True


def _kernel(group: list[Any], env: dict[Any, Any], value: Any, outputs: list[Any], n: int) -> None:
    if not outputs:
        return
    made = {out for e in group for out in e.outvars}
    inputs: list[Any] = []
    for e in group:
        for a in e.invars:
            if not is_constant(a) and a not in made and a not in inputs:
                inputs.append(a)
    dtype = next(v.aval.dtype for v in [*inputs, *outputs] if jnp.issubdtype(v.aval.dtype, jnp.floating))
    width = max(len(inputs), len(outputs), 2)
    arrays = [value(a).astype(dtype) for a in inputs]
    blank = arrays[0] if arrays else jnp.zeros((n,), dtype)
    arrays += [blank] * (width - len(arrays))

    def body(_: Any, entries: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        inner: dict[Any, Any] = {a: _from(a, x) for a, x in zip(inputs, entries)}
        for e in group:
            args = [a.val if is_constant(a) else inner[a] for a in e.invars]
            (inner[e.outvars[0]],) = jax_compat.apply(e, *args)
        results = [inner[v].astype(dtype) for v in outputs]
        return (*results, *entries[len(results) :])

    zero = jnp.zeros((), dtype)
    out = lax.reduce_window(tuple(arrays), (zero,) * width, body, (1,), (1,), "VALID")
    env.update((v, _from(v, x)) for v, x in zip(outputs, out))


def _from(var: Any, x: jax.Array) -> jax.Array:
    """A mask travels between kernels as a number."""
    return x > 0.5 if var.aval.dtype == jnp.bool_ else x
