"""A function of one env's packed parameters and state, under every transform.

Alone, under `vmap` and under nested `vmap` it runs as the kernels of one batch. Its reverse
derivative is a program on scalars too and runs the same way, so `grad`, `vmap(grad)` and
`grad(vmap)` compile as the function itself does. It has no forward derivative.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from . import kernels

Program = Callable[..., list[jax.Array]]
"""From the entries of packed inputs, scalars, to the entries of the packed output."""


def batched(program: Program, sizes: Sequence[int], tile: int) -> Callable[..., Float[Array, " o"]]:
    """`program` on packed arrays: inputs of `sizes` entries to the output, with derivative and batching."""

    def flat(*inputs: jax.Array) -> list[jax.Array]:
        return program(*inputs)

    def backward(*inputs: jax.Array) -> list[jax.Array]:
        primals, cotangents = inputs[: sum(sizes)], inputs[sum(sizes) :]
        _, pull = jax.vjp(lambda *x: tuple(flat(*x)), *primals)
        return list(pull(tuple(cotangents)))

    forward = _vectorised(flat, tile)
    reverse = _vectorised(backward, tile)

    @jax.custom_vjp
    def function(*inputs: jax.Array) -> jax.Array:
        return forward(jnp.concatenate(inputs))

    def keep(*inputs: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        return function(*inputs), inputs

    def pull(inputs: tuple[jax.Array, ...], cotangent: jax.Array) -> tuple[jax.Array, ...]:
        out = reverse(jnp.concatenate([*inputs, cotangent]))
        ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]
        return tuple(out[end - size : end] for end, size in zip(ends, sizes))

    function.defvjp(keep, pull)
    return function


def _vectorised(program: Program, tile: int) -> Callable[[jax.Array], jax.Array]:
    """`program` as a function of one packed row, (i,) to (o,), with a batching rule of its own."""

    @jax.custom_batching.custom_vmap
    def rows(batch: jax.Array) -> jax.Array:  # (n, i) to (n, o)
        return _tiles(program, tile, batch)

    @rows.def_vmap
    def nested(size: int, _: list[bool], batch: jax.Array) -> tuple[jax.Array, bool]:
        out = rows(batch.reshape(-1, batch.shape[-1]))
        return out.reshape(size, -1, out.shape[-1]), True

    @jax.custom_batching.custom_vmap
    def row(inputs: jax.Array) -> jax.Array:
        return rows(inputs[None])[0]

    @row.def_vmap
    def rule(size: int, _: list[bool], inputs: jax.Array) -> tuple[jax.Array, bool]:
        return rows(inputs), True

    return row


def _tiles(program: Program, tile: int, batch: jax.Array) -> jax.Array:
    size, entries = batch.shape
    traced = jax.make_jaxpr(program)(*[jax.ShapeDtypeStruct((), batch.dtype)] * entries)
    count = -(-size // tile)
    width = _width(-(-size // count))
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
