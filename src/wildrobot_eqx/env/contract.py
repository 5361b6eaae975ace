"""The contract of an env, proved by abstract evaluation: no compile, no simulation.

`reset` and `step` must return trees of the same structure, shapes, dtypes and weak types;
else `lax.scan` fails, minutes later and without a name. `check` finds every leaf that differs,
says what came out of each, which module made it, and what to change.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..observe import Signals, Slice
from .env import Env, EnvState, Timestep


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing wrong with an env: the leaf, what went in and what came out, and what to change.

    `before` is what `reset` gave (what goes into a step), `after` what `step` gave; `source`
    names the class and the file and line that made the leaf, where they are known.
    """

    leaf: str
    before: str
    after: str
    fix: str
    source: str = ""

    def __str__(self) -> str:
        lines = [self.leaf, f"reset: {self.before}", f"step:  {self.after}"]
        lines += [f"from:  {self.source}"] if self.source else []
        return "\n    ".join([*lines, f"try:   {self.fix}"])


@dataclasses.dataclass(frozen=True)
class Report:
    """What `check` found, and how long it took."""

    findings: tuple[Finding, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Nothing was found."""
        return not self.findings


Stage = Callable[[Env], Iterable[Finding]]
"""A further check, such as an adapter's own contract."""


def check(env: Env, stages: Iterable[Stage] = ()) -> Report:
    """Prove the contract of `env` (per sample, not batched) with `jax.eval_shape`; run `stages` if it holds."""
    began = time.monotonic()
    findings = _check(env)
    if not findings:
        findings = [finding for stage in stages for finding in stage(env)]
    return Report(tuple(findings), time.monotonic() - began)


def _check(env: Env) -> list[Finding]:
    key = jax.eval_shape(lambda: jax.random.key(0))
    action = jax.ShapeDtypeStruct((env.action_size,), jnp.float32)
    findings = _terms(env, key)
    if findings:  # what they spoil further on would be told less plainly
        return findings
    try:
        first = eqx.filter_eval_shape(lambda e, k: e.reset(k), env, key)
    except Exception as error:  # whatever a module raises while it is traced
        return [Finding("reset", _told(error), "not reached", "mend the line named above")]
    try:
        second = eqx.filter_eval_shape(lambda e, s, a: e.step(s, a), env, first[0], action)
    except Exception as error:
        return [Finding("step", "traces", _told(error), "mend the line named above")]
    findings = _same(env, first, second) + _kinds(env, first[1], second[1])
    if not findings:
        try:
            eqx.filter_eval_shape(_two_steps, env, key, action)
        except Exception as error:
            findings.append(Finding("scan of two steps", "traces", _told(error), "return from step what reset returns"))
    return findings


def _terms(env: Env, key: Any) -> list[Finding]:
    """Each term by itself: rewards are float32 scalars, terminations bool ones, observations as their layouts say."""
    try:
        signals = eqx.filter_eval_shape(_first_signals, env, key)
    except Exception:  # reset fails in the same way, and is told there
        return []
    wanted: list[tuple[str, Any, tuple[int, ...], Any]] = [
        *((f"env.rewards[{name!r}]", term, (), jnp.float32) for name, term in env.rewards.items()),
        *((f"env.terminations[{name!r}]", term, (), jnp.bool_) for name, term in env.terminations.items()),
        *(
            (f"env.observations[{name!r}].terms[{part.name!r}]", stack.terms[part.name], _size(part), jnp.float32)
            for name, stack in env.observations.items()
            for part in stack.layout
        ),
    ]
    findings = []
    for where, term, shape, dtype in wanted:
        try:
            out = eqx.filter_eval_shape(lambda t, s: t(s), term, signals)
            given = _shown(out) if isinstance(out, jax.ShapeDtypeStruct) else "a tree"
            right = given == f"{jnp.dtype(dtype).name}{list(shape)}"
        except Exception as error:  # whatever a term raises while it is traced
            given, right = _told(error), False
        if not right:
            fix = f"{type(term).__name__} must return {jnp.dtype(dtype).name}{list(shape)}"
            findings.append(Finding(f"{where} ({type(term).__name__})", given, given, fix))
    return findings


def _size(part: Slice) -> tuple[int, ...]:
    return (part.stop - part.start,)


def _first_signals(env: Env, key: Any) -> Signals:
    """What the terms read at the start of an episode."""
    home = env.physics.robot.home_joints
    still = jnp.zeros_like(home)
    physics = env.physics.init(env.physics.params(), *env.reset_state(key))
    command = env.command.init(key, physics)
    phase = jnp.zeros((), jnp.float32)
    return Signals(physics, still, still, home, command, phase)


def _two_steps(env: Env, key: Any, action: Any) -> tuple[EnvState, Timestep]:
    def body(carry: tuple[EnvState, Timestep], _: None) -> tuple[tuple[EnvState, Timestep], None]:
        return env.step(carry[0], action), None

    return jax.lax.scan(body, env.reset(key), None, length=2)[0]


def _same(env: Env, first: PyTree, second: PyTree) -> list[Finding]:
    """Leaf by leaf: the same paths, shapes, dtypes and weak types; then the same tree."""
    before, after = _leaves(first), _leaves(second)
    findings = []
    for path in [*before, *(path for path in after if path not in before)]:
        name, module = _name(path), _module(env, path)
        if path not in after or path not in before:
            has, lacks = ("reset", "step") if path in before else ("step", "reset")
            was, now = (_shown(leaves[path]) if path in leaves else "missing" for leaves in (before, after))
            findings.append(Finding(name, was, now, f"return it from {lacks} as well as from {has} ({module})"))
        elif _kind(before[path]) != _kind(after[path]):
            fix = _fix(before[path], after[path])
            findings.append(Finding(name, _shown(before[path]), _shown(after[path]), f"{fix} ({module})"))
    trees = [jax.tree.structure(tree) for tree in (first, second)]
    if not findings and len(set(trees)) > 1:
        was, now = (str(tree)[:400] for tree in trees)
        findings.append(Finding("tree", was, now, "keep static fields and container types the same in reset and step"))
    return findings


def _kinds(env: Env, first: Timestep, second: Timestep) -> list[Finding]:
    """What every timestep owes whoever trains on it."""
    findings = []
    wanted = {".reward": jnp.float32, ".terminated": jnp.bool_, ".truncated": jnp.bool_}
    for path, dtype in wanted.items():
        leaves = [getattr(timestep, path[1:]) for timestep in (first, second)]
        if any(leaf.shape != () or leaf.dtype != dtype or leaf.weak_type for leaf in leaves):
            fix = f"make it a scalar {jnp.dtype(dtype).name}, not weakly typed"
            was, now = map(_shown, leaves)
            findings.append(Finding(f"timestep{path}", was, now, f"{fix} ({_module(env, (1, path))})"))
    for name, stack in env.observations.items():
        leaves = [timestep.obs[name] for timestep in (first, second)]
        if any(leaf.shape != (stack.size,) or leaf.dtype != jnp.float32 for leaf in leaves):
            fix = f"its layout says float32[{stack.size}]: mend the terms of env.observations[{name!r}]"
            was, now = map(_shown, leaves)
            findings.append(Finding(f"timestep.obs[{name!r}]", was, now, fix))
    return findings


def _leaves(tree: PyTree) -> dict[tuple[int, str], Any]:
    """The leaves of (state, timestep) by which of the two, and the path in it."""
    return {
        (i, jax.tree_util.keystr(path)): leaf
        for i, part in enumerate(tree)
        for path, leaf in jax.tree_util.tree_leaves_with_path(part)
    }


def _kind(leaf: Any) -> tuple[Any, ...]:
    return leaf.shape, leaf.dtype, leaf.weak_type


def _shown(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}" + (", weakly typed" if leaf.weak_type else "")


def _fix(before: Any, after: Any) -> str:
    if before.dtype != after.dtype:
        return f"give both the same dtype, such as jnp.asarray(value, jnp.{before.dtype})"
    if before.shape != after.shape:
        return "give both the same shape"
    where = "reset" if before.weak_type else "step"
    return f"name the dtype of the Python number in {where}: jnp.asarray(value, jnp.{before.dtype})"


def _name(path: tuple[int, str]) -> str:
    return ("state", "timestep")[path[0]] + path[1]


def _module(env: Env, path: tuple[int, str]) -> str:
    """The module of `env` that makes a leaf, as `env.field (Class)`."""
    text = path[1]
    owners: dict[str, tuple[str, Any]] = {
        ".physics": ("env.physics", env.physics),
        ".controller": ("env.controller", env.controller),
        ".command": ("env.command", env.command),
        ".phase": ("env.clock", env.clock),
        ".terminated": ("env.terminations", env.terminations),
    }
    owners |= {f".obs[{name!r}]": (f"env.observations[{name!r}]", stack) for name, stack in env.observations.items()}
    for name, term in env.rewards.items():
        for prefix in ("raw", "reward"):
            owners[f".metrics['{prefix}/{name}']"] = (f"env.rewards[{name!r}]", term)
    for start, (where, module) in owners.items():
        if text.startswith(start):
            return f"{where}, {type(module).__name__}"
    if text.startswith(".params") and env.randomisers:
        return "env.randomisers, " + ", ".join(type(randomiser).__name__ for randomiser in env.randomisers)
    return type(env).__name__


def _told(error: Exception) -> str:
    """The type and the first lines of what a module raised, and the last line of code it came from."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:6])[:600]}{_origin(error)}"


def _origin(error: Exception) -> str:
    """Where in the user's or this package's modules the error arose."""
    inner: BaseException = error
    while inner.__cause__ is not None:
        inner = inner.__cause__
    place = ""
    frame = inner.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        if "site-packages" not in code.co_filename and not code.co_filename.startswith("<"):
            place = f" (at {code.co_filename}:{frame.tb_lineno}, in {code.co_name})"
        frame = frame.tb_next
    return place
