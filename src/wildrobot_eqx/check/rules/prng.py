"""Random keys used twice, found in a jaxpr: each key may be drawn from or split once."""

import dataclasses
import itertools
from collections.abc import Hashable
from typing import Any

import jax
import jax.numpy as jnp

from ... import jax_compat
from ..trace.tracing import Traced

_SPLIT = "draw once from each key: key, sub = jax.random.split(key), then use sub and carry key on"
_GIVEN = "draw only from a key that you are given, or carry one in the controller's state and split it at each step"
_DRAWS = {"random_bits", "random_split", "random_gamma"}
_SAME = {"squeeze", "reshape", "copy", "random_wrap", "random_unwrap", "convert_element_type", "copy_p"}
_PARTS = {"slice", "dynamic_slice", "gather", "split", "unstack"}


@dataclasses.dataclass(frozen=True)
class Reuse:
    """One key used wrongly: what happened, and the traced operations that used it, the last one last."""

    what: str
    operations: tuple[Any, ...]
    fix: str


def reuses(traced: Traced) -> list[Reuse]:
    """Keys drawn from twice, drawn from in every turn of a loop, made of constants, or carried on after use."""
    walk = _Walk()
    jaxpr, _ = jax_compat.opened(traced.jaxpr)
    ids: dict[Any, int] = {}
    for i, var in enumerate(jaxpr.invars):
        ids[var] = walk.new(fixed=i < traced.own)
    for var in jaxpr.constvars:
        ids[var] = walk.new(fixed=True)
    walk.run(jaxpr, ids, None)
    given = {ids[var]: traced.inputs[i] for i, var in enumerate(jaxpr.invars) if i >= traced.own and _is_key(var)}
    for var in jaxpr.outvars:
        key = None if jax_compat.is_constant(var) else ids.get(var)
        if _is_key(var) and key in given and key in walk.used:
            walk.add("is drawn from, and carried on unchanged: the next step draws the same again", walk.used[key])
    return walk.found


def _is_key(var: Any) -> bool:
    return jnp.issubdtype(var.aval.dtype, jax.dtypes.prng_key) if isinstance(var.aval, jax.core.ShapedArray) else False


