"""Names of a package that load on first use, from a table of its modules."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def modules_of(exports: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """By name the module that holds it, out of a table of names by module."""
    return {name: module for module, names in exports.items() for name in names}


def loader(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of `package`, whose names stand in `modules`, relative to it."""

    def load(name: str) -> Any:
        if name in modules:
            return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load, lambda: sorted(modules)
