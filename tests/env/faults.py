"""Faults that people plant in envs: one class each, its wrong line marked, and an otherwise good env around it."""

import dataclasses
import functools
import inspect
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from wildrobot_eqx import Disturbances, Env, load_recipe, task
from wildrobot_eqx.arrays import f32
from wildrobot_eqx.control import AbstractController
from wildrobot_eqx.controllers import Delay
from wildrobot_eqx.env import Timestep
from wildrobot_eqx.observe import AbstractStatelessTerm, ObservationStack
from wildrobot_eqx.physics import AbstractPhysics
from wildrobot_eqx.randomise import AbstractRandomiser
from wildrobot_eqx.robots import Mirror, Model, Robot


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault and what the checker must say of it: words of `after` and of `fix`, and who made it."""

    plant: Callable[[Env], Env]
    leaf: str
    culprit: type
    after: str
    fix: str
    more: tuple[str, ...] = ()  # leaves of further findings that belong to it

    @property
    def source(self) -> str:
        """`Class (file:line)` of the marked line."""
        lines, first = inspect.getsourcelines(self.culprit)
        (line,) = [first + i for i, text in enumerate(lines) if "# wrong" in text]
        return f"{self.culprit.__name__} ({__file__}:{line})"


FAULTS: dict[str, Fault] = {}


def remake(env: Env, **changes) -> Env:
    """The env with some of its parts changed; `randomisers` are those of its disturbances."""
    if "randomisers" in changes:
        changes["disturbances"] = Disturbances(randomisers=changes.pop("randomisers"))
    return dataclasses.replace(env, **changes)


def _reward(term):
    return lambda env: remake(env, rewards={**env.rewards, "bad": term})


def _termination(term):
    return lambda env: remake(env, endings={**env.endings, "bad": term})


def _observation(term):
    def plant(env):
        stack = ObservationStack({**env.observations["policy"].terms, "bad": term})
        return remake(env, observations={**env.observations, "policy": stack})

    return plant


def _controller(make):
    return lambda env: remake(env, controller=make(env.physics.robot))


def _randomiser(randomiser):
    return lambda env: remake(env, randomisers=(randomiser,))


# --- rewards ---------------------------------------------------------------------------------------------


class Reward(task.AbstractStatelessReward):
    """A good one, whose fields the bad ones repeat: modules are not inherited from."""

    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return jnp.square(signals.action[0])


REWARD = "env.rewards['bad']"


class BoolReward(task.AbstractStatelessReward):
    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return signals.action[0] > 0.0  # wrong


FAULTS["bool reward"] = Fault(_reward(BoolReward()), REWARD, BoolReward, "bool[]", "jnp.asarray(value, jnp.float32)")


class IntReward(task.AbstractStatelessReward):
    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return jnp.sum(signals.action > 0.0)  # wrong


FAULTS["int reward"] = Fault(_reward(IntReward()), REWARD, IntReward, "int32[]", "IntReward must return float32[]")


class WideReward(task.AbstractStatelessReward):
    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return signals.action[0] * jnp.ones(())  # wrong


FAULTS["float64 reward"] = Fault(
    _reward(WideReward()), REWARD, WideReward, "float64[] with jax_enable_x64 on", "cast the result"
)


class VectorReward(task.AbstractStatelessReward):
    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return jnp.square(signals.action)  # wrong


FAULTS["vector reward"] = Fault(_reward(VectorReward()), REWARD, VectorReward, "float32[3]", "jnp.sum(value)")


class BoxedReward(task.AbstractStatelessReward):
    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return jnp.sum(signals.action, keepdims=True)  # wrong


FAULTS["shape (1,) for ()"] = Fault(_reward(BoxedReward()), REWARD, BoxedReward, "float32[1]", "value[0]")


class PythonReward(task.AbstractStatelessReward):
    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):  # wrong
        return 1.0


FAULTS["Python float reward"] = Fault(
    _reward(PythonReward()), REWARD, PythonReward, "the Python float 1.0", "jnp.asarray(1.0, jnp.float32)"
)


class NumpyReward(task.AbstractStatelessReward):
    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return jnp.asarray(np.linalg.norm(signals.action), jnp.float32)  # wrong


FAULTS["NumPy on a tracer"] = Fault(_reward(NumpyReward()), REWARD, NumpyReward, "a NumPy function", "jax.numpy")


class FloatReward(task.AbstractStatelessReward):
    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return jnp.asarray(float(signals.action[0]), jnp.float32)  # wrong


FAULTS["float() of a tracer"] = Fault(_reward(FloatReward()), REWARD, FloatReward, "float()", "leave it an array")


class Misread(task.AbstractStatelessReward):
    """Breaks the type of an argument of the package, which beartype and jaxtyping report at length."""

    robot: Robot
    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return self.robot.joints(signals.physics.qpos[1:])[0]  # wrong


FAULTS["a type check"] = Fault(
    lambda env: _reward(Misread(env.physics.robot))(env),
    REWARD,
    Misread,
    "Robot.joints, argument 'qpos': nq = 6 from Robot 'hopper', got 5",
    "Robot 'hopper'",
)


class ListReward(task.AbstractStatelessReward):
    """Remembers the last action on itself."""

    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)
    memory: list = eqx.field(static=True, default_factory=list)

    def __call__(self, signals):  # wrong
        self.memory.append(signals.action)
        return jnp.sum(jnp.square(signals.action - self.memory[0]))


FAULTS["a state kept on self"] = Fault(
    lambda env: _reward(ListReward())(env),
    REWARD,
    ListReward,
    "changed self.memory",
    "carry it: return it in the state",
)


def _closed() -> task.AbstractReward:
    last = None

    class ClosureReward(task.AbstractStatelessReward):
        """Remembers the last action in a closure."""

        weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

        def __call__(self, signals):  # wrong
            nonlocal last
            change = signals.action if last is None else signals.action - 1.0
            last = 1
            return jnp.sum(jnp.square(change))

    return ClosureReward()


_CLOSED = _closed()
FAULTS["a state captured by closure"] = Fault(
    _reward(_CLOSED), REWARD, type(_CLOSED), "changed the closure's last", "carry it"
)

_LAST: dict = {}


class GlobalReward(task.AbstractStatelessReward):
    """Remembers the last action in a global."""

    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):  # wrong
        change = signals.action - _LAST.get("action", 0.0)
        _LAST["action"] = 1.0
        return jnp.sum(jnp.square(change))


FAULTS["a state kept in a global"] = Fault(
    lambda env: (_LAST.clear(), _reward(GlobalReward())(env))[1], REWARD, GlobalReward, "the global _LAST", "carry it"
)


class Counter:
    """Counts where no snapshot looks."""

    __slots__ = ("n",)

    def __init__(self):
        self.n = 0


_COUNTER = Counter()


class SlyReward(task.AbstractStatelessReward):
    """Gives something else at every call."""

    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):  # wrong
        _COUNTER.n += 1
        return _COUNTER.n * signals.action[0]


FAULTS["two calls that differ"] = Fault(_reward(SlyReward()), REWARD, SlyReward, "compute different things", "carry it")


class ConstantKey(task.AbstractStatelessReward):
    """The same noise in every step."""

    weight: Float[Array, ""] = eqx.field(default=1.0, converter=f32)

    def __call__(self, signals):
        return jax.random.normal(jax.random.key(0), (), jnp.float32)  # wrong


FAULTS["a constant key"] = Fault(
    _reward(ConstantKey()), REWARD, ConstantKey, "every call draws the same", "that you are given"
)


# --- endings ----------------------------------------------------------------------------------------

DONE = "env.endings['bad']"


class FloatDone(task.AbstractStatelessEnding):
    truncates = False

    def __call__(self, signals):
        return (signals.action[0] > 1.0).astype(jnp.float32)  # wrong


FAULTS["float done"] = Fault(_termination(FloatDone()), DONE, FloatDone, "float32[]", "FloatDone must return bool[]")


class IntDone(task.AbstractStatelessEnding):
    truncates = False

    def __call__(self, signals):
        return jnp.where(signals.action[0] > 1.0, jnp.int32(1), jnp.int32(0))  # wrong


FAULTS["int done"] = Fault(_termination(IntDone()), DONE, IntDone, "int32[]", "jnp.asarray(value, jnp.bool)")


class IfDone(task.AbstractStatelessEnding):
    truncates = False

    def __call__(self, signals):
        if signals.action[0] > 1.0:  # wrong
            return jnp.ones((), bool)
        return jnp.zeros((), bool)


FAULTS["Python if on a tracer"] = Fault(_termination(IfDone()), DONE, IfDone, "a Python `if`", "jnp.where")


class BatchedDone(task.AbstractStatelessEnding):
    truncates = False

    def __call__(self, signals):
        return signals.physics.xpos[:, 2] < 0.0  # wrong


FAULTS["vector done"] = Fault(_termination(BatchedDone()), DONE, BatchedDone, "bool[5]", "one axis too many")


# --- observations ----------------------------------------------------------------------------------------

TERM = "env.observations['policy'].terms['bad']"


class IntTerm(AbstractStatelessTerm):
    size = 1
    mirror = Mirror((0,), (1.0,))
    source = unit = frame = "1"
    measurable = True

    def __call__(self, signals):  # wrong
        return jnp.array([3])


FAULTS["int observation"] = Fault(_observation(IntTerm()), TERM, IntTerm, "int32[1]", "jnp.float32")


class BoolTerm(AbstractStatelessTerm):
    size = 1
    mirror = Mirror((0,), (1.0,))
    source = unit = frame = "1"
    measurable = True

    def __call__(self, signals):
        return signals.action[:1] > 0.0  # wrong


FAULTS["bool observation"] = Fault(_observation(BoolTerm()), TERM, BoolTerm, "bool[1]", "must return float32[1]")


class WideTerm(AbstractStatelessTerm):
    size = 1
    mirror = Mirror((0,), (1.0,))
    source = unit = frame = "1"
    measurable = True

    def __call__(self, signals):
        return jnp.linspace(0.0, 1.0, 1)  # wrong


FAULTS["float64 observation"] = Fault(_observation(WideTerm()), TERM, WideTerm, "float64[1] with", "jnp.float32")


class LongTerm(AbstractStatelessTerm):
    size = 3
    mirror = Mirror((0, 1, 2), (1.0, 1.0, 1.0))
    source = unit = frame = "1"
    measurable = True

    def __call__(self, signals):
        return jnp.append(signals.action, 0.0)  # wrong


FAULTS["an observation longer than its layout"] = Fault(
    _observation(LongTerm()), TERM, LongTerm, "float32[4]", "LongTerm must return float32[3]"
)


class BatchTerm(AbstractStatelessTerm):
    size = 3
    mirror = Mirror((0, 1, 2), (1.0, 1.0, 1.0))
    source = unit = frame = "1"
    measurable = True

    def __call__(self, signals):
        return signals.action[None]  # wrong


FAULTS["a batch axis too many"] = Fault(_observation(BatchTerm()), TERM, BatchTerm, "float32[1, 3]", "value[0]")


# --- controllers -----------------------------------------------------------------------------------------


class Late(AbstractController):
    """None at first, an array later."""

    home: Float[Array, " nu"]

    def __init__(self, robot):
        self.home = robot.home_joints

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.home.size

    def rest(self):
        return self.home

    def init(self):
        return {"last": None}

    def __call__(self, state, action):
        return self.home + action, {"last": 2.0 * action}  # wrong


FAULTS["None at first"] = Fault(
    _controller(Late), "state.controller['last']", Late, "float32[3]", "jnp.zeros((3,), jnp.float32)"
)


class Added(AbstractController):
    home: Float[Array, " nu"]

    def __init__(self, robot):
        self.home = robot.home_joints

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.home.size

    def rest(self):
        return self.home

    def init(self):
        return {}

    def __call__(self, state, action):
        return self.home + action, {"extra": 2.0 * action}  # wrong


FAULTS["a key added"] = Fault(
    _controller(Added), "state.controller['extra']", Added, "float32[3]", "return it from reset as well"
)


class Dropped(AbstractController):
    home: Float[Array, " nu"]

    def __init__(self, robot):
        self.home = robot.home_joints

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.home.size

    def rest(self):
        return self.home

    def init(self):
        return {"extra": jnp.zeros(3, jnp.float32)}  # wrong

    def __call__(self, state, action):
        return self.home + action, {}


FAULTS["a key dropped"] = Fault(
    _controller(Dropped), "state.controller['extra']", Dropped, "missing", "return it from step as well"
)


class Renamed(AbstractController):
    home: Float[Array, " nu"]

    def __init__(self, robot):
        self.home = robot.home_joints

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.home.size

    def rest(self):
        return self.home

    def init(self):
        return {"last": jnp.zeros(3, jnp.float32)}

    def __call__(self, state, action):
        return self.home + action, {"previous": 2.0 * action}  # wrong


FAULTS["a key renamed"] = Fault(
    _controller(Renamed),
    "state.controller['previous']",
    Renamed,
    "float32[3]",
    "reset has ['last'] in its place",
    more=("state.controller['last']",),
)


class Weak(AbstractController):
    """A Python float, as JAX takes it, becomes a strong array."""

    home: Float[Array, " nu"]

    def __init__(self, robot):
        self.home = robot.home_joints

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.home.size

    def rest(self):
        return self.home

    def init(self):  # wrong
        return {"gain": jnp.asarray(0.5)}

    def __call__(self, state, action):
        return self.home + action, {"gain": jnp.float32(2.0) * action[0]}


FAULTS["a Python float becoming a strong array"] = Fault(
    _controller(Weak), "state.controller['gain']", Weak, "float32[]", "in reset: jnp.asarray(value, jnp.float32)"
)


class Plain(AbstractController):
    """A Python float that never was an array."""

    home: Float[Array, " nu"]

    def __init__(self, robot):
        self.home = robot.home_joints

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.home.size

    def rest(self):
        return self.home

    def init(self):  # wrong
        return {"gain": 0.5}

    def __call__(self, state, action):
        return self.home + action, {"gain": state["gain"] * action[0]}


FAULTS["a Python float in the state"] = Fault(
    _controller(Plain), "state.controller['gain']", Plain, "the Python float 0.5", "jnp.asarray(0.5, jnp.float32)"
)


class Worded(AbstractController):
    home: Float[Array, " nu"]

    def __init__(self, robot):
        self.home = robot.home_joints

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.home.size

    def rest(self):
        return self.home

    def init(self):  # wrong
        return {"mode": "walk"}

    def __call__(self, state, action):
        return self.home + action, state


FAULTS["a string in the state"] = Fault(
    _controller(Worded), "state.controller['mode']", Worded, "the str 'walk'", "eqx.field(static=True)"
)


class Functional(AbstractController):
    home: Float[Array, " nu"]

    def __init__(self, robot):
        self.home = robot.home_joints

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.home.size

    def rest(self):
        return self.home

    def init(self):  # wrong
        return {"squash": jnp.tanh}

    def __call__(self, state, action):
        return self.home + state["squash"](action), state


FAULTS["a function in the state"] = Fault(
    _controller(Functional), "state.controller['squash']", Functional, "the function tanh", "eqx.field(static=True)"
)


class Long(AbstractController):
    home: Float[Array, " nu"]

    def __init__(self, robot):
        self.home = robot.home_joints

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.home.size

    def rest(self):
        return self.home

    def init(self):
        return ()

    def __call__(self, state, action):
        return jnp.append(self.home + action, 0.0), state  # wrong


FAULTS["an actuator vector too long"] = Fault(
    _controller(Long), "env.controller ctrl", Long, "float32[4]", "nu = 3 from Robot 'hopper', got 4"
)


class Shuffled(AbstractController):  # wrong
    """The home pose in the order of somebody else's joints."""

    home: Float[Array, " nu"]

    def __init__(self, robot):
        self.home = jnp.asarray(np.asarray(robot.home_joints)[::-1])

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.home.size

    def rest(self):
        return self.home

    def init(self):
        return ()

    def __call__(self, state, action):
        return self.home + action, state


