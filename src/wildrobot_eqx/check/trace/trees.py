"""Where two trees have another structure: a key, a kind of container, a static field, each by its path."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax

from .findings import Finding
from .leaves import Labels, differences
from .statics import is_static
from .tracing import Leaf


@dataclasses.dataclass(frozen=True)
class Mismatch:
    """One place where the structure differs.

    `static` names the static field, where it is one; `container` says that two kinds of containers differ.
    """

    path: str
    before: str
    after: str
    static: str = ""
    container: bool = False


def differing(before: Any, after: Any, was: dict[str, Leaf], now: dict[str, Leaf], labels: Labels) -> list[Finding]:
    """Everything that differs between two trees, whose leaves by path are `was` and `now`.

    Leaf by leaf, but where a container is of another kind, whose leaves follow from that; then the structure.
    """
    kinds = [mismatch for mismatch in mismatches(before, after) if mismatch.container]
    found = [_finding(mismatch, labels) for mismatch in kinds]
    found += differences(_outside(was, kinds), _outside(now, kinds), labels)
    return found or structure(before, after, labels)


def _outside(leaves: dict[str, Leaf], kinds: list[Mismatch]) -> dict[str, Leaf]:
    return {path: leaf for path, leaf in leaves.items() if not any(path.startswith(m.path) for m in kinds)}


def structure(before: Any, after: Any, labels: Labels) -> list[Finding]:
    """A finding for each place where the structure differs; none where the structures are equal."""
    return [] if same(before, after) else [_finding(mismatch, labels) for mismatch in mismatches(before, after)]


def _finding(mismatch: Mismatch, labels: Labels) -> Finding:
    fix = f"{_fix(mismatch, labels)} ({labels.by(mismatch.path)})"
    owner = labels.owner(mismatch.path, None)
    return Finding(labels.name(mismatch.path), mismatch.before, mismatch.after, fix, owner)


def same(before: Any, after: Any) -> bool:
    """Have two trees the same structure? Where static fields cannot be compared, they have not."""
    try:
        trees: list[Any] = [jax.tree.structure(tree) for tree in (before, after)]
        return bool(trees[0] == trees[1])
    except Exception:  # the == of a user's own class
        return False


def mismatches(before: Any, after: Any, path: str = "") -> Iterator[Mismatch]:
    """The outermost places where two trees differ in structure."""
    if _is_leaf(before) and _is_leaf(after):
        return
    if type(before) is not type(after):
        container = not any(side is None or _is_leaf(side) for side in (before, after))
        yield Mismatch(path, describe(before), describe(after), container=container)
        return
    was, now = _children(before), _children(after)
    for step in [*was, *(step for step in now if step not in was)]:
        if step in was and step in now:
            yield from mismatches(was[step], now[step], path + step)
        else:
            one, other = (describe(side[step]) if step in side else "missing" for side in (was, now))
            yield Mismatch(path + step, one, other)
    yield from _fields(before, after, path, was.keys() == now.keys())


def _fields(before: Any, after: Any, path: str, alike: bool) -> Iterator[Mismatch]:
    """What a node holds beside its children."""
    names: list[str] = []
    if dataclasses.is_dataclass(before):
        names = [field.name for field in dataclasses.fields(before) if is_static(field)]
    found = False
    for name in names:
        was, now = (getattr(side, name, None) for side in (before, after))
        if not _equal(was, now):
            found = True
            yield Mismatch(f"{path}.{name}", *_apart(was, now), static=name)
    if found or not alike:
        return
    trees: list[Any] = [jax.tree.structure(side) for side in (before, after)]
    was, now = (None if (data := tree.node_data()) is None else data[1] for tree in trees)
    if not _equal(was, now):
        yield Mismatch(path, *_apart(was, now), static="its data")


def _children(tree: Any) -> dict[str, Any]:
    """The children of a node by their steps."""
    flat, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda value: value is not tree)
    return {jax.tree_util.keystr(path): child for path, child in flat}


def _is_leaf(tree: Any) -> bool:
    return jax.tree_util.all_leaves([tree])


def _equal(was: Any, now: Any) -> bool:
    try:
        return was is now or bool(was == now)
    except Exception:  # such as that of arrays
        return False


def _apart(was: Any, now: Any) -> tuple[str, str]:
    """Both values in short; where they read the same, the second says so."""
    texts = [f"{value!r}" for value in (was, now)]
    short = [text if len(text) < 80 else text[:77] + "..." for text in texts]
    if texts[0] == texts[1]:
        kind = type(now).__name__
        return short[0], f"another {kind} that reads the same: it has no __eq__ that says they are equal"
    return (short[0], short[1]) if short[0] != short[1] else (f"{short[0]}", f"{short[1]}, which ends otherwise")


def describe(tree: Any) -> str:
    """A tree in a few words."""
    if tree is None:
        return "None"
    if _is_leaf(tree):
        shape, dtype = getattr(tree, "shape", None), getattr(tree, "dtype", None)
        return f"a {type(tree).__name__}" if dtype is None else f"{dtype}{list(shape or ())}"
    name = type(tree).__name__
    if isinstance(tree, dict):
        return f"a {name} of {', '.join(map(repr, list(tree)[:4]))}{', ...' if len(tree) > 4 else ''}".rstrip("of ")
    return f"a {name} of {len(tree)}" if isinstance(tree, list | tuple) else f"a {name}"


def _fix(mismatch: Mismatch, labels: Labels) -> str:
    if mismatch.static:
        what = "what a node keeps beside its children" if mismatch.static == "its data" else "a static field"
        return (
            f"{what} is part of the structure and must stay as {labels.before} made it: "
            f"make {mismatch.static} an array leaf if it changes, else take it over from the state that came in"
        )
    for side, text in ((labels.before, mismatch.before), (labels.after, mismatch.after)):
        if text == "missing":
            return f"return it from {side}, too, or from neither"
    if labels.before == "its input":  # a module that gives back what it is given
        return f"return {mismatch.before}, as it came in"
    return f"return {mismatch.before} from {labels.after}, too, or {mismatch.after} from {labels.before}"
