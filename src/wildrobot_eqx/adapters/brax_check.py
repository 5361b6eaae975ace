"""What Brax asks of an env, proved by abstract evaluation: alone, then through Brax's own wrappers.

Brax's trainers scan `wrap(env).step`. A leaf whose dtype, shape, weak type or place in the
tree changes between reset and step fails there, after the compile has begun, and the error
names a leaf that a wrapper made of it. `check_brax` names the env's own, and holds the env to
the rules of `check.check_env`: random keys, state kept outside of the state, arrays in static fields.
"""

from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ..check import Finding
from ..check.part import Part, examine
from ..check.trace import errors, source, trees
from ..check.trace.leaves import Labels
from ..check.trace.tracing import Leaf, Traced, leaves_of, trace
from ..env import Env
from .brax import BraxEnv
from .brax_compat import importing_brax

with importing_brax():
    from brax import envs
    from brax.envs.wrappers import training

_BATCH = 3  # another number than any that a wrapper adds
_LENGTH = 10
_MISSING = Leaf(other="missing")


def brax_stage(env: Env) -> Iterable[Finding]:
    """A `Stage` for `check.check_env(env, stages=(brax_stage,))`: the env as a `BraxEnv`, with all its observations."""
    findings: list[Finding] = []

    def run(env: Env) -> None:  # its arrays abstract, so that not even a cast of a constant is compiled
        findings.extend(check_brax(BraxEnv(env, privileged="critic" in env.observations)))

    eqx.filter_eval_shape(run, env)
    return findings


def check_brax(env: envs.Env) -> list[Finding]:
    """Everything that would stop Brax from training `env` (one env, not batched), most basic first.

    Nothing is compiled. Where the env by itself breaks a rule, that is reported and the wrappers are
    left out, since what they spoil follows from it.
    """
    findings, first, second = _alone(env)
    if findings or first is None or second is None:
        return findings
    return _carried(env) or _wrapped(env, first, second)


def _alone(env: envs.Env) -> tuple[list[Finding], Traced | None, Traced | None]:
    """The env by itself: what is wrong, and what reset and step gave where they could be traced."""
    inner = env.unwrapped
    key = jax.eval_shape(lambda: jax.random.PRNGKey(0))
    try:
        action = jax.ShapeDtypeStruct((env.action_size,), jnp.float32)
        sizes = env.observation_size
    except Exception as error:  # whatever a property of the env raises
        what, fix = errors.explain(error)
        line = source.of_error(error, inner)
        leaf = "env.action_size, env.observation_size"
        return [Finding(leaf, "read", what, fix, source.describe(inner, line))], None, None
    names = (("", "state"),)
    part = Part("env.reset", inner, lambda _, key: env.reset(key), "reset", (key,), "a key", names)
    first, found, subtle = examine(part, None, wide=False)
    if first is None or found:
        return found, first, None
    takes = f"what reset gave, action float32[{env.action_size}]"
    args = (first.out, action)
    part = Part("env.step", inner, lambda _, state, action: env.step(state, action), "step", args, takes, names)
    second, found, more = examine(part, None, wide=False)
    subtle += [finding for finding in more if finding.after not in {other.after for other in subtle}]
    if second is None or found:
        return [*found, *subtle], first, second
    findings = _kinds(inner, first, second, sizes)
    reported = {finding.leaf for finding in findings}
    findings += [finding for finding in _same(inner, first, second) if finding.leaf not in reported]
    return findings or subtle or _scanned(env, "env", inner, key, action), first, second


