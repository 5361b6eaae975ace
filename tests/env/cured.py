"""Planted faults with their cures: each bad part beside the same part after what the checker says to write."""

import collections
import dataclasses
import warnings
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from wildrobot_eqx import task
from wildrobot_eqx.arrays import f32
from wildrobot_eqx.control import AbstractController
from wildrobot_eqx.randomise import AbstractRandomiser


@dataclasses.dataclass(frozen=True)
class Planted:
    """A bad part, its cured twin, and what must be said: the leaf, words of `after` and of `fix`."""

    bad: Any
    good: Any
    leaf: str
    after: str
    fix: str


REWARD, STATE = "env.rewards['bad']", "state.controller"
PLANTED: dict[str, Planted] = {}


def plant(name: str, bad: Any, good: Any, leaf: str, after: str, fix: str) -> None:
    PLANTED[name] = Planted(bad, good, leaf, after, fix)


# --- arrays in static fields ---------------------------------------------------------------------------------


class StaticReward(task.AbstractStatelessReward):
    scale: Any = eqx.field(static=True)  # wrong
    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return jnp.sum(jnp.asarray(self.scale, jnp.float32) * signals.action)


class LeafReward(task.AbstractStatelessReward):
    scale: Array
    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return jnp.sum(self.scale * signals.action)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Equinox warns of a JAX array in a static field, and takes it
    ONES = jnp.ones(3, jnp.float32)
    plant(
        "a jax array in a static field",
        StaticReward(ONES),
        LeafReward(ONES),
        f"{REWARD}.scale",
        "a jax array, float32[3], in a static field of StaticReward",
        "leave out eqx.field(static=True)",
    )
    plant(
        "a NumPy array in a static tuple",
        StaticReward((0.5, np.ones(3, np.float32))),
        StaticReward((1.0, 1.0, 1.0)),
        f"{REWARD}.scale[1]",
        "a numpy array, float32[3]",
        "go into a tuple",
    )
    plant(
        "a module with arrays in a static field",
        StaticReward(LeafReward(ONES)),
        LeafReward(ONES),
        f"{REWARD}.scale.scale",
        "in a static field of StaticReward",
        "leave out eqx.field(static=True)",
    )


class Memory(eqx.Module):
    last: Any = eqx.field(static=True)  # JAX dies of a state like this


class LeafMemory(eqx.Module):
    last: Array


class StaticState(AbstractController):
    home: Array

    @property
    def action_size(self):
        return 3

    @property
    def mirror(self):
        return None

    def rest(self):
        return jnp.zeros(3, jnp.float32)

    def init(self):  # wrong
        return Memory(np.zeros(3, np.float32))

    def __call__(self, state, action):
        return self.home + action, Memory(2.0 * action)


class LeafState(AbstractController):
    home: Array

    @property
    def action_size(self):
        return 3

    @property
    def mirror(self):
        return None

    def rest(self):
        return jnp.zeros(3, jnp.float32)

    def init(self):
        return LeafMemory(jnp.zeros(3, jnp.float32))

    def __call__(self, state, action):
        return self.home + action, LeafMemory(2.0 * action)


HOME = jnp.zeros(3, jnp.float32)
plant(
    "an array in a static field of a state",
    StaticState(HOME),
    LeafState(HOME),
    f"{STATE}.last",
    "a numpy array, float32[3], in a static field of Memory",
    "an array that a state carries is a leaf",
)


# --- written to, past the freeze -----------------------------------------------------------------------------


class Writing(task.AbstractStatelessReward):
    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)
    count: int = eqx.field(static=True, default=0)

    def __call__(self, signals):
        object.__setattr__(self, "count", self.count + 1)  # wrong
        return self.count * signals.action[0]


class NotWriting(task.AbstractStatelessReward):
    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return 1.0 * signals.action[0]


plant("object.__setattr__ in a call", Writing(), NotWriting(), REWARD, "a call wrote to self.count", "in the state")


class Tally:
    """A plain object, which a module may hold."""

    def __init__(self):
        self.n = 0

    def add(self):
        self.n += 1  # wrong


class Tallying(task.AbstractStatelessReward):
    tally: Tally = eqx.field(static=True)
    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        self.tally.add()
        return signals.action[0]


plant("a counter inside an object", Tallying(Tally()), NotWriting(), REWARD, "a call wrote to self.tally.n", "carry it")


