"""Operations of a traced function, run by onnxruntime, against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.export.onnx.nodes import Graph
from wildrobot_eqx.deploy.export.onnx.trace import Refused, trace

MAGNITUDES = 10.0 ** np.linspace(-30.0, 1.0, 2000)
SIGNED = np.concatenate([-MAGNITUDES, MAGNITUDES]).astype(np.float32)
_ONNX = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "bool": TensorProto.BOOL}


def _traced(function, *arrays: np.ndarray) -> tuple[Graph, list]:
    graph = Graph()
    given = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in arrays]
    return graph, trace(graph, function, [f"x{i}" for i in range(len(arrays))], given, "The test")


def _run(function, *arrays) -> list[np.ndarray]:
    """What onnxruntime makes of a function: its results' leaves, of the shapes and dtypes that JAX gives them."""
    arrays = [np.asarray(x) for x in arrays]
    graph, names = _traced(function, *arrays)
    leaves = jax.tree.leaves(jax.eval_shape(function, *arrays))
    ins = [helper.make_tensor_value_info(f"x{i}", _ONNX[x.dtype.name], x.shape) for i, x in enumerate(arrays)]
    outs = []
    for i, (name, leaf) in enumerate(zip(names, leaves)):
        graph.add("Identity", [name], name=f"y{i}")
        outs.append(helper.make_tensor_value_info(f"y{i}", _ONNX[leaf.dtype.name], leaf.shape))
    made = helper.make_graph(graph.nodes, "test", ins, outs, graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run([value.name for value in outs], {f"x{i}": x for i, x in enumerate(arrays)})
    for array, leaf in zip(found, leaves):
        assert (array.shape, array.dtype) == (leaf.shape, leaf.dtype)
    return found


@pytest.mark.parametrize(
    ("function", "exact", "x"),
    [
        (jnp.expm1, np.expm1, SIGNED),
        (jax.nn.elu, lambda x: np.where(x > 0.0, x, np.expm1(x)), SIGNED),
        (jnp.log1p, np.log1p, SIGNED[SIGNED > -0.999]),
        (jnp.arctan, np.arctan, SIGNED),
        (jnp.exp2, np.exp2, SIGNED),
        (jnp.tanh, np.tanh, SIGNED),
        (jax.lax.rsqrt, lambda x: 1.0 / np.sqrt(x), SIGNED[SIGNED > 0.0]),
        (lambda x: x**3, lambda x: x**3, SIGNED[np.abs(SIGNED) > 1e-12]),
    ],
)
def test_what_is_small_keeps_its_digits(function, exact, x):
    true = exact(x.astype(np.float64))
    off = np.abs(_run(function, x)[0].astype(np.float64) - true) / np.abs(true)
    assert off.max() < 1e-6


def test_the_ends_are_those_of_numpy():
    x = np.float32([-np.inf, -200.0, -1.0, -0.0, 0.0, 200.0, np.inf, np.nan])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(_run(jnp.expm1, x)[0], np.expm1(x), rtol=1e-6)
        np.testing.assert_allclose(_run(jnp.log1p, x[2:5])[0], np.log1p(x[2:5]), rtol=1e-6)
        assert np.isposinf(_run(jnp.log1p, x[-2:-1])[0])
        assert np.isnan(_run(jnp.log1p, x[[0, 1, 7]])[0]).all()


def test_angles_are_those_of_numpy():
    """In all directions, near and far; along the axes, too, and of nothing at all."""
    angles = np.linspace(-np.pi, np.pi, 3000)[1:-1]
    lengths = np.tile([1e-6, 1e-3, 1.0, 1e3, 1e6], 600)[: len(angles)]
    y, x = (lengths * np.sin(angles)).astype(np.float32), (lengths * np.cos(angles)).astype(np.float32)
    axes = np.float32([[0, 0], [0, 1], [0, -1], [1, 0], [-1, 0], [0, 1e-30], [1e-30, 0]])
    y, x = np.concatenate([y, axes[:, 0]]), np.concatenate([x, axes[:, 1]])
    np.testing.assert_allclose(_run(jnp.arctan2, y, x)[0], np.arctan2(y.astype(float), x.astype(float)), atol=4e-7)


def test_small_angles_keep_their_digits():
    y = SIGNED[np.abs(SIGNED) < 0.1]
    found = _run(jnp.arctan2, y, np.ones_like(y))[0]
    np.testing.assert_allclose(found, np.arctan2(y.astype(float), 1.0), rtol=3e-7)


@pytest.mark.parametrize("divisor", [2.0 * np.pi, -0.7, 1.0, 0.02])
def test_remainders_are_those_of_numpy(divisor):
    """`rem` has the sign of what is divided, as C has it; `%` that of the divisor."""
    x = np.concatenate([np.linspace(-30.0, 30.0, 4001), [0.0, divisor, -divisor]]).astype(np.float32)
    d = np.full_like(x, divisor)
    towards_zero, floored = _run(lambda x, d: (jax.lax.rem(x, d), x % d), x, d)
    assert np.array_equal(towards_zero, np.fmod(x, d))
    assert np.array_equal(floored, np.mod(x, d))


def test_whole_numbers_are_divided_as_jax_does():
    x, d = np.arange(-12, 13, dtype=np.int32), np.full(25, 5, np.int32)
    quotient, remainder, floored = _run(lambda x, d: (jax.lax.div(x, d), jax.lax.rem(x, d), x % d), x, d)
    assert np.array_equal(quotient, np.fix(x / 5).astype(np.int32))
    assert np.array_equal(remainder, np.fmod(x, d))
    assert np.array_equal(floored, np.mod(x, d))


@pytest.mark.parametrize("start", [-100, -5, -1, 0, 2, 3, 4, 7, 100])
def test_a_slice_that_would_stick_out_is_moved_inside(start):
    """As JAX has it: a negative place counts from the end, and then everything is clamped."""
    x, at = np.arange(10, dtype=np.float32), np.int32(start)
    rows = np.arange(24, dtype=np.float32).reshape(6, 4)

    def function(x, rows, at):
        raw = jax.lax.dynamic_slice_p.bind(x, at, slice_sizes=(6,))
        return raw, jax.lax.dynamic_slice(rows, (at, at), (2, 3)), x[at], jnp.take(x, at, mode="clip")

    raw, block, one, taken = _run(function, x, rows, at)
    inside = min(max(start, 0), 4)
    assert np.array_equal(raw, x[inside : inside + 6])
    for found, wanted in zip((block, one, taken), jax.jit(function)(x, rows, at)[1:]):
        assert np.array_equal(found, wanted)
    assert one == x[min(max(start + 10 if start < 0 else start, 0), 9)]


def test_picking_is_numpys():
    x, places = np.arange(20, dtype=np.float32).reshape(4, 5), np.array([3, 0, 3], np.int32)
    rows, columns, fixed = _run(lambda x, i: (x[i], x[:, i], x[jnp.asarray([2, 1]), :]), x, places)
    assert np.array_equal(rows, x[places])
    assert np.array_equal(columns, x[:, places])
    assert np.array_equal(fixed, x[[2, 1]])


def test_arrays_are_put_together_as_numpy_does():
    a, b = np.float32([1, 2, 3]), np.float32([4, 5, 6])

    def function(a, b):
        return [
            jnp.stack([a, b]),
            jnp.stack([a, b], axis=1),
            jnp.concatenate([a, b]),
            jnp.pad(a, (1, 2), constant_values=7.0),
            jnp.pad(jnp.outer(a, b), ((0, 1), (2, 0))),
            jnp.flip(jnp.outer(a, b), axis=1),
            jnp.roll(a, 1),
            jnp.tile(a, (2, 2)),
            jnp.outer(a, b),
            jnp.split(jnp.concatenate([a, b]), [1, 4])[1],
            jnp.arange(3) * a,
            a[::2],
            jnp.where(a > 1.5, a, b),
            jnp.clip(a, 1.5, 2.5),
        ]

    wanted = [
        np.stack([a, b]),
        np.stack([a, b], axis=1),
        np.concatenate([a, b]),
        np.pad(a, (1, 2), constant_values=7.0),
        np.pad(np.outer(a, b), ((0, 1), (2, 0))),
        np.flip(np.outer(a, b), axis=1),
        np.roll(a, 1),
        np.tile(a, (2, 2)),
        np.outer(a, b),
        np.float32([2, 3, 4]),
        np.arange(3) * a,
        a[::2],
        np.where(a > 1.5, a, b),
        np.clip(a, 1.5, 2.5),
    ]
    for found, true in zip(_run(function, a, b), wanted):
        assert np.array_equal(found, true)


def test_conditions_are_those_of_numpy():
    x = np.float32([[1.0, -2.0, 3.0], [0.5, 0.5, -0.5], [2.0, np.inf, np.nan]])

    def function(x):
        positive = x > 0.0
        return [
            jnp.all(positive, axis=1),
            jnp.any(positive, axis=0),
            jnp.isfinite(x),
            jnp.logical_xor(positive, x > 1.0),
            jnp.logical_not(positive),
            jnp.sum(positive, axis=1),
            positive.astype(jnp.float32),
            x != 0.5,
        ]

    positive = x > 0.0
    wanted = [
        positive.all(axis=1),
        positive.any(axis=0),
        np.isfinite(x),
        positive ^ (x > 1.0),
        ~positive,
        positive.sum(axis=1),
        positive.astype(np.float32),
        x != 0.5,
    ]
    for found, true in zip(_run(function, x), wanted):
        assert np.array_equal(found, true)


@pytest.mark.parametrize("kind", ["float32", "int32", "bool"])
def test_either_of_two_is_chosen_of_any_kind(kind):
    which, x = np.array([True, False, True, False]), np.float32([1.0, 0.0, 0.0, 3.0])
    yes, no = (x.astype(kind), x[::-1].astype(kind))

    def function(which, yes, no):
        one = jax.lax.cond(which[1], lambda a, b: (a, b[0]), lambda a, b: (b, a[1]), yes, no)
        return jnp.where(which, yes, no), jnp.where(which[0], yes, no), one

    whole, first, other, entry = _run(function, which, yes, no)
    assert np.array_equal(whole, np.where(which, yes, no))
    assert np.array_equal(first, yes)
    assert np.array_equal(other, no)
    assert entry == yes[1]


def test_what_is_empty_is_left_out():
    """An array of no entries, which ONNX would read another shape into."""

    def function(x):
        none = x[:0].reshape(0, 2) * 2.0
        return jnp.concatenate([x.reshape(-1, 2), none]), none

    whole, none = _run(function, np.arange(6, dtype=np.float32))
    assert whole.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert none.shape == (0, 2)


def test_rounding_is_numpys():
    x = np.concatenate([np.arange(-4.0, 4.1, 0.25), [1e9, -1e9]]).astype(np.float32)
    found = _run(lambda x: [jnp.round(x), jnp.floor(x), jnp.ceil(x), jnp.sign(x), jnp.abs(x)], x)
    for array, wanted in zip(found, [np.round(x), np.floor(x), np.ceil(x), np.sign(x), np.abs(x)]):
        assert np.array_equal(array, wanted)


@pytest.mark.parametrize("dims", [((1,), (0,)), ((0,), (1,)), ((0, 1), (1, 0))])
def test_products_are_numpys(dims):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=(4, 3)).astype(np.float32)
    (found,) = _run(lambda a, b: jnp.tensordot(a, b, dims), a, b)
    np.testing.assert_allclose(found, np.tensordot(a.astype(float), b.astype(float), dims), atol=1e-5)