def _kinds(inner: envs.Env, first: Traced, second: Traced, sizes: Any) -> list[Finding]:
    """What Brax takes for granted: float32 scalars, and observations that are as long as the env says."""
    findings = []

    def demand(path: str, shape: tuple[int, ...], fix: str) -> None:
        was, now = (traced.leaves.get(path, _MISSING) for traced in (first, second))
        if _MISSING in (was, now) and (was is not now):
            return  # reported where the trees are compared
        right = [leaf.kind == (shape, jnp.float32, False, "") for leaf in (was, now)]
        if not all(right):
            method, leaf = ("step", now) if right[0] else ("reset", was)
            findings.append(Finding(f"state{path}", str(was), str(now), fix, _made(inner, method, path, leaf)))

    for name in ("done", "reward"):
        demand(f".{name}", (), _scalar_fix(name, first.leaves.get(f".{name}"), second.leaves.get(f".{name}")))
    for path in sorted(first.leaves.keys() | second.leaves.keys()):
        if path.startswith(".metrics"):
            demand(path, (), f"make it a float32 scalar: {path[1:]} = jnp.asarray(value, jnp.float32)")
    expected = {f".obs[{name!r}]": size for name, size in sizes.items()} if isinstance(sizes, dict) else {".obs": sizes}
    for path, size in expected.items():
        shape = tuple(size) if isinstance(size, tuple | list) else (size,)
        demand(path, shape, f"make it float32{list(shape)}, as observation_size says")
    for path in sorted(path for path in first.leaves.keys() | second.leaves.keys() if path.startswith(".obs")):
        if path not in expected:
            was, now = (str(traced.leaves.get(path, _MISSING)) for traced in (first, second))
            fix = f"name it in observation_size, which has {', '.join(expected)}, or leave it out"
            findings.append(Finding(f"state{path}", was, now, fix, _made(inner, "reset", path)))
    return findings


def _scalar_fix(name: str, *leaves: Leaf | None) -> str:
    if any(leaf is not None and leaf.shape != () for leaf in leaves):
        return f"make it a scalar: shape () for one env, such as jnp.squeeze({name}); Brax adds the batch axis"
    if name == "done":
        return "cast it: done = jnp.asarray(done, jnp.float32), in reset and in step; Brax computes 1 - done"
    return f"cast it: {name} = jnp.asarray({name}, jnp.float32), in reset and in step"


def _same(inner: envs.Env, first: Traced, second: Traced, before: str = "reset", note: str = "") -> list[Finding]:
    """Leaf by leaf: the same paths, shapes, dtypes and weak types; then the same tree."""

    def owner(path: str, leaf: Leaf | None) -> str:
        method = "reset" if path in second.leaves and path not in first.leaves else "step"
        lost = path in first.leaves and path not in second.leaves  # step is to blame, not who made it
        return _made(inner, method, path, None if lost else leaf)

    labels = Labels(lambda path: f"state{path}", owner, lambda path: f"{type(inner).__name__}{note}", before=before)
    return trees.differing(first.out, second.out, first.leaves, second.leaves, labels)


def _carried(env: envs.Env) -> list[Finding]:
    """What Brax's wrappers put into the state must go through `env.step` as it came: they scan it."""
    inner = env.unwrapped
    wrapped = training.EvalWrapper(training.AutoResetWrapper(training.EpisodeWrapper(env, _LENGTH, 1)))

    def begin(_: Any, key: Any) -> Any:
        state = wrapped.reset(key)
        info = {name: value for name, value in state.info.items() if name != "eval_metrics"}  # hidden from the env
        return state.replace(info=info)

    key = jax.eval_shape(lambda: jax.random.PRNGKey(0))
    action = jax.ShapeDtypeStruct((env.action_size,), jnp.float32)
    try:
        first = trace(begin, inner, key)
        second = trace(lambda _, state, action: env.step(state, action), inner, first.out, action)
    except Exception as error:  # whatever the env does with what it does not know
        what, fix = errors.explain(error)
        takes = "a state with Brax's own entries: info['steps'], info['truncation'], ..., metrics['reward']"
        where = source.describe(inner, source.of_error(error, inner))
        return [Finding("wrap(env): env.step", takes, what, fix, where)]
    note = (
        ": hand on what others put in, info = {**state.info, **own}, metrics = {**state.metrics, **own}, "
        "and use other names than Brax's wrappers do"
    )
    return _same(inner, first, second, "Brax's wrapper", note)