class _Walk:
    """Numbers the values of a jaxpr, equal ones alike, and notes which keys are used where."""

    def __init__(self):
        self.found: list[Reuse] = []
        self.used: dict[int, Any] = {}  # key -> the operation that used it
        self.partly: dict[int, Any] = {}  # array of keys -> the operation that used one of them
        self.whole: dict[int, int] = {}  # part -> the array that it is a part of
        self.fixed: set[int] = set()  # the same in every call
        self.numbers: dict[Hashable, int] = {}
        self.count = itertools.count()

    def new(self, fixed: bool = False) -> int:
        number = next(self.count)
        if fixed:
            self.fixed.add(number)
        return number

    def add(self, what: str, *operations: Any, fix: str = _SPLIT) -> None:
        if all(reuse.operations != operations for reuse in self.found):
            self.found.append(Reuse(what, operations, fix))

    def number(self, ids: dict[Any, int], atom: Any) -> int:
        if jax_compat.is_constant(atom):
            number = self.numbers.setdefault(("literal", repr(atom.val)), next(self.count))
            self.fixed.add(number)
            return number
        return ids[atom]

    def use(self, key: int, operation: Any) -> None:
        line = [key]
        while line[-1] in self.whole:
            line.append(self.whole[line[-1]])
        earlier = [self.used[k] for k in line if k in self.used] + [self.partly[k] for k in [key] if k in self.partly]
        if earlier:
            self.add("is used twice: the second draw repeats or follows from the first", earlier[0], operation)
        elif key in self.fixed:
            self.add("is a constant: every call draws the same", operation, fix=_GIVEN)
        self.used.setdefault(key, operation)
        for array in line[1:]:
            self.partly.setdefault(array, operation)

    def run(self, jaxpr: Any, ids: dict[Any, int], top: Any) -> None:
        """Walk `jaxpr`, whose inputs `ids` numbers; `top` is the outermost operation that holds it."""
        for eqn in jaxpr.eqns:
            name, operation = eqn.primitive.name, top or eqn
            ins = [self.number(ids, atom) for atom in eqn.invars]
            if name in _DRAWS:
                self.use(ins[0], operation)
            inner, loop = jax_compat.inner(eqn), jax_compat.loop(eqn)
            if not any(map(_is_key, eqn.invars)) and not _draws(eqn):
                self._plain(eqn, ins, ids)
            elif name == "cond":
                self._branches(eqn, ins, ids, operation)
            elif loop is not None:
                ids.update(zip(eqn.outvars, self._loop(loop, ins[loop.skip :], operation)))
            elif inner is not None and len(jax_compat.opened(inner)[0].invars) == len(ins):
                ids.update(zip(eqn.outvars, self._inline(inner, ins, operation)))
            else:
                self._plain(eqn, ins, ids)

    def _inline(self, function: Any, ins: list[int], operation: Any) -> list[int]:
        jaxpr, _ = jax_compat.opened(function)
        ids = dict(zip(jaxpr.invars, ins))
        ids.update({var: self.new(fixed=True) for var in jaxpr.constvars})
        self.run(jaxpr, ids, operation)
        return [self.number(ids, var) for var in jaxpr.outvars]

    def _branches(self, eqn: Any, ins: list[int], ids: dict[Any, int], operation: Any) -> None:
        """Only one branch runs: each may use a key that the others use, too."""
        before, after = (dict(self.used), dict(self.partly)), [dict(self.used), dict(self.partly)]
        for branch in jax_compat.branches(eqn):
            self.used, self.partly = map(dict, before)
            self._inline(branch, ins[1:], operation)
            after = [after[0] | self.used, after[1] | self.partly]
        self.used, self.partly = after
        ids.update({var: self.new() for var in eqn.outvars})

    def _loop(self, loop: jax_compat.Loop, ins: list[int], operation: Any) -> list[int]:
        inner = [self.new() for _ in ins]
        outs = self._inline(loop.body, inner, operation)
        for i, key in enumerate(inner):
            if key not in self.used and key not in self.partly:
                continue
            slot = i - loop.consts
            stale = i < loop.consts or (slot < loop.carried and outs[slot] == key)
            if stale:
                self.add("is drawn from in every turn of a loop: each turn draws the same", operation)
            else:
                self.use(ins[i], operation)
        return [self.new() for _ in range(len(outs))]

    def _plain(self, eqn: Any, ins: list[int], ids: dict[Any, int]) -> None:
        name = eqn.primitive.name
        if name in _SAME and eqn.outvars[0].aval.size == eqn.invars[0].aval.size and len(ins) == 1:
            ids[eqn.outvars[0]] = ins[0]
            return
        fixed = all(number in self.fixed for number in ins) and not eqn.effects and "callback" not in name
        for k, var in enumerate(eqn.outvars):
            plain = _is_key(var) or (jnp.issubdtype(var.aval.dtype, jnp.integer) and var.aval.size < 64)
            if plain and not _inner(eqn):
                what = (name, repr(sorted(eqn.params.items(), key=lambda p: p[0])), tuple(ins), k)
                number = self.numbers.setdefault(what, next(self.count))
            else:
                number = next(self.count)
            if fixed:
                self.fixed.add(number)
            ids[var] = number
            if name in _PARTS and _is_key(var):
                self.whole[number] = ins[0]


def _draws(eqn: Any) -> bool:
    """Does an operation draw random numbers, itself or inside? An engine's thousands need no second look."""
    if eqn.primitive.name in _DRAWS:
        return True
    return any(_draws(operation) for jaxpr in _inner(eqn) for operation in jaxpr.eqns)


def _inner(eqn: Any) -> list[Any]:
    """The jaxprs that an operation holds."""
    return [jax_compat.opened(function)[0] for function in jax_compat.functions(eqn)]
