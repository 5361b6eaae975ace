"""The type checker that the import hook takes: it waits for a first call, and every annotation is one that it knows."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import NEEDS, lacks_extra
from jaxtyping import Array, Float, TypeCheckError, jaxtyped

from wildrobot_eqx import typecheck

EAGER = """
import importlib, pkgutil
import wildrobot_eqx as package
from wildrobot_eqx import typecheck
typecheck.typechecker = typecheck.check_now
for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not info.name.endswith("__main__") and info.name not in lacking:
        importlib.import_module(info.name)
"""


def scaled(values: Float[Array, " n"], factor: float, *, offsets: Float[Array, " n"]) -> Float[Array, " n"]:
    return jnp.concatenate([values, offsets]) if factor < 0 else factor * values + offsets


def test_checks_are_written_once_at_the_first_call(monkeypatch):
    written = []
    check_now = typecheck.check_now
    monkeypatch.setattr(typecheck, "check_now", lambda function: written.append(function) or check_now(function))
    checked = jaxtyped(scaled, typechecker=typecheck.typechecker)
    assert written == []
    values = jnp.ones((3,), jnp.float32)
    for _ in range(2):
        np.testing.assert_array_equal(checked(values, 2, offsets=values), 3.0)
    assert len(written) == 2, "one of the parameters, one of what is returned"


def test_a_wrong_argument_or_result_is_named_at_every_call():
    checked = jaxtyped(scaled, typechecker=typecheck.typechecker)
    values = jnp.ones((3,), jnp.float32)
    for _ in range(2):
        with pytest.raises(TypeCheckError, match="parameter 'offsets'"):
            checked(values, 2.0, offsets=jnp.ones((4,), jnp.float32))
        with pytest.raises(TypeCheckError, match="parameter 'factor'"):
            checked(values, "2", offsets=values)
        with pytest.raises(TypeCheckError, match="return value"):
            checked(values, -1.0, offsets=values)


@pytest.mark.slow
def test_every_annotation_of_the_package_is_one_that_beartype_knows():
    """What a first call would blame on its caller."""
    lacking = {name for name in map("wildrobot_eqx.{}".format, NEEDS) if lacks_extra(name)}
    subprocess.run([sys.executable, "-c", f"lacking = {lacking or set()!r}\n{EAGER}"], check=True)
