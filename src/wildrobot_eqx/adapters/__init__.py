"""Our env as other libraries know one. Names load on first use: one adapter never loads another's library."""

from typing import TYPE_CHECKING

from ..lazy import loader, modules_of

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
_OF = modules_of(_EXPORTS)
__all__ = sorted(_OF)
if not TYPE_CHECKING:  # a type checker refuses what is not named above
    __getattr__, __dir__ = loader(__name__, _OF)