FAULTS["an actuator vector in the wrong order"] = Fault(
    _controller(Shuffled), "env.controller.home", Shuffled, "in another order, at hip_pitch, ", "robot.joint_names[i]"
)


class Named(AbstractController):  # wrong
    """Knows its joints by name, but not in this robot's order."""

    joint_names: tuple = eqx.field(static=True)

    def __init__(self, robot):
        self.joint_names = robot.joint_names[::-1]

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return len(self.joint_names)

    def rest(self):
        return jnp.zeros((len(self.joint_names),), jnp.float32)

    def init(self):
        return ()

    def __call__(self, state, action):
        return action, state


FAULTS["joint names in the wrong order"] = Fault(
    _controller(Named), "env.controller.joint_names", Named, "ankle_pitch, knee_pitch, hip_pitch", "nu = 3"
)


class Repeats(AbstractController):
    """Draws from the key in its state, and keeps the key."""

    home: Float[Array, " nu"]

    def __init__(self, robot):
        self.home = robot.home_joints

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.home.size

    def rest(self):
        return self.home

    def init(self):
        return jax.random.key(7)

    def __call__(self, state, action):
        noise = jax.random.normal(state, action.shape, jnp.float32)  # wrong
        return self.home + action + 0.1 * noise, state


FAULTS["a key carried on after use"] = Fault(
    _controller(Repeats), "env.controller", Repeats, "carried on unchanged", "jax.random.split(key)"
)


