"""Our env as other libraries know one. Names load on first use: one adapter never loads another's library."""

import importlib
from typing import Any

_EXPORTS = {
    "brax": ("BraxEnv",),
    "brax_check": ("brax_stage", "check_brax"),
    "gymnasium": ("GymnasiumEnv", "GymnasiumVectorEnv"),
    "gymnasium_ids": ("register_gymnasium",),
}
_OF = {name: module for module, names in _EXPORTS.items() for name in names}
__all__ = sorted(_OF)


def __getattr__(name: str) -> Any:
    if name in _OF:
        return getattr(importlib.import_module(f"{__name__}.{_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
