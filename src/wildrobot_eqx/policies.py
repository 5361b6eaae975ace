"""Policies, value functions and learned rewards for PPO."""

from .learn import (
    AbstractDistribution,
    AbstractPolicy,
    AbstractRewardModel,
    AbstractValue,
    MakePolicy,
    Normal,
    RunningNorm,
    SideMirror,
)
from .learn.networks import MLPPolicy, MLPValue

__all__ = [
    "AbstractDistribution",
    "AbstractPolicy",
    "AbstractRewardModel",
    "AbstractValue",
    "MLPPolicy",
    "MLPValue",
    "MakePolicy",
    "Normal",
    "RunningNorm",
    "SideMirror",
]
