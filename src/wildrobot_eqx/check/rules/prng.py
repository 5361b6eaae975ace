"""Random keys used twice, found in a jaxpr: each key may be drawn from, split or folded once."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Hashable
from typing import Any, no_type_check

import jax
import jax.numpy as jnp

from ... import jax_compat
from ..trace.rows import batches

_SPLIT = "draw once from each key: key, sub = jax.random.split(key), then use sub and carry key on"
_GIVEN = "draw only from a key that you are given, or carry one in the controller's state and split it at each step"
_ONCE = "split once, into as many keys as are needed: key_a, key_b, key_c = jax.random.split(key, 3)"
_ROWS = "give each row a key of its own: jax.vmap(f)(jax.random.split(key, n), rows)"
_DRAWS = {"random_bits", "random_gamma"}
_USES = {*_DRAWS, "random_split"}
_FOLD = "random_fold_in"
_SAME = {"squeeze", "reshape", "copy", "convert_element_type", "copy_p", "broadcast_in_dim", "expand_dims"}
_PARTS = {"slice", "dynamic_slice", "gather", "split", "unstack"}
_JOINS = {"concatenate", "stack"}
_REPEATS = {"broadcast_in_dim", "tile"}
_ROW_BY_ROW = {*_SAME, "random_split", "random_wrap", "random_unwrap"}


@dataclasses.dataclass(frozen=True)
class Reuse:
    """One key used wrongly: what happened, and the traced operations that used it, the last one last."""

    what: str
    operations: tuple[Any, ...]
    fix: str


@dataclasses.dataclass
class _Uses:
    """Which keys are used, by their numbers; each branch of a `cond` goes on with a copy of its own."""

    used: dict[int, Any] = dataclasses.field(default_factory=dict)  # key -> the operation that used it
    parts: dict[int, int] = dataclasses.field(default_factory=dict)  # split key -> into how many
    partly: dict[int, Any] = dataclasses.field(default_factory=dict)  # array of keys -> who used one of them
    folded: dict[int, dict[int | None, Any]] = dataclasses.field(default_factory=dict)  # key -> number -> operation

    def copy(self) -> "_Uses":
        folded = {key: dict(numbers) for key, numbers in self.folded.items()}
        return _Uses(dict(self.used), dict(self.parts), dict(self.partly), folded)

    def join(self, other: "_Uses") -> "_Uses":
        folded = {key: {**self.folded.get(key, {}), **numbers} for key, numbers in other.folded.items()}
        return _Uses(self.used | other.used, self.parts | other.parts, self.partly | other.partly, self.folded | folded)


def reuses(traced: Any) -> list[Reuse]:
    """What is wrong with the keys of a `tracing.Traced`, in the order of its operations.

    Keys drawn from twice, split and folded, drawn from in every turn of a loop or for every row
    of a `vmap`, made of constants, or carried on after use.
    """
    walk = _Walk()
    jaxpr, _ = jax_compat.opened(traced.jaxpr)
    ids: dict[Any, int] = {}
    for i, var in enumerate(jaxpr.invars):
        ids[var] = walk.new(fixed=i < traced.own)
    for var in jaxpr.constvars:
        ids[var] = walk.new(fixed=True)
    walk.run(jaxpr, ids, None)
    given = {ids[var] for i, var in enumerate(jaxpr.invars) if i >= traced.own}
    for var in jaxpr.outvars:
        key = None if jax_compat.is_constant(var) else ids.get(var)
        if key in given and (use := walk.uses.used.get(walk.typed.get(key, key))) is not None:
            walk.add("is drawn from, and carried on unchanged: the next step draws the same again", use)
    return walk.found


@no_type_check  # this and three more run for every operation of every part
def _is_key(var: Any) -> bool:
    return isinstance(var.aval, jax.core.ShapedArray) and _holds_keys(var.aval.dtype)


@functools.cache
def _holds_keys(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jax.dtypes.prng_key)


@functools.cache
def _holds_integers(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.integer)


class _Walk:
    """Numbers the values of a jaxpr, equal ones alike, and notes which keys are used where."""

    def __init__(self) -> None:
        self.found: list[Reuse] = []
        self.uses = _Uses()
        self.whole: dict[int, int] = {}  # part -> the array that it is a part of
        self.typed: dict[int, int] = {}  # the words of a key -> the key
        self.fixed: set[int] = set()  # the same in every call
        self.still: set[int] = set()  # inside a loop: the same in every turn
        self.repeated: set[int] = set()  # arrays that hold one key more than once
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

    @no_type_check
    def number(self, ids: dict[Any, int], atom: Any) -> int:
        if jax_compat.is_constant(atom):
            number = self.numbers.setdefault(("literal", repr(atom.val)), next(self.count))
            self.fixed.add(number)
            return number
        return ids[atom]

    def line(self, key: int) -> list[int]:
        """A key and the arrays of keys that it was taken from, the nearest first."""
        line = [key]
        while line[-1] in self.whole:
            line.append(self.whole[line[-1]])
        return line

    def use(self, key: int, operation: Any, parts: int | None = None) -> None:
        """A key is drawn from, or split into `parts`."""
        uses, line = self.uses, self.line(key)
        earlier = [uses.used[k] for k in line if k in uses.used] + [uses.partly[k] for k in [key] if k in uses.partly]
        folds = [fold for n, fold in uses.folded.get(key, {}).items() if _coincide(n, parts)]
        if earlier:
            self.add("is used twice: the second draw repeats or follows from the first", earlier[0], operation)
        elif folds:
            self.add(_both(parts), folds[0], operation, fix=_ONCE)
        elif key in self.fixed:
            self.add("is a constant: every call draws the same", operation, fix=_GIVEN)
        elif key in self.still:
            self.add("is drawn from in every turn of a loop: each turn draws the same", operation)
        elif key in self.repeated:
            self.add("is one key for all rows of a batch: each row draws the same", operation, fix=_ROWS)
        uses.used.setdefault(key, operation)
        if parts is not None:
            uses.parts.setdefault(key, parts)
        for array in line[1:]:
            uses.partly.setdefault(array, operation)

    def fold(self, key: int, number: int | None, operation: Any) -> None:
        """`jax.random.fold_in(key, number)`; None: a number that is not known before the env runs."""
        for k in self.line(key):
            parts = self.uses.parts.get(k)
            if k in self.uses.used and _coincide(number, parts):
                self.add(_both(parts), self.uses.used[k], operation, fix=_ONCE)
                break
        self.uses.folded.setdefault(key, {}).setdefault(number, operation)

    def run(self, jaxpr: Any, ids: dict[Any, int], top: Any, site: Any = None) -> None:
        """Walk `jaxpr`, whose inputs `ids` numbers.

        `top` is the outermost operation that holds it; `site` the one whose own place in the
        code says where it was traced, since JAX keeps the insides of a `jit` from earlier traces.
        """
        for eqn in jaxpr.eqns:
            name, operation, here = eqn.primitive.name, top or eqn, site or eqn
            ins = [self.number(ids, atom) for atom in eqn.invars]
            if name in _DRAWS and batches(here) > eqn.invars[0].aval.ndim:
                self.add("is one key for all rows of a `vmap`: each row draws the same", here, fix=_ROWS)
            if name in _USES:
                self.use(ins[0], here, math.prod(eqn.params["shape"]) if name == "random_split" else None)
            elif name == _FOLD:
                self.fold(ins[0], _known(eqn.invars[1]), here)
            inner, loop = jax_compat.inner(eqn), jax_compat.loop(eqn)
            if not any(map(_is_key, eqn.invars)) and not _draws(eqn):
                self._plain(eqn, ins, ids)
            elif name == "cond":
                self._branches(eqn, ins, ids, operation)
            elif loop is not None:
                ids.update(zip(eqn.outvars, self._loop(loop, ins[loop.skip :], operation)))
            elif inner is not None and len(jax_compat.opened(inner)[0].invars) == len(ins):
                ids.update(zip(eqn.outvars, self._inline(inner, ins, operation, here)))
            else:
                self._plain(eqn, ins, ids)

    def _inline(self, closed: Any, ins: list[int], operation: Any, site: Any = None) -> list[int]:
        jaxpr, _ = jax_compat.opened(closed)
        ids = dict(zip(jaxpr.invars, ins))
        ids.update({var: self.new(fixed=True) for var in jaxpr.constvars})
        self.run(jaxpr, ids, operation, site)
        return [self.number(ids, var) for var in jaxpr.outvars]

    def _branches(self, eqn: Any, ins: list[int], ids: dict[Any, int], operation: Any) -> None:
        """Only one branch runs: each may use a key that the others use, too."""
        before, after = self.uses.copy(), self.uses.copy()
        for branch in jax_compat.branches(eqn):
            self.uses = before.copy()
            self._inline(branch, ins[1:], operation)
            after = after.join(self.uses)
        self.uses = after
        ids.update({var: self.new() for var in eqn.outvars})

    def _loop(self, loop: jax_compat.Loop, ins: list[int], operation: Any) -> list[int]:
        consts, carried = loop.consts, loop.carried
        inner = [self.new() for _ in jax_compat.opened(loop.body)[0].invars]
        self.still.update(inner[:consts])
        outs = self._inline(loop.body, inner, operation)
        uses = self.uses
        for i, key in enumerate(inner):
            if i < len(ins):
                for number, fold in uses.folded.get(key, {}).items():
                    self.fold(ins[i], number, fold)
            if key not in uses.used and key not in uses.partly:
                continue
            slot = i - consts
            stale = i < consts or (slot < carried and outs[slot] == key)
            if stale:
                use = uses.used.get(key, uses.partly.get(key, operation))
                self.add("is drawn from in every turn of a loop: each turn draws the same", use)
            elif i < len(ins):
                self.use(ins[i], operation)
        return [self.new() for _ in range(len(outs))]

    def _plain(self, eqn: Any, ins: list[int], ids: dict[Any, int]) -> None:
        name = eqn.primitive.name
        sizes = [atom.aval.size for atom in (eqn.outvars[0], *eqn.invars[:1])] if eqn.outvars else []
        if name in _SAME and len(ins) == 1 and sizes[0] == sizes[1]:
            ids[eqn.outvars[0]] = ins[0]
            return
        if name == "random_wrap" and ins[0] in self.typed:
            ids[eqn.outvars[0]] = self.typed[ins[0]]
            return
        fixed = all(number in self.fixed for number in ins) and not eqn.effects and "callback" not in name
        still = any(number in self.still for number in ins) and all(
            number in self.still or number in self.fixed for number in ins
        )
        for k, var in enumerate(eqn.outvars):
            plain = _is_key(var) or (_holds_integers(var.aval.dtype) and var.aval.size < 64)
            if plain and not _inner(eqn):
                what = (name, repr(sorted(eqn.params.items(), key=lambda p: p[0])), tuple(ins), k)
                number = self.numbers.setdefault(what, next(self.count))
            else:
                number = next(self.count)
            if fixed:
                self.fixed.add(number)
            if still:
                self.still.add(number)
            ids[var] = number
            if name in _PARTS and _is_key(var):
                self.whole[number] = ins[0]
            self._repeats(name, ins, sizes, number)
            if name == "random_wrap":
                self.typed[ins[0]] = number
            elif name == "random_unwrap":
                self.typed[number] = ins[0]

    def _repeats(self, name: str, ins: list[int], sizes: list[int], number: int) -> None:
        """Note an array that holds one key more than once, and what is made of it row by row."""
        joined = name in _JOINS and len(set(ins)) < len(ins)
        copied = name in _REPEATS and len(sizes) > 1 and sizes[0] > sizes[1]
        passed = name in _ROW_BY_ROW and ins[0] in self.repeated
        if joined or copied or passed:
            self.repeated.add(number)


def _coincide(number: int | None, parts: int | None) -> bool:
    """May a fold by `number` give a key that a split into `parts`, or a draw (None), gave already?"""
    return parts is None or number is None or number < parts


def _both(parts: int | None) -> str:
    if parts is None:
        return "is folded, and drawn from as well: the draws follow from each other"
    return f"is split and folded: split(key, {parts})[i] is fold_in(key, i), so both draw the same"


def _known(atom: Any) -> int | None:
    """The value of a constant number."""
    return int(atom.val) if jax_compat.is_constant(atom) and jnp.ndim(atom.val) == 0 else None


@no_type_check
def _draws(eqn: Any) -> bool:
    """Does an operation draw random numbers, itself or inside? An engine's thousands need no second look."""
    if eqn.primitive.name in _USES:
        return True
    return any(_draws(operation) for jaxpr in _inner(eqn) for operation in jaxpr.eqns)


@no_type_check
def _inner(eqn: Any) -> list[Any]:
    """The jaxprs that an operation holds."""
    return [jax_compat.opened(function)[0] for function in jax_compat.functions(eqn)]
