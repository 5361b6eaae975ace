"""Robots and recipes of other packages, found by their entry points."""

import importlib
import importlib.util
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Literal

from .errors import WildRobotError

Kind = Literal["robots", "recipes"]


def plugin_names(kind: Kind) -> list[str]:
    """The names of what other packages offer in the group `wildrobot_eqx.robots` or `wildrobot_eqx.recipes`."""
    return sorted({entry.name for entry in entry_points(group=f"wildrobot_eqx.{kind}")})


def plugin_path(kind: Kind, name: str) -> Path | None:
    """The folder of another package's robot, or the file of its recipe; None where no package offers that name.

    The entry point is a module, such as `my_package.duck`, or an attribute that holds a path, such
    as `my_package:DUCK`. Of a module only the place is looked up: it is not executed, but the
    packages that it lies in are.

    Raises:
        WildRobotError: several packages offer that name, or the entry point leads nowhere.
    """
    found = sorted(entry_points(group=f"wildrobot_eqx.{kind}", name=name), key=_where)
    if not found:
        return None
    if len({entry.value for entry in found}) > 1:
        makers = ", ".join(entry.dist.name for entry in found if entry.dist is not None)
        raise WildRobotError(
            f"Several packages offer {name!r}: {makers}.",
            where=f"the entry points wildrobot_eqx.{kind}",
            hint="give its path instead of its name, or uninstall one of the packages",
        )
    entry = found[0]
    try:
        path = Path(entry.load()) if entry.attr else _place(entry.module, kind)
    except Exception as error:  # whatever a foreign package raises while it is imported
        raise _nowhere(entry, f"{type(error).__name__}: {error}") from error
    if path is None or not (path.is_dir() if kind == "robots" else path.is_file()):
        raise _nowhere(entry, f"there is no {'folder' if kind == 'robots' else 'file'} {str(path or entry.module)!r}")
    return path


def _place(module: str, kind: Kind) -> Path | None:
    spec = importlib.util.find_spec(module)
    if spec is None:
        return None
    if kind == "recipes":
        return None if spec.origin is None else Path(spec.origin)
    return Path(next(iter(spec.submodule_search_locations))) if spec.submodule_search_locations else None


def _where(entry: EntryPoint) -> str:
    maker = "" if entry.dist is None else f" of {entry.dist.name}"
    return f"the entry point {entry.name} = {entry.value!r}{maker}, group {entry.group}"


def _nowhere(entry: EntryPoint, why: str) -> WildRobotError:
    return WildRobotError(
        f"The package that offers {entry.name!r} does not lead to it: {why}",
        where=_where(entry),
        hint="mend or reinstall that package",
    )