class Inner(AbstractController):
    """Inside a wrapper of the package."""

    home: Float[Array, " nu"]

    def __init__(self, robot):
        self.home = robot.home_joints

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.home.size

    def rest(self):
        return self.home

    def init(self):
        return ()

    def __call__(self, state, action):
        if action[0] > 0.0:  # wrong
            return self.home, state
        return self.home + action, state


FAULTS["a fault inside a wrapper"] = Fault(
    _controller(lambda robot: Delay(Inner(robot), robot.home_joints, 2)),
    "env.controller",
    Inner,
    "a Python `if`",
    "jnp.where",
)


class WideInner(AbstractController):
    """Inside a wrapper of the package, wide under x64."""

    home: Float[Array, " nu"]

    def __init__(self, robot):
        self.home = robot.home_joints

    @property
    def mirror(self):
        return None

    @property
    def action_size(self):
        return self.home.size

    def rest(self):
        return self.home

    def init(self):
        return jnp.zeros(3)  # wrong

    def __call__(self, state, action):
        return self.home + action, jnp.asarray(2.0 * state, jnp.float32)


FAULTS["float64 inside a wrapper"] = Fault(
    _controller(lambda robot: Delay(WideInner(robot), robot.home_joints, 2)),
    "state.controller[0]",
    WideInner,
    "float64[3]",
    "jnp.float32",
)


