"""What Brax's trainers miss in today's JAX is there while they run, and gone afterwards."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.adapters.brax_compat import brax_trainers, importing_brax


def _is_there():
    return "device_put_replicated" in vars(jax)


@pytest.mark.newest
def test_the_missing_function_comes_and_goes():
    assert not _is_there()
    with brax_trainers():
        out = jax.device_put_replicated({"a": jnp.arange(3), "b": 2.0}, jax.local_devices()[:1])
        assert _is_there()
    assert not _is_there()
    np.testing.assert_array_equal(out["a"], [[0, 1, 2]])
    assert out["b"].shape == (1,)
    assert out["a"].addressable_shards[0].data.shape == (1, 3)
    assert jax.pmap(lambda x: 2 * x)(out["a"]).tolist() == [[0, 2, 4]]


def test_it_is_gone_after_an_error_too():
    with pytest.raises(KeyError), brax_trainers():
        raise KeyError
    assert not _is_there()


def test_a_jax_that_has_it_keeps_its_own(monkeypatch):
    def own(tree, devices):
        return tree

    monkeypatch.setattr(jax, "device_put_replicated", own, raising=False)
    with brax_trainers():
        assert jax.device_put_replicated is own
    assert jax.device_put_replicated is own


def test_imports_are_quiet(capsys):
    with importing_brax():
        warnings.warn("JAXopt is no longer maintained. See elsewhere.", DeprecationWarning, stacklevel=1)
        print("Failed to import warp: No module named 'warp'")
    assert capsys.readouterr().out == ""
    with pytest.warns(DeprecationWarning, match="another"), importing_brax():
        warnings.warn("another", DeprecationWarning, stacklevel=1)


def test_what_is_missing_is_named():
    with pytest.raises(WildRobotError, match=r"pip install 'wildrobot-eqx\[brax\]'"), importing_brax():
        raise ModuleNotFoundError("No module named 'brax'")
