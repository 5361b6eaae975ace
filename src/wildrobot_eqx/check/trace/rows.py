"""How many `vmap`s an operation was traced under: a key of fewer axes is one key for all rows."""

import re
from pathlib import Path
from typing import Any

from ... import jax_compat

_CHECKER = str(Path(__file__).resolve().parents[1])
_MAPPED = re.compile(r"\bvmap_f$")  # `jax.vmap` calls its function from here
_RANDOM = re.compile(r"/jax/_src/random[./]")  # what JAX's own samplers map is their affair


def batches(operation: Any) -> int:
    """The `vmap`s of the user's own code around a traced operation, from where the checker called that code."""
    count = 0
    for file, function in jax_compat.calls(operation):  # the innermost comes first
        if file.startswith(_CHECKER):
            return count
        if _RANDOM.search(file):
            count = 0
        elif _MAPPED.search(function) and "/jax/_src/" in file:
            count += 1
    return count
