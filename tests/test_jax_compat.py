"""What the package relies on in JAX beyond its documented functions; each version of JAX that we allow must pass."""

import ast
import inspect
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from wildrobot_eqx import jax_compat

pytestmark = pytest.mark.newest
SOURCE = Path(jax_compat.__file__).parent


@jax.custom_vjp
def twice(x):
    return 2.0 * x


twice.defvjp(lambda x: (twice(x), None), lambda _, g: (2.0 * g,))
TABLE = np.arange(3.0, dtype=np.float32)


def slices(x, y):
    """Two constants, two carried values, one slice, two results per turn."""

    def turn(carry, row):
        a, b = carry
        return (a * y + x, b + row.sum()), (a, row * b)

    return lax.scan(turn, (x, y), jnp.outer(jnp.arange(4.0) + x, TABLE))


def last_first(x, y):
    return lax.scan(lambda c, row: (c * y + row, c), x, jnp.arange(3.0) + x, reverse=True)


def counted(x, y):
    """Nothing but a carried value and a counter: no slice goes in or out."""
    return lax.fori_loop(0, 3, lambda i, c: c * x + i, y)


def until(x, y):
    """Constants of the condition and of the body."""
    return lax.while_loop(lambda c: c[0] < 9.0 * x, lambda c: (c[0] * 2.0 + y, c[1] + x + y), (x, y))


def slope(x, y):
    """JAX's own scan backwards through `slices`."""
    return jax.grad(lambda x, y: sum(leaf.sum() for leaf in jax.tree.leaves(slices(x, y))), (0, 1))(x, y)


def choice(x, y):
    return lax.cond(x > y, lambda x, y: (x, y), lambda x, y: (y * y, x + y), x, y)


def constants(x, y):
    """A jitted function that closes over an array."""
    return jax.jit(lambda a: a + jnp.asarray(TABLE))(x) * y


def derivatives(x, y):
    return jax.checkpoint(lambda a: jnp.sin(a) * y)(x) + twice(x) + jax.nn.relu(y)


PROGRAMS = (slices, last_first, counted, until, slope, choice, constants, derivatives)


def run(function, inputs):
    """A traced function, one operation after the other: what each calls, and the operation as a whole."""
    jaxpr, consts = jax_compat.opened(function)
    values = dict(zip(jaxpr.invars, inputs, strict=True)) | dict(zip(jaxpr.constvars, consts, strict=True))

    def value(atom):
        return jnp.asarray(atom.val) if jax_compat.is_constant(atom) else values[atom]

    for equation in jaxpr.eqns:
        ins = [value(atom) for atom in equation.invars]
        called, loop, branches = (f(equation) for f in (jax_compat.called, jax_compat.loop, jax_compat.branches))
        if called is not None:
            outs = run(called, ins)
        elif loop is not None:
            outs = turns(equation, loop, ins)
        elif branches:
            outs = run(branches[int(ins[0])], ins[1:])
        else:
            outs = jax_compat.apply(equation, *ins)
        for out, whole in zip(outs, jax_compat.apply(equation, *ins), strict=True):
            np.testing.assert_allclose(out, whole, rtol=1e-6)
        values.update(zip(equation.outvars, outs, strict=True))
    return [value(atom) for atom in jaxpr.outvars]


def turns(equation, loop, ins):
    begin = loop.skip + loop.consts
    consts, carry, rows = ins[loop.skip : begin], ins[begin : begin + loop.carried], ins[begin + loop.carried :]
    if equation.primitive.name == "while":
        condition = [*ins[: loop.skip]]
        while bool(run(equation.params["cond_jaxpr"], [*condition, *carry])[0]):
            carry = run(loop.body, [*consts, *carry])
        return carry
    results = []
    for i in range(equation.params["length"])[:: -1 if equation.params["reverse"] else 1]:
        out = run(loop.body, [*consts, *carry, *(row[i] for row in rows)])
        carry = out[: loop.carried]
        results.append(out[loop.carried :])
    ordered = results[:: -1 if equation.params["reverse"] else 1]
    return [*carry, *(jnp.stack(column) for column in zip(*ordered))]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_a_traced_function_is_run_operation_by_operation(program):
    x, y = jnp.float32(1.5), jnp.float32(0.7)
    found = run(jax.make_jaxpr(program)(x, y), [x, y])
    wanted = jax.tree.leaves(program(x, y))
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_scan_says_how_many_constants_and_carried_values_it_has():
    (equation,) = [e for e in jax.make_jaxpr(slices)(1.0, 2.0).eqns if e.primitive.name == "scan"]
    loop = jax_compat.loop(equation)
    assert (loop.skip, loop.consts, loop.carried) == (0, 2, 2)
    (equation,) = [e for e in jax.make_jaxpr(until)(1.0, 2.0).eqns if e.primitive.name == "while"]
    loop = jax_compat.loop(equation)
    assert loop.carried == 2
    assert (loop.skip, loop.consts) == (1, 2)


