"""What logs cannot tell apart: combinations of parameters of which they say less than was believed before."""

from typing import Any

import numpy as np

from .fit import Fit
from .parameters import KINDS

_LEAST, _MEMBERS, _MOST = 0.35, 5, 8


def weak(fit: Fit) -> list[dict[str, Any]]:
    """Combinations that a fit's logs hardly tell, the least told first.

    In units of what is believed before, the logs' information has singular values; the variance along a direction of
    singular value s is 1 / (1 + s^2) of what it was. Directions with s < 1 are named, by the parameters that have the
    greatest part in them, with the share of variance that the logs take away, and with what would tell them.
    """
    root = np.linalg.cholesky(fit.parameters.prior)
    power, directions = np.linalg.eigh(root.T @ fit.information @ root)
    found: list[dict[str, Any]] = []
    for value, direction in zip(power, directions.T):
        if value >= 1.0 or len(found) == _MOST:
            break
        part = root @ direction / np.sqrt(np.diag(fit.parameters.prior))
        first = [int(i) for i in np.argsort(-np.abs(part))[:_MEMBERS]]
        order = [i for i in first if abs(part[i]) > _LEAST * abs(part[first[0]])]
        sign = np.sign(part[order[0]])
        kinds = list(dict.fromkeys(fit.parameters.kind_of[i].name for i in order))
        found.append(
            {
                "singular value": round(float(np.sqrt(max(value, 0.0))), 4),
                "told": round(float(max(value, 0.0) / (1.0 + max(value, 0.0))), 4),
                "parameters": {fit.parameters.names[i]: round(float(sign * part[i]), 3) for i in order},
                "excitation": "; ".join(dict.fromkeys(KINDS[kind].excitation for kind in kinds)),
            }
        )
    return found
