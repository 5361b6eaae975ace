"""Each module of an env by itself, in the order in which data flows, so that blame is exact."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from ...observe import Command, Signals
from ...physics import AbstractPhysics, PhysicsState
from ..env import Env
from . import source, telling, trees
from .findings import Finding
from .leaves import Labels
from .measurable import leaks
from .part import UNKNOWN, Part, examine
from .tracing import Traced
from .world import examine_sensing, examine_world

Names = tuple[tuple[str, str], ...]


def f32(*shape: int) -> jax.ShapeDtypeStruct:
    """The spec of a float32 array."""
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def modules(env: Env, physics: AbstractPhysics) -> tuple[list[Finding], list[Finding]]:
    """What is wrong with single modules, and the subtler faults; `physics` is the env's own, or stands in for it."""
    return _Alone(env, physics).run()


class _Alone:
    """Traces one module after another; one that fails is stood in for by what it should have returned."""

    def __init__(self, env: Env, physics: AbstractPhysics):
        self.env, self.robot, self.physics = env, env.physics.robot, physics
        self.size = telling.sizes(self.robot)
        self.key = jax.eval_shape(lambda: jax.random.key(0))
        self.found: list[Finding] = []
        self.subtle: list[Finding] = []

    def run(self) -> tuple[list[Finding], list[Finding]]:
        env, n = self.env, self.size
        pose = (f32(n["nq"]), f32(n["nv"]))
        names: Names = (("[0]", "env.reset_state qpos"), ("[1]", "env.reset_state qvel"))
        self.part("env.reset_state", env.reset_state, (self.key,), "a key", names, pose, {"[0]": "nq", "[1]": "nv"})
        params = jax.eval_shape(env.physics.params)
        for i, randomiser in enumerate(env.randomisers):
            where, names = f"env.randomisers[{i}]", (("", "state.params"),)
            self.part(where, randomiser, (self.key, params), "a key, PhysicsParams", names, params)
        state = self.physical(params, pose)
        self.controlled()
        command = self.commanded(state)
        names = (("", "state.phase"),)
        takes = "phase float32[], moving float32[]"
        clock = (f32(), f32(), self.env.physics.control_dt)
        self.part("env.clock", env.clock, clock, takes, names, f32(), method="step")
        nu, physics = f32(n["nu"]), _state(state, n)
        told = examine_world(self, params, physics)
        signals = jax.eval_shape(Signals, physics, nu, nu, nu, command, f32(), **told)
        self.terms(signals)
        examine_sensing(self, signals)
        self.found += leaks(self.env, signals)
        return self.found, self.subtle

    def part(
        self,
        where: str,
        module: Any,
        args: tuple[Any, ...],
        takes: str,
        names: Names = (),
        wanted: Any = UNKNOWN,
        axes: dict[str, str] | None = None,
        method: str = "__call__",
        owner: Any = None,
    ) -> Traced | None:
        """Examine one call; what it found is kept; returns what it gave, None where it is not what is wanted."""

        def call(module: Any, *args: Any) -> Any:
            return getattr(module, method)(*args)

        part = Part(where, module if owner is None else owner, call, method, args, takes, names, wanted, axes or {})
        if owner is not None:  # the module stands in for the owner
            part = dataclasses.replace(part, call=lambda _, *rest: call(module, *rest))
        traced, found, subtle = examine(part, self.robot)
        self.found += found
        self.subtle += [finding for finding in subtle if finding.source not in {other.source for other in self.subtle}]
        return None if found else traced

    def physical(self, params: Any, pose: tuple[Any, Any]) -> Any:
        """The physics; returns the state that it starts from, None where that is wrong."""
        env, n = self.env, self.size
        names = (("", "state.physics"),)
        axes = {f".{name}": axes[0] for name, axes in _AXES.items() if axes and isinstance(axes[0], str)}
        takes = f"PhysicsParams, qpos float32[{n['nq']}], qvel float32[{n['nv']}]"
        begun = self._physics("init", (params, *pose), takes, names, axes)
        if begun is None:
            return None
        takes = f"PhysicsParams, PhysicsState, ctrl float32[{n['nu']}]"
        stepped = self._physics("step", (params, begun.out, f32(n["nu"])), takes, names, axes)
        if stepped is not None:
            self.same("env.physics", env.physics, begun, stepped, "state.physics", "init", "step")
        return begun.out

    def _physics(self, method: str, args: tuple[Any, ...], takes: str, names: Any, axes: dict[str, str]) -> Any:
        """One method of the physics, whose named fields are known, but not its carry."""
        env = self.env
        found = len(self.found)
        traced = self.part("env.physics", self.physics, args, takes, names, method=method, owner=env.physics)
        if traced is None or not isinstance(traced.out, PhysicsState):
            if len(self.found) == found:
                line = source.describe(env.physics, source.method(env.physics, method))
                after = f"a {type(traced.out).__name__}" if traced else "nothing"
                self.found.append(Finding("state.physics", takes, after, f"{method} must return PhysicsState", line))
            return None
        wanted = {f".{name}": spec for name, spec in _fields(self.size).items()}
        for path, spec in wanted.items():
            leaf = traced.leaves.get(path)
            if leaf is None or leaf.other or leaf.shape != spec.shape or leaf.dtype != spec.dtype or leaf.weak:
                line = source.describe(
                    env.physics, leaf.line if leaf and leaf.line else source.method(env.physics, method)
                )
                fix = f"{type(env.physics).__name__} must return float32{list(spec.shape)}"
                if leaf is not None and path in axes and leaf.shape != spec.shape and leaf.shape:
                    fix += f" ({axes[path]} = {spec.shape[0]} from Robot {self.robot.name!r}, got {leaf.shape[0]})"
                self.found.append(Finding(f"state.physics{path}", takes, str(leaf or "a tree"), fix, line))
        return traced if len(self.found) == found else None

    def controlled(self) -> None:
        """The controller: its first state, the target it sends, and the state after."""
        controller = self.env.controller
        nu = self.size["nu"]
        names: Names = (("", "state.controller"),)
        begun = self.part("env.controller", controller, (), "nothing", names, method="init")
        if begun is None:
            return
        names = (("[0]", "env.controller target"), ("[1]", "state.controller"))
        takes = f"state {_told(begun)}, action float32[{nu}]"
        traced = self.part("env.controller", controller, (begun.out, f32(nu)), takes, names)
        if traced is None:
            return
        out = traced.out
        if not isinstance(out, tuple) or len(out) != 2:
            line = source.describe(controller, source.method(controller, "__call__"))
            fix = f"{type(controller).__name__} must return (target, state)"
            self.found.append(Finding("env.controller", takes, "not two results", fix, line))
            return
        target = traced.leaves.get("[0]")
        if target is None or target.other or target.shape != (nu,) or target.dtype != jnp.float32:
            line = target.line if target else ""
            line = source.describe(controller, line or source.method(controller, "__call__"))
            fix = f"{type(controller).__name__} must return float32[{nu}], in the order of robot.joint_names"
            if target is not None and target.shape != (nu,) and target.shape:
                fix += f" (nu = {nu} from Robot {self.robot.name!r}, got {target.shape[-1]})"
            self.found.append(Finding("env.controller target", takes, str(target or "a tree"), fix, line))
        self.same("env.controller", controller, begun, traced, "state.controller", "init", "__call__", "[1]")

    def commanded(self, state: Any) -> Any:
        """The command, drawn and stepped: a state of any kind, which its step gives back; returns its spec."""
        command = self.env.command
        names, dt = (("", "state.command"),), self.env.physics.control_dt
        usual = jax.eval_shape(Command, f32(), f32(), f32(), f32(), f32())
        if state is None:
            return usual
        begun = self.part("env.command", command, (self.key, state), "a key, PhysicsState", names, method="init")
        if begun is None:
            return usual
        takes = "a key, what init gave, PhysicsState, dt"
        args = (self.key, begun.out, state, dt)
        self.part("env.command", command, args, takes, names, begun.out, method="step")
        return begun.out

    def terms(self, signals: Signals) -> None:
        """Observations are as long as their layouts say, rewards float32 scalars, terminations bool ones."""
        env, takes = self.env, f"Signals of Robot {self.robot.name!r}"
        for name, stack in env.observations.items():
            for part in stack.layout:
                where = f"env.observations[{name!r}].terms[{part.name!r}]"
                self.part(where, stack.terms[part.name], (signals,), takes, (), f32(part.stop - part.start))
        for name, term in env.rewards.items():
            self.part(f"env.rewards[{name!r}]", term, (signals,), takes, (), f32())
            if isinstance(term.weight, jax.Array) and term.weight.shape != ():
                fix = "a weight is one number: f32(1.0), or sum inside the term"
                given = f"{term.weight.dtype}{list(term.weight.shape)}"
                leaf = f"env.rewards[{name!r}].weight"
                self.found.append(Finding(leaf, "the recipe's weight", given, fix, source.describe(term)))
        for name, termination in env.terminations.items():
            flag = jax.ShapeDtypeStruct((), jnp.bool_)
            self.part(f"env.terminations[{name!r}]", termination, (signals,), takes, (), flag)

    def same(
        self, where: str, module: Any, first: Traced, second: Traced, name: str, begin: str, go: str, at: str = ""
    ) -> None:
        """A state as its module began it against the one that a call gave back."""
        after = {path[len(at) :]: leaf for path, leaf in second.leaves.items() if path.startswith(at)}

        def owner(path: str, leaf: Any) -> str:
            method = begin if leaf is first.leaves.get(path) else go
            return source.describe(module, (leaf.line if leaf else "") or source.method(module, method))

        by = f"{where}, {type(module).__name__}"
        labels = Labels(lambda path: f"{name}{path}", owner, lambda path: by)
        out = second.out[1] if at else second.out
        self.found += trees.differing(first.out, out, first.leaves, after, labels)


_AXES: dict[str, tuple[str | int, ...]] = {
    "qpos": ("nq",),
    "qvel": ("nv",),
    "time": (),
    "xpos": ("nbody", 3),
    "xquat": ("nbody", 4),
    "site_xpos": ("nsite", 3),
    "sensordata": ("nsensordata",),
    "foot_force": ("nfoot", 3),
    "actuator_force": ("nu",),
}


def _fields(size: dict[str, int]) -> dict[str, Any]:
    return {name: f32(*(size[a] if isinstance(a, str) else a for a in axes)) for name, axes in _AXES.items()}


def _state(state: Any, size: dict[str, int]) -> PhysicsState:
    """The physics' own state, or one made of the robot's sizes."""
    if state is not None:
        return state
    return jax.eval_shape(lambda fields: PhysicsState(**fields, carry=()), _fields(size))


def _told(begun: Traced) -> str:
    """A state in a few words."""
    leaves = [str(leaf) for leaf in begun.leaves.values()]
    return "()" if not leaves else ", ".join(leaves if len(leaves) < 4 else [*leaves[:3], "..."])