def test_an_operation_names_the_functions_that_it_holds():
    held = {}
    for program in PROGRAMS:
        for equation in jax.make_jaxpr(program)(1.0, 2.0).eqns:
            held[equation.primitive.name] = len(jax_compat.functions(equation))
    assert held.items() >= {"scan": 1, "while": 2, "cond": 2, "jit": 1, "add": 0, "custom_vjp_call": 1}.items()


def test_an_operation_names_the_lines_that_made_it():
    lines, first = inspect.getsourcelines(twice.__wrapped__)
    place = (__file__, first + next(i for i, line in enumerate(lines) if "return" in line))
    (equation,) = jax.make_jaxpr(twice.__wrapped__)(1.0).eqns
    assert place in jax_compat.lines(equation)


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_a_key_and_its_shape_name_their_generator(impl):
    key = jax.random.key(0, impl=impl)
    for like in (key, jax.eval_shape(lambda: key)):
        again = jax.random.wrap_key_data(jax.random.key_data(key), impl=jax_compat.key_impl(like))
        assert again.dtype == key.dtype


def test_a_row_primitive_is_one_operation_under_jit_and_vmap():
    def ends(rows, program):
        return jnp.concatenate([rows[..., :1] * program, rows[..., -1:]], axis=-1)

    call = jax_compat.row_primitive("ends", jax.jit(ends, static_argnames="program"), lambda program: 2)
    rows = jnp.arange(24.0).reshape(2, 3, 4)
    wanted = ends(rows, 5)

    def one(row):
        return call(row, program=5)

    assert [e.primitive.name for e in jax.make_jaxpr(jax.vmap(one))(rows[0]).eqns] == ["ends"]
    np.testing.assert_array_equal(one(rows), wanted)
    np.testing.assert_array_equal(jax.jit(jax.vmap(jax.vmap(one)))(rows), wanted)
    by_column = jax.vmap(one, in_axes=1, out_axes=1)(rows)
    np.testing.assert_array_equal(by_column, wanted)


def test_a_process_alone_has_nobody_to_tell():
    assert jax_compat.distributed_client() is None


def test_devices_that_are_offered_too_late_are_left_to_be_counted():
    before = jax.device_count()
    jax_compat.offer_cpu_devices(before + 1)
    assert jax.device_count() == before


def test_jax_knows_what_it_is_to_leave_to_this_package():
    names = ("jax_enable_preemption_service", "jax_enable_recoverability")
    before = {name: getattr(jax.config, name) for name in names}
    jax_compat.prepare_distributed()
    try:
        assert [getattr(jax.config, name) for name in names] == [False, True]
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


READ_IN_ONE_PLACE = {"get_bind_params", "source_info", "jaxprs_in_params", "ClosedJaxpr"}


def test_only_jax_compat_reads_what_jax_keeps_to_itself():
    found = {}
    for path in SOURCE.rglob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Attribute):
                names.add(ast.unparse(node))
        inside = {name for name in names if re.match(r"jax\.(extend|interpreters|_src|lib)\b", name)}
        inside |= {name for name in names if name.rsplit(".")[-1] in READ_IN_ONE_PLACE}
        if inside:
            found[path.relative_to(SOURCE).as_posix()] = inside
    assert found.keys() == {"jax_compat.py"}, found