class WritesState(AbstractController):
    home: Array

    @property
    def action_size(self):
        return 3

    @property
    def mirror(self):
        return None

    def rest(self):
        return jnp.zeros(3, jnp.float32)

    def init(self):
        return LeafMemory(jnp.zeros(3, jnp.float32))

    def __call__(self, state, action):
        object.__setattr__(state, "last", 2.0 * action)  # wrong
        return self.home + action, state


plant(
    "a state written to in place",
    WritesState(HOME),
    LeafState(HOME),
    "env.controller",
    "a call wrote to the argument[0].last",
    "return it in the state",
)


# --- trees of another structure, with the same leaves --------------------------------------------------------


class Pair(NamedTuple):
    a: Any
    b: Any


class Mode(eqx.Module):
    value: Array
    mode: Any = eqx.field(static=True, default="stand")


class Kinds(AbstractController):
    """Begins with one tree and goes on with another."""

    first: Any
    second: Any
    home: Array

    @property
    def action_size(self):
        return 3

    @property
    def mirror(self):
        return None

    def rest(self):
        return jnp.zeros(3, jnp.float32)

    def init(self):  # wrong
        return self.first

    def __call__(self, state, action):
        return self.home + action, jax.tree.map(lambda x: x + 0.0 * action[0], self.second)


class Opaque:
    """Two of these are never equal, and read the same."""

    def __repr__(self):
        return "Opaque()"


ZERO = jnp.zeros((), jnp.float32)


def _kinds(name, first, second, leaf, after, fix):
    plant(f"tree: {name}", Kinds(first, second, HOME), Kinds(first, first, HOME), f"{STATE}{leaf}", after, fix)


_kinds("a list for a tuple", {"x": (ZERO, ZERO)}, {"x": [ZERO, ZERO]}, "['x']", "a list of 2", "return a tuple of 2")
_kinds("a tuple for a NamedTuple", {"x": Pair(ZERO, ())}, {"x": (ZERO, ())}, "['x']", "a tuple of 2", "a Pair of 2")
_kinds("an ordered dict", {"x": {"a": ZERO}}, {"x": collections.OrderedDict(a=ZERO)}, "['x']", "OrderedDict", "a dict")
_kinds("a tuple for an empty dict", {"a": ZERO, "b": {}}, {"a": ZERO, "b": ()}, "['b']", "a tuple of 0", "a dict")
_kinds("an empty key more", {"a": ZERO}, {"a": ZERO, "b": ()}, "['b']", "a tuple of 0", "return it from reset, too")
_kinds("a key lost deep down", {"a": {"b": ZERO, "c": {}}}, {"a": {"b": ZERO}}, "['a']['c']", "missing", "step, too")
_kinds("a static field", {"m": Mode(ZERO)}, {"m": Mode(ZERO, "walk")}, "['m'].mode", "'walk'", "an array leaf")
_kinds(
    "a static field that reads the same",
    {"m": Mode(ZERO, Opaque())},
    {"m": Mode(ZERO, Opaque())},
    "['m'].mode",
    "another Opaque that reads the same",
    "static field",
)


# --- random keys ---------------------------------------------------------------------------------------------


class Keyed(AbstractController):
    """A key in the state, typed or raw; `raw` says what `init` and `__call__` give."""

    raw: tuple = eqx.field(static=True)
    home: Array

    @property
    def action_size(self):
        return 3

    @property
    def mirror(self):
        return None

    def rest(self):
        return jnp.zeros(3, jnp.float32)

    def init(self):
        key = jax.random.key(7)
        return jax.random.key_data(key) if self.raw[0] else key

    def __call__(self, state, action):
        key = jax.random.wrap_key_data(state) if self.raw[0] else state
        key, sub = jax.random.split(key)  # wrong
        noise = jax.random.normal(sub, action.shape, jnp.float32)
        new = jax.random.key_data(key) if self.raw[1] else key  # wrong
        return self.home + action + noise, new


plant(
    "a typed key becomes raw",
    Keyed((False, True), HOME),
    Keyed((False, False), HOME),
    STATE,
    "uint32[2]",
    "jax.random.wrap_key_data(value)",
)
plant(
    "a raw key becomes typed",
    Keyed((True, False), HOME),
    Keyed((True, True), HOME),
    STATE,
    "key<fry>[]",
    "jax.random.key_data(key)",
)


