"""A curriculum: ranges that begin narrow and widen as the training succeeds."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..arrays import Number, Numbers, f32
from ..errors import WildRobotError, nearest
from ..module import AbstractModule


class CurriculumState(eqx.Module):
    """How far a curriculum has come, which a training carries and saves."""

    level: Float[Array, ""]  # 0: the ranges that it starts from; 1: the env's own
    mean: dict[str, Float[Array, ""]]  # of each figure of `success`, over the last iterations


class Curriculum(AbstractModule):
    """Takes ranges of an env from where they start to the env's own, as training's figures allow.

    A level between 0 and 1 holds for all ranges and all robots; a range is on the straight line
    between its start and the env's own. After each iteration the level rises by `rise` if the
    running mean of every figure of `success` is at most its limit, falls as much if one of
    them is beyond `lower` times its limit, and stays in between. Episodes that have begun
    keep their draws; events follow at once.

    Ranges are array leaves, so no level compiles anything anew. It moves any float32 leaf
    of an env, a weight as well as a range.

    Args:
        start: by path in the env, as `--set` takes it (such as `disturbances.events.push.force`), the value at level 0.
        success: by a figure of training, such as `terminations_per_minute`, the highest mean at which the level rises.
        rise: of the level, per iteration.
        window: iterations over which figures are averaged (exponentially).
        lower: times its limit from which a figure lowers the level.
    """

    start: dict[str, Float[Array, "..."]]
    success: dict[str, Float[Array, ""]]
    rise: Float[Array, ""]
    window: Float[Array, ""]
    lower: Float[Array, ""]

    def __init__(
        self,
        start: Mapping[str, Number | Numbers | Float[Array, "..."]],
        success: Mapping[str, Number],
        rise: Number = 0.01,
        window: Number = 20.0,
        lower: Number = 2.0,
    ):
        self.start = {path: f32(value) for path, value in start.items()}
        self.success = {name: f32(limit) for name, limit in success.items()}
        self.rise, self.window, self.lower = f32(rise), f32(window), f32(lower)

    def init(self) -> CurriculumState:
        """Level 0; each mean begins where it lowers the level, and has to be earned."""
        mean = {name: self.lower * limit for name, limit in self.success.items()}
        return CurriculumState(jnp.zeros((), jnp.float32), mean)

    def at(self, env: PyTree, level: Float[Array, ""]) -> PyTree:
        """The env with its ranges at `level`; nothing else changes.

        Raises:
            WildRobotError: a path leads nowhere, or a start does not fit what it leads to.
        """
        names = tuple(self.start)
        full = [_find(env, name) for name in names]
        for name, leaf in zip(names, full):
            start = self.start[name]
            if not eqx.is_array(leaf) or leaf.dtype != jnp.float32 or leaf.shape != start.shape:
                what = f"{leaf.dtype}{list(leaf.shape)}" if eqx.is_array(leaf) else f"a {type(leaf).__name__}"
                raise WildRobotError(
                    f"The curriculum starts {name!r} from a float32{list(start.shape)}, and the env has {what} there.",
                    where=f"Curriculum, start[{name!r}]",
                    hint="give it as many numbers as the env's own has",
                )
        moved = _between([self.start[name] for name in names], full, level)
        return eqx.tree_at(lambda tree: [_find(tree, name) for name in names], env, moved)

    def next(self, state: CurriculumState, figures: Mapping[str, Float[Array, ""]]) -> CurriculumState:
        """The state after an iteration that had these figures.

        Raises:
            WildRobotError: a figure of `success` is not among them.
        """
        for name in self.success:
            if name not in figures:
                raise WildRobotError(
                    f"The curriculum waits for the figure {name!r}, which training does not report.",
                    where="Curriculum, success",
                    hint=nearest(name, figures),
                )
        return _next(self, state, {name: jnp.asarray(figures[name], jnp.float32) for name in self.success})


@jax.jit
def _between(start: list[Any], full: list[Any], level: Float[Array, ""]) -> list[Any]:
    """On the line from `start` to `full`; its end is exact, so that a full curriculum is the env itself."""
    return [jnp.where(level >= 1.0, b, a + level * (b - a)) for a, b in zip(start, full)]


@eqx.filter_jit
def _next(curriculum: Curriculum, state: CurriculumState, figures: dict[str, Float[Array, ""]]) -> CurriculumState:
    mean = {name: old + (figures[name] - old) / curriculum.window for name, old in state.mean.items()}
    ratio = jnp.stack([mean[name] / limit for name, limit in curriculum.success.items()])
    good, bad = jnp.all(ratio <= 1.0), jnp.any(ratio > curriculum.lower)
    change = jnp.where(good, curriculum.rise, jnp.where(bad, -curriculum.rise, 0.0))
    return CurriculumState(jnp.clip(state.level + change, 0.0, 1.0), mean)


def _find(tree: Any, path: str) -> Any:
    """What lies at a dotted path of field names, dictionary keys and indices.

    Raises:
        WildRobotError: nothing does.
    """
    node = tree
    for name in path.split("."):
        keys = _keys(node)
        if name not in keys:
            raise WildRobotError(
                f"The curriculum's path {path!r} leads nowhere: there is no {name!r}.",
                where="Curriculum, start",
                hint=nearest(name, keys) if keys else "the path ends before it",
            )
        node = keys[name]
    return node


def _keys(node: Any) -> dict[str, Any]:
    if isinstance(node, dict):
        return node
    if isinstance(node, (tuple, list)):
        return {str(i): item for i, item in enumerate(node)}
    fields = dataclasses.fields(node) if dataclasses.is_dataclass(node) else ()
    return {field.name: getattr(node, field.name) for field in fields}