def _wrapped(env: envs.Env, first: Traced, second: Traced) -> list[Finding]:
    """The same through the stack that Brax's trainers use, with repeated actions, and that of its evaluator."""
    for name, wrapped in {
        "wrap(env)": training.wrap(env, episode_length=_LENGTH, action_repeat=1),
        "wrap(env, action_repeat=2)": training.wrap(env, episode_length=_LENGTH, action_repeat=2),
        "EvalWrapper(wrap(env))": training.EvalWrapper(training.wrap(env, episode_length=_LENGTH)),
    }.items():
        findings = _through(wrapped, name, env.unwrapped)
        if findings:
            return _wide(findings) or _weak(env.unwrapped, first, second, name) or findings
    return []


def _through(env: envs.Env, name: str, inner: envs.Env) -> list[Finding]:
    """A batch of wrapped envs: reset, step, and a scan of two steps."""
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.PRNGKey(0), _BATCH))
    action = jax.ShapeDtypeStruct((_BATCH, env.action_size), jnp.float32)
    where = f"{name}.reset"
    try:
        first = jax.eval_shape(env.reset, keys)
        where = f"{name}.step"
        second = jax.eval_shape(env.step, first, action)
    except Exception as error:  # whatever a wrapper or the env raises
        return [_raised(where, inner, error)]
    before, after = leaves_of(first), leaves_of(second)

    def owner(path: str, leaf: Leaf | None) -> str:
        return _made(inner, "step" if path in before else "reset", path)

    labels = Labels(lambda path: f"{name}: state{path}", owner, lambda path: type(inner).__name__)
    return trees.differing(first, second, before, after, labels) or _scanned(env, name, inner, keys, action)


def _scanned(env: envs.Env, name: str, inner: envs.Env, keys: Any, action: Any) -> list[Finding]:
    """Two steps under `lax.scan`: what the comparison of leaves cannot see."""

    def scan(keys: Any, action: Any) -> Any:
        return jax.lax.scan(lambda state, _: (env.step(state, action), None), env.reset(keys), None, length=2)[0]

    try:
        jax.eval_shape(scan, keys, action)
    except Exception as error:
        return [_raised(f"a scan of {name}.step", inner, error)]
    return []


def _raised(where: str, inner: envs.Env, error: Exception) -> Finding:
    what, fix = errors.explain(error)
    return Finding(where, "traces", what, fix, source.describe(inner, source.of_error(error, inner)))


def _wide(findings: list[Finding]) -> list[Finding]:
    """With x64 on, Brax's wrappers make float64 of what an env keeps in float32."""
    if not jax.config.read("jax_enable_x64"):
        return []
    return [
        Finding(
            "jax_enable_x64",
            "off, as Brax's wrappers and this package expect: all is float32",
            f"on, so that Brax's own wrappers mix float64 and float32: {findings[0].leaf}",
            "unset JAX_ENABLE_X64, or jax.config.update('jax_enable_x64', False) before the env is made",
            findings[0].source,
        )
    ]


def _weak(inner: envs.Env, first: Traced, second: Traced, name: str) -> list[Finding]:
    """Weakly typed leaves, which a scan of the env alone takes, but which wrappers cast."""
    found = []
    for path, was in first.leaves.items():
        now = second.leaves.get(path, was)
        if was.weak or now.weak:
            fix = f"name the dtype in reset and in step: jnp.asarray(value, jnp.{was.dtype}), since {name} casts it"
            found.append(Finding(f"state{path}", str(was), str(now), fix, _made(inner, "step", path, now)))
    return found


def _made(inner: envs.Env, method: str, path: str, leaf: Leaf | None = None) -> str:
    """`Class (file:line)` of what made a leaf: the operation, else where the method names it, else the method."""
    line = leaf.line if leaf is not None else ""
    return source.describe(inner, line or source.of_name(inner, method, path) or source.method(inner, method))
