"""Digests of checkpoints, of which several processes may each have saved its rows of the larger arrays."""

import hashlib
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Shaped, UInt8

DIGEST = "__sha256__"
CUT = "__cut__"


def is_cut(leaf: Any) -> bool:
    """Whether an array's rows lie in several processes."""
    return isinstance(leaf, jax.Array) and not leaf.is_fully_addressable and not leaf.is_fully_replicated


def digests(
    flat: dict[str, Shaped[np.ndarray, "..."] | Shaped[jax.Array, "..."]],
) -> dict[str, UInt8[np.ndarray, "..."]]:
    """What is saved beside the arrays: a SHA-256 of all; or one of what each process has, and which arrays are cut.

    All processes call this, as they save.
    """
    cut = [name for name in flat if is_cut(flat[name])]
    own = _digest({name: _own_rows(leaf) if name in cut else np.asarray(leaf) for name, leaf in flat.items()})
    if not cut:
        return {DIGEST: own}
    every = np.asarray(multihost_utils.process_allgather(own))
    return {DIGEST: every, CUT: np.frombuffer("\n".join(cut).encode(), np.uint8)}


def intact(flat: dict[str, Shaped[np.ndarray, "..."]]) -> bool:
    """Whether arrays read from a checkpoint are those that were saved; takes the digests out of them."""
    every = flat.pop(DIGEST)
    if every.ndim == 1:
        return np.array_equal(every, _digest(flat))
    cut, parts = bytes(flat.pop(CUT)).decode().split("\n"), len(every)
    rows = {name: np.split(flat[name], parts) for name in cut}
    return all(np.array_equal(every[i], _digest(flat | {n: rows[n][i] for n in cut})) for i in range(parts))


def _own_rows(leaf: Any) -> Shaped[np.ndarray, "..."]:
    """This process's rows, which lie in one piece."""
    parts = sorted(leaf.addressable_shards, key=lambda shard: shard.index[0].start or 0)
    return np.concatenate([np.asarray(shard.data) for shard in parts])


def _digest(flat: dict[str, Shaped[np.ndarray, "..."]]) -> UInt8[np.ndarray, "32"]:
    """SHA-256 of names, dtypes, shapes and bytes."""
    total = hashlib.sha256()
    for name in sorted(flat):
        leaf = flat[name]
        total.update(f"{name} {leaf.dtype} {leaf.shape}\n".encode())
        total.update(np.ascontiguousarray(leaf).tobytes())
    return np.frombuffer(total.digest(), np.uint8)
