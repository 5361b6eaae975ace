"""How a batch of envs runs through the scalar engine: in tiles that fit the cache, under every transform.

A function of one env's packed parameters and state becomes one that, under `vmap` on a CPU,
runs tiles of the batch one after another with the batch as the last axis; alone, nested, on
a GPU and under differentiation it is the plain function. `custom_vmap` alone would end
differentiation, so it stands inside a `custom_jvp` whose rule differentiates the plain one.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

Packed = Callable[[jax.Array, jax.Array], list[jax.Array]]
"""From packed parameters (p,) or (p, n) and state (s, n) or (s,) to the packed outputs' entries, (n,) or ()."""


def batched(function: Packed, tile: int, lanes: int) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """`function` of one env, (p,) and (s,) to (o,), with a batching rule of its own."""

    def plain(params: jax.Array, state: jax.Array) -> jax.Array:
        return jnp.stack(function(params, state))

    tiled = jax.custom_batching.custom_vmap(plain)

    @tiled.def_vmap
    def rule(size: int, batched: list[bool], params: jax.Array, state: jax.Array) -> tuple[jax.Array, bool]:
        if not batched[1]:
            state = jnp.broadcast_to(state, (size, *state.shape))
        return _tiles(function, tile, lanes, size, batched[0], params, state), True

    whole = jax.custom_jvp(lambda params, state: tiled(params, state))

    @whole.defjvp
    def differentiate(primals, tangents):  # type: ignore[no-untyped-def]
        return jax.jvp(plain, primals, tangents)

    return whole


def _tiles(
    function: Packed, tile: int, lanes: int, size: int, varied: bool, params: jax.Array, state: jax.Array
) -> jax.Array:
    count = -(-size // tile)
    if count > 1:
        count = -(-count // lanes) * lanes  # equal work for every lane
    width = -(-size // count)
    short = count * width - size

    def split(a: jax.Array) -> jax.Array:  # (size, k) to (count, k, width)
        if short:
            a = jnp.concatenate([a, jnp.broadcast_to(a[:1], (short, a.shape[1]))])
        return jnp.swapaxes(a.reshape(count, width, -1), 1, 2)

    state = split(state)
    if varied:
        params = split(params)

    def one(inputs: tuple[jax.Array, ...]) -> list[jax.Array]:
        return function(inputs[1] if varied else params, inputs[0])

    inputs = (state, params) if varied else (state,)
    if count == 1:
        out = jnp.stack(one(tuple(a[0] for a in inputs)))
        return jnp.swapaxes(out, 0, 1)[:size]
    share = count // lanes if count % lanes == 0 else count
    parts = [
        lax.map(one, tuple(a[first : first + share] for a in inputs)) for first in range(0, count, share)
    ]
    rows = [jnp.concatenate(entry) if len(parts) > 1 else entry[0] for entry in zip(*parts)]
    return jnp.stack([row.reshape(-1) for row in rows], axis=1)[:size]
