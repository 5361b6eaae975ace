"""Examines the modules of an env one after the other, each call by what its kind says of itself."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..env import Env
from ..physics import AbstractPhysics
from ..protocol import Protocol
from .part import UNKNOWN, Part, examine
from .trace import errors, source, trees
from .trace.findings import Finding
from .trace.leaves import Labels
from .trace.tracing import Traced

Names = tuple[tuple[str, str], ...]
AXES = {"qpos": "nq", "qvel": "nv", "ctrl": "nu"}  # the first axis of some results, as annotations name it
_SPOKEN = {
    "key": "a key",
    "others": "other commands' states",
    "commands": "the commands' samples",
    "physics": "PhysicsState",
    "params": "PhysicsParams",
    "signals": "Signals",
    "joints": "Joints",
    "law": "the law so far",
}
_MAIN = ("rate", "ends", "reading", "calibration", "params", "observed")  # named after the module alone


def float32_spec(*shape: int) -> jax.ShapeDtypeStruct:
    """The spec of a float32 array."""
    return jax.ShapeDtypeStruct(shape, jnp.float32)


@dataclasses.dataclass(frozen=True)
class TracedState:
    """The state of a module: its spec, and the call that gave it first; none, for a module without a state."""

    out: Any = ()
    traced: Traced | None = None
    method: str = ""


class Examiner:
    """Traces one module after another; what is found is kept, in `found` and `subtle`.

    `known` holds the specs of what modules are given, by the names that protocols use.
    """

    def __init__(self, env: Env, physics: AbstractPhysics):
        self.env, self.robot, self.physics = env, env.physics.robot, physics
        self.size = errors.sizes(self.robot)
        self.key = jax.eval_shape(lambda: jax.random.key(0))
        n, dt = self.size, env.physics.control_dt
        self.known: dict[str, Any] = {
            "key": self.key,
            "dt": dt,
            "nu": n["nu"],
            "action": float32_spec(env.action_size),
            "ctrl": float32_spec(n["nu"]),
            "qpos": float32_spec(n["nq"]),
            "qvel": float32_spec(n["nv"]),
            "rate": float32_spec(),
            "ends": jax.ShapeDtypeStruct((), jnp.bool_),
        }
        self.found: list[Finding] = []
        self.subtle: list[Finding] = []

    def examine(
        self,
        where: str,
        module: Any,
        state: str,
        protocol: Protocol,
        traced_state: "TracedState | None" = None,
        stored: str = "state",
        **own: Any,
    ) -> "TracedState | None":
        """Examine every call of a module; returns its state, None where that is wrong.

        Args:
            where: its place in the env.
            module: it.
            state: where its state stands, such as `state.rewards['alive']`.
            protocol: its calls.
            traced_state: its state, where an earlier call gave it.
            stored: a result that becomes the state, where it is not called that.
            own: specs that differ from module to module, such as `reading`.
        """
        known = {**self.known, **own}
        for call in protocol:
            if "state" in call.takes and traced_state is None:
                return None  # its first state is wrong already
            args = tuple(traced_state.out if name == "state" and traced_state else known[name] for name in call.takes)
            expected: list[Any] = []
            names: list[tuple[str, str]] = []
            axes: dict[str, str] = {}
            for i, name in enumerate(call.gives):
                path = "" if len(call.gives) == 1 else f"[{i}]"
                expected.append(UNKNOWN if name == "state" else known.get(name, UNKNOWN))
                label = state if name in ("state", stored) else where if name in _MAIN else f"{where} {name}"
                names.append((path, label))
                if name in AXES:
                    axes[path] = AXES[name]
            want: Any = expected[0] if len(expected) == 1 else tuple(expected)
            takes = ", ".join(_spoken(name, known.get(name)) for name in call.takes) or "nothing"
            traced = self.part(where, module, args, takes, tuple(names), want, axes, call.method)
            if traced is None and "state" in call.gives:
                return None
            if traced is not None and call.gives == ("metrics",):
                self._metrics(where, module, call.method, takes, traced)
            if traced is None or "state" not in call.gives:
                continue
            at = "" if len(call.gives) == 1 else f"[{call.gives.index('state')}]"
            if traced_state is None:
                traced_state = TracedState(traced.out, traced, call.method)
            elif not self.same(where, module, traced_state, traced, state, call.method, at):
                return None
        return TracedState() if traced_state is None else traced_state

    def part(
        self,
        where: str,
        module: Any,
        args: tuple[Any, ...],
        takes: str,
        names: Names = (),
        expected: Any = UNKNOWN,
        axes: dict[str, str] | None = None,
        method: str = "__call__",
        owner: Any = None,
    ) -> Traced | None:
        """Examine one call; what it found is kept; returns what it gave, None where it is not what is expected."""
        examined, call = module, _method(method)
        if owner is not None:  # the module stands in for the owner
            examined, call = owner, lambda _, *rest: getattr(module, method)(*rest)
        part = Part(where, examined, call, method, args, takes, names, expected, axes or {})
        traced, found, subtle = examine(part, self.robot)
        self.found += found
        self.subtle += [finding for finding in subtle if finding.source not in {other.source for other in self.subtle}]
        return None if found else traced

    def same(
        self, where: str, module: Any, traced_state: "TracedState", second: Traced, name: str, go: str, at: str = ""
    ) -> bool:
        """A state as its module began it against the one that a call gave back; whether they are alike."""
        if traced_state.traced is None:
            return True
        first = traced_state.traced.leaves
        after = {path[len(at) :]: leaf for path, leaf in second.leaves.items() if path.startswith(at)}
        by = f"{where}, {type(module).__name__}"
        labels = Labels(
            lambda path: f"{name}{path}",
            lambda path, leaf: _line(module, leaf, traced_state.method if leaf is first.get(path) else go),
            lambda path: by,
        )
        out = second.out[int(at[1:-1])] if at else second.out
        found = trees.differing(traced_state.out, out, first, after, labels)
        self.found += found
        return not found

    def _metrics(self, where: str, module: Any, method: str, takes: str, traced: Traced) -> None:
        for path, leaf in traced.leaves.items():
            if leaf.other or leaf.weak or leaf.shape != () or leaf.dtype != "float32":
                line = source.describe(module, leaf.line or source.method(module, method))
                fix = f"{type(module).__name__}.{method} must return a dict of float32[], such as jnp.float32(value)"
                self.found.append(Finding(f"{where} metrics{path}", takes, str(leaf), fix, line))


def _method(name: str) -> Callable[..., Any]:
    return lambda module, *args: getattr(module, name)(*args)


def _line(module: Any, leaf: Any, method: str) -> str:
    """Where a leaf was made; where that is unknown, the method that gave it."""
    return source.describe(module, (leaf.line if leaf else "") or source.method(module, method))


def _spoken(name: str, spec: Any) -> str:
    if name in _SPOKEN:
        return _SPOKEN[name]
    if isinstance(spec, jax.ShapeDtypeStruct):
        return f"{name} {spec.dtype}{list(spec.shape)}"
    return name
