"""Ways to spoil JSON, drawn from a seed: values of other kinds and sizes, entries lost and doubled, bytes changed."""

import copy
import json
import random
from typing import Any

NUMBERS = [0, -1, 1, 2, 7, 1000, 2**31, 2**63, -(2**63), 10**25, 10**400, 0.5, -0.5, 1e-300, 1e30, 3.5e38, 1e39, -1e300]
OTHERS = [None, True, False, "", "x", "1", "\u0000", "../x", "/etc/hostname", "[red]x[/]", "$x_{$", "é" * 300]
NESTS = [[], {}, [[]], [None], {"": None}, {"name": 1}, [1, 2, 3], ["a", "a"], [{}], [1e300]]


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """The path of every entry within."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [p for key, item in items for p in [(*path, key), *places(item, (*path, key))]]


def edited(document: Any, rng: random.Random) -> tuple[Any, str]:
    """A copy with one entry changed, and what was changed."""
    new = copy.deepcopy(document)
    path = rng.choice(places(new))
    parent = new
    for key in path[:-1]:
        parent = parent[key]
    key = path[-1]
    kind = rng.choice(["number", "other", "nest", "scale", "delete", "double", "rename", "swap"])
    if kind == "scale" and isinstance(parent[key], (int, float)) and not isinstance(parent[key], bool):
        parent[key] = parent[key] * rng.choice([-1, 0, 2, 1.5, 10**6, 10**20, 1e-9])
    elif kind == "delete":
        del parent[key]
    elif kind == "double" and isinstance(parent, list):
        parent.insert(key, copy.deepcopy(parent[key]))
    elif kind == "rename" and isinstance(parent, dict):
        parent[rng.choice(["", "x", key + "x"])] = parent.pop(key)
    elif kind == "swap":
        other = rng.choice(list(parent) if isinstance(parent, dict) else range(len(parent)))
        parent[key], parent[other] = parent[other], parent[key]
    else:
        choices = {"other": OTHERS, "nest": NESTS}.get(kind, NUMBERS)
        parent[key] = copy.deepcopy(rng.choice(choices))
    return new, f"{kind} at {path}"


def as_text(document: Any) -> bytes:
    """JSON, whatever it holds."""
    return json.dumps(document, indent=2).encode()


def spoilt(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Bytes with a few changed, cut out, doubled, or the rest lost."""
    new, kind = bytearray(data), rng.choice(["flip", "cut", "double", "end", "insert"])
    at = rng.randrange(max(1, len(new)))
    size = rng.choice([1, 1, 2, 40])
    if kind == "flip" and new:
        new[at] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del new[at : at + size]
    elif kind == "double":
        new[at:at] = new[at : at + size]
    elif kind == "end":
        del new[at:]
    else:
        new[at:at] = rng.choice([b"\xff", b"\x00", b"}", b"{", b"[", b'"', b",", b"\n", b"NaN", b"1e999", b"9" * 5000])
    return bytes(new), f"{kind} of {size} at {at}"