def test_reductions_are_numpys():
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    wide = x.astype(float)
    found = _run(lambda x: [x.sum(axis=(0, 2)), x.mean(), x.max(axis=1), x.min(), jnp.linalg.norm(x[0, 0])], x)
    wanted = [wide.sum(axis=(0, 2)), wide.mean(), wide.max(axis=1), wide.min(), np.linalg.norm(wide[0, 0])]
    for array, true in zip(found, wanted):
        np.testing.assert_allclose(array, true, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("which", [-3, 0, 1, 2, 9])
def test_one_of_several_functions_is_chosen_as_jax_does(which):
    x, ways = np.float32([1.0, -2.0]), [lambda x: x + 1.0, lambda x: x * 2.0, jnp.sin]

    def function(i, x):
        switched = jax.lax.switch(i, ways, x)
        return switched, jax.lax.cond(i > 0, lambda x: (x, x[0]), lambda x: (-x, x[1]), x)

    found = _run(function, np.int32(which), x)
    for array, wanted in zip(found, jax.tree.leaves(function(which, x))):
        np.testing.assert_allclose(array, wanted, atol=1e-6)


def test_what_hangs_on_no_input_is_a_constant():
    """Random draws included, and a choice that is known is no choice."""

    def function(x):
        drawn = jax.random.normal(jax.random.key(3), (2,))
        return drawn, jax.lax.cond(drawn[0] < 9.0, lambda x: x, lambda x: jnp.sort(x), x)

    graph, names = _traced(function, np.float32([2.0, 1.0]))
    assert names[1] == "x0"
    assert graph.nodes == []
    drawn, same = _run(function, np.float32([2.0, 1.0]))
    assert np.array_equal(drawn, jax.random.normal(jax.random.key(3), (2,)))
    assert same.tolist() == [2.0, 1.0]


LACKING = {
    "sort": jnp.sort,
    "cumsum": jnp.cumsum,
    "scan|while": lambda x: jax.lax.fori_loop(0, 3, lambda i, y: y + x, x),
    "erf_inv": jax.lax.erf_inv,
}


@pytest.mark.parametrize("name", LACKING)
def test_what_onnx_lacks_is_refused_by_name_where_it_is_needed(name):
    graph, (wrong, right) = _traced(lambda x: (jnp.sin(LACKING[name](x)), jnp.cos(x)), np.float32([1.0, 2.0]))
    assert isinstance(wrong, Refused)
    with pytest.raises(WildRobotError, match=rf"The test computes with `({name})\w*`, which an exported policy cannot"):
        raise wrong.error
    assert right in {output for node in graph.nodes for output in node.output}


def test_a_random_key_is_no_result():
    _, (found,) = _traced(lambda x: jax.random.key(0), np.float32([1.0]))
    assert isinstance(found, Refused)
    assert "hands on a random key" in str(found.error)