# --- randomisers -----------------------------------------------------------------------------------------


class Twice(AbstractRandomiser):
    """Uses one key for two draws."""

    def __call__(self, key, params):
        mass = params.body_mass * jax.random.uniform(key, (), jnp.float32, 0.9, 1.1)
        damping = params.dof_damping * jax.random.uniform(key, (), jnp.float32, 0.9, 1.1)  # wrong
        return eqx.tree_at(lambda p: (p.body_mass, p.dof_damping), params, (mass, damping))


FAULTS["a key reused"] = Fault(
    _randomiser(Twice()), "env.disturbances.randomisers[0]", Twice, "is used twice", "draw once"
)


class Heavy(AbstractRandomiser):
    """One mass for all bodies."""

    def __call__(self, key, params):
        return eqx.tree_at(
            lambda p: p.body_mass,
            params,
            jax.random.uniform(key, (), jnp.float32),  # wrong
        )


FAULTS["a randomiser that drops an axis"] = Fault(
    _randomiser(Heavy()), "state.disturbances.params.body_mass", Heavy, "float32[]", "Heavy must return float32[5]"
)


# --- engines, and envs of one's own ----------------------------------------------------------------------


class Short(AbstractPhysics):
    """Loses the last coordinate."""

    inner: AbstractPhysics
    robot: Robot
    model: Model = eqx.field(static=True)
    n_substeps: int = eqx.field(static=True)

    def __init__(self, inner):
        self.inner, self.robot, self.model, self.n_substeps = inner, inner.robot, inner.model, inner.n_substeps

    def init(self, params, qpos, qvel):
        return self.inner.init(params, qpos, qvel)

    def step(self, params, state, ctrl):
        new = self.inner.step(params, state, ctrl)
        return eqx.tree_at(lambda s: s.qvel, new, new.qvel[:-1])  # wrong


