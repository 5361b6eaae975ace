"""Our env as other libraries know one. Names load on first use: one adapter never loads another's library."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names as in the table below, which a test compares
    from .brax import BraxEnv as BraxEnv
    from .brax_check import brax_stage as brax_stage
    from .brax_check import check_brax as check_brax
    from .brax_compat import brax_trainers as brax_trainers
    from .gymnasium import GymnasiumEnv as GymnasiumEnv
    from .gymnasium import GymnasiumVectorEnv as GymnasiumVectorEnv
    from .gymnasium_ids import register_gymnasium as register_gymnasium

_EXPORTS = {
    "brax": ("BraxEnv",),
    "brax_check": (
        "brax_stage",
        "check_brax",
    ),
    "brax_compat": ("brax_trainers",),
    "gymnasium_ids": ("register_gymnasium",),
    "gymnasium": (
        "GymnasiumEnv",
        "GymnasiumVectorEnv",
    ),
}
_OF = {name: module for module, names in _EXPORTS.items() for name in names}
__all__ = sorted(_OF)


def _load(name: str) -> Any:
    if name in _OF:
        return getattr(importlib.import_module(f"{__name__}.{_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if not TYPE_CHECKING:  # a type checker refuses what is not named above
    __getattr__ = _load


def __dir__() -> list[str]:
    return __all__