class Lost(AbstractController):
    """The key becomes a number."""

    home: Array

    @property
    def action_size(self):
        return 3

    @property
    def mirror(self):
        return None

    def rest(self):
        return jnp.zeros(3, jnp.float32)

    def init(self):
        return jax.random.key(7)

    def __call__(self, state, action):
        return self.home + action, jax.random.uniform(state, (), jnp.float32)  # wrong


plant("a key becomes a number", Lost(HOME), Keyed((False, False), HOME), STATE, "float32[]", "= jax.random.split(key)")


class OneForAll(AbstractRandomiser):
    def __call__(self, key, params):
        mass = jax.vmap(lambda m: m * jax.random.uniform(key, (), jnp.float32, 0.9, 1.1))(params.body_mass)  # wrong
        return eqx.tree_at(lambda p: p.body_mass, params, mass)


class EachItsOwn(AbstractRandomiser):
    def __call__(self, key, params):
        def one(key, mass):
            return mass * jax.random.uniform(key, (), jnp.float32, 0.9, 1.1)

        keys = jax.random.split(key, params.body_mass.shape[0])
        return eqx.tree_at(lambda p: p.body_mass, params, jax.vmap(one)(keys, params.body_mass))


RANDOMISER = "env.disturbances.randomisers[0]"
plant("one key for all rows", OneForAll(), EachItsOwn(), RANDOMISER, "one key for all rows", "jax.random.split(key, n)")


class Folding(AbstractRandomiser):
    def __call__(self, key, params):
        a, b = jax.random.split(key)
        c = jax.random.fold_in(key, 1)  # wrong
        scales = [jax.random.uniform(k, (), jnp.float32, 0.9, 1.1) for k in (a, b, c)]
        return eqx.tree_at(lambda p: p.body_mass, params, params.body_mass * scales[0] * scales[1] * scales[2])


class Splitting(AbstractRandomiser):
    def __call__(self, key, params):
        scales = [jax.random.uniform(k, (), jnp.float32, 0.9, 1.1) for k in jax.random.split(key, 3)]
        return eqx.tree_at(lambda p: p.body_mass, params, params.body_mass * scales[0] * scales[1] * scales[2])


plant("a key split and folded", Folding(), Splitting(), RANDOMISER, "is split and folded", "split once")


# --- float64 under x64 ---------------------------------------------------------------------------------------


def reward(call):
    """A reward out of a function, whose lines are its own."""

    class Functional(task.AbstractStatelessReward):
        weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

        def __call__(self, signals):
            return call(signals)

    return Functional()


def _wide(name, bad):
    def good(signals):
        return bad(signals).astype(jnp.float32)

    after = "float64[] with jax_enable_x64 on"
    plant(f"float64: {name}", reward(bad), reward(good), REWARD, after, "cast the result: value.astype(jnp.float32)")


_wide("a NumPy number", lambda s: s.action[0] * np.float64(2.0))
_wide("astype(float)", lambda s: jnp.sum((s.action > 0.0).astype(float)))
_wide("an arange", lambda s: jnp.sum(s.action * jnp.arange(3.0)))
_wide("a root of an integer", lambda s: jnp.sqrt(jnp.sum(s.action > 0.0)))
_wide("a NumPy array", lambda s: jnp.dot(s.action, np.linspace(0.0, 1.0, 3)))


# --- lines that raise ----------------------------------------------------------------------------------------


def _raises(name, bad, good, after, fix):
    plant(f"raises: {name}", reward(bad), reward(good), REWARD, after, fix)


_raises("an unknown field", lambda s: s.physics.qpoz[0], lambda s: s.physics.qpos[0], "AttributeError", "mean 'qpos'")
_raises(
    "an unknown key", lambda s: {"a": s.action[0]}["b"], lambda s: {"a": s.action[0]}["a"], "KeyError", "list(mapping)"
)
_raises("an index beyond", lambda s: (s.action[0],)[1], lambda s: (s.action[0],)[0], "IndexError", "value.shape")
_raises(
    "shapes that do not go together",
    lambda s: jnp.sum(s.action + s.physics.qpos),
    lambda s: jnp.sum(s.action + s.physics.qpos[0]),
    "ncompatible shapes",
    "index or reshape one",
)
_raises(
    "a carry that changes",
    lambda s: jax.lax.scan(lambda c, x: (c + x, None), jnp.int32(0), s.action)[0],
    lambda s: jax.lax.scan(lambda c, x: (c + x, None), jnp.zeros((), jnp.float32), s.action)[0],
    "carry",
    "begin the carry with the dtype",
)
