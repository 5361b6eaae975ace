"""What Brax asks of an env, proved by abstract evaluation: alone, then through Brax's own wrappers.

Brax's trainers scan `wrap(env).step`. A leaf whose dtype, shape, weak type or place in the
tree changes between reset and step fails there, after the compile has begun, and the error
names a leaf that a wrapper made of it. `check_brax` names the env's own.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ..check import Finding
from ..check.trace.leaves import Labels, differences
from ..check.trace.tracing import Leaf, leaves_of
from ..env import Env
from .brax import BraxEnv
from .brax_compat import importing_brax

with importing_brax():
    from brax import envs
    from brax.envs.wrappers import training

_BATCH = 3  # another number than any that a wrapper adds


def brax_stage(env: Env) -> Iterable[Finding]:
    """A `Stage` for `check.check_env(env, stages=(brax_stage,))`: the env as a `BraxEnv`, with all its observations."""
    findings: list[Finding] = []

    def trace(env: Env) -> None:  # its arrays abstract, so that not even a cast of a constant is compiled
        findings.extend(check_brax(BraxEnv(env, privileged="critic" in env.observations)))

    eqx.filter_eval_shape(trace, env)
    return findings


def check_brax(env: envs.Env) -> list[Finding]:
    """Everything that would stop Brax from training `env` (one env, not batched), most basic first.

    Nothing is compiled. Where the env by itself breaks a rule, that is told and the wrappers are
    left out, since what they spoil follows from it.
    """
    return _check(env, "env", env, ()) or _wrapped(env)


def _wrapped(env: envs.Env) -> list[Finding]:
    """The same through the stack that Brax's trainers use, with repeated actions, and that of its evaluator."""
    for name, wrapped in {
        "wrap(env)": training.wrap(env, episode_length=10, action_repeat=1),
        "wrap(env, action_repeat=2)": training.wrap(env, episode_length=10, action_repeat=2),
        "EvalWrapper(wrap(env))": training.EvalWrapper(training.wrap(env, episode_length=10)),
    }.items():
        findings = _check(wrapped, name, env, (_BATCH,))
        if findings:
            return findings
    return []


def _check(env: envs.Env, name: str, blamed: envs.Env, batch: tuple[int, ...]) -> list[Finding]:
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.PRNGKey(0), batch) if batch else jax.random.PRNGKey(0))
    try:
        action = jax.ShapeDtypeStruct((*batch, env.action_size), jnp.float32)
        first = jax.eval_shape(env.reset, keys)
    except Exception as error:  # whatever the env raises while it is traced
        return [Finding(f"{name}.reset", _told(error), "not reached", "mend that line", _source(blamed, "reset", ""))]
    try:
        second = jax.eval_shape(env.step, first, action)
    except Exception as error:
        return [Finding(f"{name}.step", "traces", _told(error), "mend that line", _source(blamed, "step", ""))]
    findings = [] if batch else _kinds(env, first, second)
    told = {finding.leaf for finding in findings}
    prefix = "" if not batch else f"{name}: "
    findings += [f for f in _same(first, second, blamed, prefix) if f.leaf not in told]
    if not findings:
        findings = _scanned(env, name, blamed, keys, action)
    return findings


def _scanned(env: envs.Env, name: str, blamed: envs.Env, keys: Any, action: Any) -> list[Finding]:
    """Two steps under `lax.scan`: what the comparison of leaves cannot see, such as a leaked tracer."""

    def scan(keys: Any, action: Any) -> Any:
        return jax.lax.scan(lambda state, _: (env.step(state, action), None), env.reset(keys), None, length=2)[0]

    try:
        jax.eval_shape(scan, keys, action)
    except Exception as error:
        source = _source(blamed, "step", "")
        return [
            Finding(
                f"a scan of {name}.step", "traces", _told(error), "return from step the state that it was given", source
            )
        ]
    return []


def _kinds(env: envs.Env, first: Any, second: Any) -> list[Finding]:
    """What Brax takes for granted: float32 scalars, and observations that are as long as the env says."""
    findings = []

    def demand(leaf: str, before: Any, after: Any, shape: tuple[int, ...], fix: str) -> None:
        right = [(one.shape, one.dtype) == (shape, jnp.float32) for one in (before, after)]
        if not all(right):
            wrong = "step" if right[0] else "reset"
            was, now = (str(leaves_of(one)[""]) for one in (before, after))
            findings.append(Finding(leaf, was, now, fix, _source(env, wrong, leaf)))

    for leaf in ("done", "reward"):
        before, after = getattr(first, leaf), getattr(second, leaf)
        demand(f"state.{leaf}", before, after, (), _scalar_fix(leaf, before, after))
    for name in sorted(set(first.metrics) & set(second.metrics)):
        before, after = first.metrics[name], second.metrics[name]
        fix = f"make it a float32 scalar: metrics[{name!r}] = jnp.asarray(value, jnp.float32)"
        demand(f"state.metrics[{name!r}]", before, after, (), fix)
    sizes = env.observation_size
    wanted = sizes if isinstance(sizes, dict) else {"": sizes}
    for name, size in wanted.items():
        before, after = (state.obs[name] if name else state.obs for state in (first, second))
        shape = tuple(size) if isinstance(size, tuple) else (size,)
        leaf = f"state.obs[{name!r}]" if name else "state.obs"
        demand(leaf, before, after, shape, f"make it float32{list(shape)}, as observation_size says")
    return findings


def _scalar_fix(leaf: str, before: Any, after: Any) -> str:
    shapes = {one.shape for one in (before, after)}
    if shapes != {()}:
        return f"make it a scalar: shape () for one env, such as jnp.squeeze({leaf}); Brax adds the batch axis"
    if leaf == "done":
        return "cast it: done = done.astype(jnp.float32), in reset and in step; Brax computes 1 - done"
    return f"cast it: {leaf} = jnp.asarray({leaf}, jnp.float32), in reset and in step"


def _same(first: PyTree, second: PyTree, blamed: envs.Env, prefix: str) -> list[Finding]:
    """Leaf by leaf: the same paths, shapes, dtypes and weak types; then the same tree."""
    before, after = leaves_of(first), leaves_of(second)

    def owner(path: str, leaf: Leaf | None) -> str:
        return _source(blamed, "step" if path in before else "reset", path)

    labels = Labels(lambda path: f"{prefix}state{path}", owner, lambda path: type(blamed.unwrapped).__name__)
    findings = differences(before, after, labels)
    trees = [jax.tree.structure(tree) for tree in (first, second)]
    if not findings and len(set(trees)) > 1:
        was, now = (str(tree)[:400] for tree in trees)
        fix = "keep containers and static fields the same in reset and step"
        findings.append(Finding(f"{prefix}state", was, now, fix, _source(blamed, "step", "")))
    return findings


def _source(env: envs.Env, method: str, leaf: str) -> str:
    """The class that made a leaf, with the file and the line: where the method names it, or where the method begins."""
    inner = env.unwrapped
    function: Callable[..., Any] = inspect.unwrap(getattr(type(inner), method))
    name = f"{type(inner).__name__}.{method}"
    try:
        lines, start = inspect.getsourcelines(function)
        file = inspect.getsourcefile(function)
    except (OSError, TypeError):  # typed in at a prompt
        return name
    words = re.findall(r"\w+", leaf)
    named = [i for i, line in enumerate(lines) if words and re.search(rf"\b{words[-1]}\b['\"]?\]?\s*[=:]", line)]
    return f"{name}, {file}:{start + (named[-1] if named else 0)}"


def _told(error: Exception) -> str:
    """The type and the first lines of what was raised while tracing."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:6])[:600]}"
