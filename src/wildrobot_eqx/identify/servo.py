"""What reaches a servo, and when: targets that are held until the next one, late, and on a straight line to it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def commands(
    sent: NDArray[np.float64],
    target: NDArray[np.float64],
    start: float,
    step: float,
    count: int,
    delay: float,
    smoothing: float,
) -> NDArray[np.float64]:
    """The target in force in each of `count` steps of `step` s from `start` on, (count, joints).

    A target that is sent at t is in force from t + `delay` on; a servo that goes to each target on a straight line
    within `smoothing` s follows the mean of what was in force for as long. In a step it is the mean over as long before
    the step's middle, or over the step's own length, where that is longer, as much before; so the result changes
    continuously with both, and the mean delay is `delay` + `smoothing` / 2.

    Args:
        sent: (k,) s, rising.
        target: (k, joints) rad; the first stands before it was sent, too.
        start, step, delay, smoothing: s.
        count: steps.
    """
    at = np.maximum.accumulate(sent) + delay
    middle = target[0]
    value = target - middle  # sums stay small
    total = np.concatenate([np.zeros((1, target.shape[1])), np.cumsum(np.diff(at)[:, None] * value[:-1], axis=0)])

    def integral(when: Any) -> Any:
        i = np.maximum(np.searchsorted(at, when + 1e-9, side="right") - 1, 0)
        return total[i] + value[i] * (when - at[i])[:, None]

    width = max(smoothing, step)
    ends = start + step * (np.arange(count) + 0.5) + 0.5 * (width - smoothing)
    return np.asarray(middle + (integral(ends) - integral(ends - width)) / width)
