"""Operations of a traced policy, run by onnxruntime, against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from wildrobot_eqx.deploy.export.onnx.nodes import Graph
from wildrobot_eqx.deploy.export.onnx.trace import _Writer

MAGNITUDES = 10.0 ** np.linspace(-30.0, 1.0, 2000)
NEGATIVE, POSITIVE = -MAGNITUDES, MAGNITUDES


def _run(function, x: np.ndarray) -> np.ndarray:
    """What onnxruntime makes of a function of one vector."""
    graph = Graph()
    (out,) = _Writer(graph, "test").write(jax.make_jaxpr(function)(jnp.asarray(x)), ["x"])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [len(x)]) for name in ("x", out)]
    made = helper.make_graph(graph.nodes, "test", ends[:1], ends[1:], graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([out], {"x": x})[0]


@pytest.mark.parametrize(
    ("function", "exact", "x"),
    [
        (jnp.expm1, np.expm1, np.concatenate([NEGATIVE, POSITIVE])),
        (jax.nn.elu, lambda x: np.where(x > 0.0, x, np.expm1(x)), np.concatenate([NEGATIVE, POSITIVE])),
        (jnp.log1p, np.log1p, np.concatenate([NEGATIVE[NEGATIVE > -0.999], POSITIVE])),
    ],
)
def test_what_is_small_keeps_its_digits(function, exact, x):
    x = x.astype(np.float32)
    true = exact(x.astype(np.float64))
    off = np.abs(_run(function, x).astype(np.float64) - true) / np.abs(true)
    assert off.max() < 5e-7


def test_the_ends_are_those_of_numpy():
    x = np.float32([-np.inf, -200.0, -1.0, -0.0, 0.0, 200.0, np.inf, np.nan])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(_run(jnp.expm1, x), np.expm1(x), rtol=1e-6)
        np.testing.assert_allclose(_run(jnp.log1p, x[2:5]), np.log1p(x[2:5]), rtol=1e-6)
        assert np.isposinf(_run(jnp.log1p, x[-2:-1]))
        assert np.isnan(_run(jnp.log1p, x[[0, 1, 7]])).all()
