"""How figures are shown: those of walking by name."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Figure:
    """How a figure is shown: its label, its unit, and how many of `unit` make one of the stored value."""

    label: str
    unit: str = ""
    scale: float = 1.0
    digits: int = 2

    @property
    def heading(self) -> str:
        """Label and unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def text(self, value: float | None) -> str:
        """The value in the shown unit, without the unit; a dash where there is none."""
        if value is None or not np.isfinite(value):
            return "–"
        return f"{self.scale * value:.{self.digits}f}"


FIGURES: dict[str, Figure] = {
    "survival": Figure("survival", "%", 100.0, 1),
    "speed": Figure("mean speed", "m/s", digits=3),
    "speed_error": Figure("speed error", "m/s", digits=3),
    "lateral_speed": Figure("mean speed, left", "m/s", digits=3),
    "lateral_error": Figure("lateral error", "m/s", digits=3),
    "turn": Figure("mean turn, left", "rad/s", digits=3),
    "turn_error": Figure("turn error", "rad/s", digits=3),
    "drift": Figure("lateral drift", "m"),
    "displacement": Figure("displacement", "m"),
    "heading_error": Figure("heading error", "deg", digits=1),
    "swing_peak": Figure("swing peak", "cm", 100.0, 1),
    "step_rate": Figure("step rate", "Hz"),
    "duty_factor": Figure("duty factor", "%", 100.0, 0),
    "swing_ratio": Figure("left/right swing"),
    "pair_ratio": Figure("pairs' swing"),
    "in_step": Figure("pairs in step", "%", 100.0, 0),
    "drag": Figure("dragged swing", "%", 100.0, 1),
    "feet_down": Figure("all feet down", "%", 100.0, 1),
    "travel_speed": Figure("travel speed", "m/s", digits=3),
    "pitch": Figure("trunk pitch", "deg", digits=1),
    "tilt": Figure("trunk tilt", "deg", digits=1),
    "base_speed": Figure("base speed", "m/s", digits=3),
    "slip": Figure("foot slip", "m/s", digits=3),
    "torque_rms": Figure("RMS torque", "N m"),
    "torque_rms_share": Figure("RMS torque/limit", "%", 100.0, 0),
    "torque_peak_share": Figure("peak torque/limit", "%", 100.0, 0),
    "joint_torque_share": Figure("joint RMS/limit", "%", 100.0, 0),
    "joint_torque_continuous": Figure("continuous torque", "%", 100.0, 0),
    "saturated": Figure("saturated", "%", 100.0, 2),
    "overspeed": Figure("overspeed", "%", 100.0, 2),
    "action_rate": Figure("action change", "", digits=3),
}
"""Every figure by name; of `swing_peak` there is one of each foot, such as `swing_peak_left`, of `survival` one of
each kick's direction, such as `survival_back`."""


def describe(name: str) -> Figure:
    """How the figure `name` is shown."""
    for whole in ("swing_peak", "survival"):
        if name.startswith(f"{whole}_"):
            part = name.removeprefix(f"{whole}_").replace("_", " ")
            return dataclasses.replace(FIGURES[whole], label=f"{FIGURES[whole].label}, {part}")
    return FIGURES.get(name, Figure(name.replace("_", " ")))
