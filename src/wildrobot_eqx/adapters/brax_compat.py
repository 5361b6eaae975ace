"""Brax 0.14 on today's JAX: a quiet import, and the one function that its trainers miss."""

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from ..errors import WildRobotError

_MISSING = "device_put_replicated"
_AXIS = "i"  # the name of every trainer's pmap axis


@contextlib.contextmanager
def importing_brax() -> Iterator[None]:
    """Import Brax in this block: what its own imports print and warn of is not for the user of ours.

    Raises:
        WildRobotError: Brax, or something that it needs, is not installed.
    """
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.filterwarnings("ignore", "JAXopt is no longer maintained", DeprecationWarning)
            yield
    except ModuleNotFoundError as error:
        raise WildRobotError(
            f"Brax cannot be imported: {error}.",
            where="wildrobot_eqx.adapters",
            hint="pip install 'wildrobot-eqx[brax]'",
        ) from error


@contextlib.contextmanager
def brax_trainers() -> Iterator[None]:
    """Run Brax's trainers in this block: it supplies `jax.device_put_replicated`, which JAX 0.10 dropped.

    It leaves a JAX that has the function alone, and takes the function away again.
    """
    if _MISSING in _own_names():
        yield
        return
    setattr(jax, _MISSING, _device_put_replicated)
    try:
        yield
    finally:
        delattr(jax, _MISSING)


def _own_names() -> set[str]:
    """What the module `jax` holds and does not refuse: for names that it dropped, `__getattr__` raises."""
    return set(vars(jax))


def _device_put_replicated(tree: PyTree, devices: Sequence[Any]) -> PyTree:
    """Every leaf once per device, along a new first axis sharded over `devices`.

    The sharding is the one that the outputs of the trainers' own `pmap` have, axis name and
    all: with another, their second iteration would compile everything again.
    """
    mesh = jax.sharding.Mesh(np.array(devices), (_AXIS,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(_AXIS))

    def replicate(leaf: Any) -> jax.Array:
        array = jax.numpy.asarray(leaf)
        return jax.device_put(jax.numpy.broadcast_to(array, (len(devices), *array.shape)), sharding)

    return jax.tree.map(replicate, tree)
