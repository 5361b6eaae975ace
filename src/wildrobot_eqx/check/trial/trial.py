"""The trial as a whole: simulate, judge, and the figures behind the verdict."""

import dataclasses
import time
from typing import Any

import jax
import numpy as np

from ...env.env import Env
from .judge import Remark, hold_ratio, judge, reward_figures, saturated_fraction
from .simulate import GROUPS, Record, simulate


@dataclasses.dataclass(frozen=True)
class Trial:
    """What a trial showed: remarks, most basic first, the figures by name, and how long it took."""

    remarks: tuple[Remark, ...]
    figures: dict[str, Any]
    seconds: float

    @property
    def problems(self) -> tuple[Remark, ...]:
        """The remarks that fail a check."""
        return tuple(remark for remark in self.remarks if remark.problem)

    @property
    def passed(self) -> bool:
        """No problem was seen."""
        return not self.problems


def run_trial(env: Env, num_envs: int = 48, seconds: float = 3.0, seed: int = 0) -> Trial:
    """Run `env`, whose contract holds, for twice `seconds` in a batch of `num_envs` (rounded up to whole groups)."""
    began = time.monotonic()
    n = -(-num_envs // len(GROUPS)) * len(GROUPS)
    record = simulate(env, jax.random.key(seed), n, seconds)
    remarks = tuple(judge(env, record))
    return Trial(remarks, _figures(env, record), time.monotonic() - began)


def _figures(env: Env, record: Record) -> dict[str, Any]:
    """What the tables show, as JSON values; no ranges where something is not finite."""
    falls = {group: int(record.terminated[:, record.group(group)].sum()) for group in GROUPS}
    counts = {"envs": record.reward.shape[1], "steps": record.reward.shape[0], "falls": falls}
    if not all(np.isfinite(values).all() for values in (*record.obs.values(), *record.metrics.values())):
        return counts
    observations: dict[str, Any] = {}
    for role in env.observations:
        for part in env.layout(role):
            values = record.obs[role][..., part.start : part.stop]
            row = {"min": float(values.min()), "max": float(values.max()), "unit": part.unit, "size": values.shape[-1]}
            observations.setdefault(part.name, {**row, "constant": int((np.ptp(values, axis=(0, 1)) < 1e-7).sum())})
    names = env.physics.robot.joint_names
    ratios = zip(names, hold_ratio(env, record), saturated_fraction(env, record))
    return {
        **counts,
        "rewards": reward_figures(env, record),
        "observations": observations,
        "joints": {name: {"hold_torque": float(hold), "saturated": float(limit)} for name, hold, limit in ratios},
    }
