"""The type checker that jaxtyping's import hook puts on every function of the package."""

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

# PEP 484's numeric tower: an int is welcome where a float is asked for.
check_now = beartype(conf=BeartypeConf(is_pep484_tower=True))


def typechecker(function: Callable[..., Any]) -> Callable[..., Any]:
    """beartype, which writes a function's checks at its first call: of the package's functions a process calls few."""
    checked: list[Callable[..., Any]] = []

    def check(*args: Any, **kwargs: Any) -> Any:
        if not checked:
            checked.append(check_now(function))
        return checked[0](*args, **kwargs)

    return check
