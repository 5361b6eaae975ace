"""A function of one env's packed parameters and state, under every transform.

It is a JAX primitive of its own, on rows of numbers with any axes before them: `vmap` adds an
axis, tracing costs nothing, and lowering lays all rows side by side for the kernels. Its reverse
derivative is a program on scalars too and runs the same way, so `grad`, `vmap(grad)` and
`grad(vmap)` compile as the function itself does. It has no forward derivative.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ...jax_compat import row_primitive
from . import kernels


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """From the entries of a packed row, scalars, to those of the output.

    Args:
        function: takes and returns scalars.
        outputs: how many it returns.
        tile: how many rows run together on a CPU, whose caches hold so many; other devices run all rows at once.
    """

    function: Callable[..., Sequence[Float[Array, ""]]]
    outputs: int
    tile: int


def batched(
    function: Callable[..., Sequence[Float[Array, ""]]], sizes: Sequence[int], outputs: int, tile: int
) -> Callable[..., Float[Array, " o"]]:
    """`function` of scalars on packed arrays, inputs of `sizes` entries, with derivative and batching."""

    def backward(*inputs: jax.Array) -> list[jax.Array]:
        primals, cotangents = inputs[: sum(sizes)], inputs[sum(sizes) :]
        _, pull = jax.vjp(lambda *x: tuple(function(*x)), *primals)
        return list(pull(tuple(cotangents)))

    forward = Program(function, outputs, tile)
    reverse = Program(backward, sum(sizes), tile)

    @jax.custom_vjp
    def packed(*inputs: jax.Array) -> jax.Array:
        return _row(jnp.concatenate(inputs), program=forward)

    def keep(*inputs: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        return packed(*inputs), inputs

    def pull(inputs: tuple[jax.Array, ...], cotangent: jax.Array) -> tuple[jax.Array, ...]:
        out = _row(jnp.concatenate([*inputs, cotangent]), program=reverse)
        ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]
        return tuple(out[end - size : end] for end, size in zip(ends, sizes))

    packed.defvjp(keep, pull)
    return packed


@functools.partial(jax.jit, static_argnames="program")
def _rows(batch: jax.Array, program: Program) -> jax.Array:
    flat = batch.reshape(-1, batch.shape[-1])
    return _tiles(program, flat).reshape(*batch.shape[:-1], program.outputs)


_row = row_primitive("tree_rows", _rows, lambda program: program.outputs)
"""A program on each row of an array: (..., inputs) to (..., outputs)."""


def _tiles(program: Program, batch: jax.Array) -> jax.Array:
    size, entries = batch.shape
    traced = jax.make_jaxpr(program.function)(*[jax.ShapeDtypeStruct((), batch.dtype)] * entries)
    on_cpu = jax.default_backend() == "cpu"
    count = -(-size // program.tile) if on_cpu else 1
    width = _width(-(-size // count)) if on_cpu else size
    short = count * width - size
    if short:
        batch = jnp.concatenate([batch, jnp.broadcast_to(batch[:1], (short, entries))])
    tiles = jnp.swapaxes(batch.reshape(count, width, entries), 1, 2)
    if count == 1:
        out = kernels.run(traced, list(tiles[0]))
    else:
        out = lax.map(lambda part: kernels.run(traced, list(part)), tiles)
    return jnp.stack([a.reshape(-1) for a in out], axis=1)[:size]


def _width(envs: int) -> int:
    """A tile's width: whole vectors, and an odd number of cache lines.

    Arrays a power of two long would start at the same place in every cache way, and a kernel
    that walks a hundred of them at once would find none in the cache again.
    """
    lines = -(-envs // 16)
    return envs if envs < 16 else 16 * (lines + (lines % 2 == 0))