FAULTS["an engine that loses a coordinate"] = Fault(
    lambda env: remake(env, physics=Short(env.physics)),
    "state.physics.qvel",
    Short,
    "float32[5]",
    "nv = 6 from Robot 'hopper', got 5",
)


class Unbool(Env):
    """An env of one's own whose done is no bool: the start of this project."""

    def step(self, state, action):
        state, timestep = super().step(state, action)
        return state, _retyped(timestep, terminated=timestep.terminated.astype(jnp.int32))  # wrong


def _retyped(timestep, **changes):
    """A timestep whose type checks are passed by."""
    new = object.__new__(Timestep)
    for field in dataclasses.fields(timestep):
        object.__setattr__(new, field.name, changes.get(field.name, getattr(timestep, field.name)))
    return new


def _own(env: Env) -> Env:
    new = object.__new__(Unbool)
    for field in dataclasses.fields(env):
        object.__setattr__(new, field.name, getattr(env, field.name))
    return new


FAULTS["an env whose done changes"] = Fault(
    _own, "timestep.terminated", Unbool, "int32[]", "jnp.asarray(value, jnp.bool)"
)


@functools.cache
def good_env() -> Env:
    """The hopper's recipe, made once."""
    return load_recipe("hop")().env


def plant(name: str, env: Env) -> Env:
    """A good env with the fault of that name."""
    return FAULTS[name].plant(env)


def as_slot(env: Env, name: str, module) -> Env:
    """The env with any module in one of its slots, whose type checks are passed by: the check must cope with it."""
    new = object.__new__(Env)
    for field in dataclasses.fields(env):
        object.__setattr__(new, field.name, module if field.name == name else getattr(env, field.name))
    return new
