"""Fits parameters to logs by Gauss-Newton, and says how sure they are."""

import dataclasses
import logging
import time
from collections.abc import Sequence

import numpy as np
from mujoco import minimize
from numpy.typing import NDArray

from .parameters import Parameters
from .problem import Problem
from .windows import Window

_log = logging.getLogger(__name__)
_COARSE = 3  # windows of which the first round takes one


@dataclasses.dataclass(frozen=True)
class Fit:
    """Parameters, and what the logs say of them."""

    parameters: Parameters
    values: NDArray[np.float64]  # (p,)
    covariance: NDArray[np.float64]  # (p, p)
    information: NDArray[np.float64]  # (p, p) of the logs alone, the prior not included
    scale: NDArray[np.float64]  # (channels,) standard deviation of what is left
    worth: NDArray[np.float64]  # (channels,)
    cost: tuple[float, float]  # half the sum of squares at what is believed before, and now, in the last round's scales
    simulations: int  # of windows
    seconds: float

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Standard deviations of the values."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def told(self) -> NDArray[np.float64]:
        """The share of what was not known of each parameter that the logs have told: of its variance."""
        return 1.0 - np.diag(self.covariance) / np.diag(self.parameters.prior)


def fit(
    parameters: Parameters,
    windows: Sequence[Window],
    *,
    rounds: Sequence[int] = (3, 2),
    threads: int = 0,
    start: NDArray[np.float64] | None = None,
) -> Fit:
    """The most probable parameters, by MuJoCo's bounded Levenberg-Marquardt over a batch of simulations.

    A first round on some of the windows finds how well a simulation can be right; the last, on all of them, weighs
    readings by that, and takes derivatives by steps to both sides. The covariance is that of the linearised posterior:
    of the residuals' own variance, neighbouring control steps counting as much as an AR(1) process of their
    correlation is worth.

    Args:
        parameters: what to fit.
        windows: of one or more logs.
        rounds: iterations of each round.
        threads: 0: one for each core.
        start: the first values, (p,); what is believed before, if None.
    """
    began, x = time.monotonic(), parameters.mean if start is None else np.array(start)
    low, high = parameters.bounds
    problem = Problem.of(parameters, list(windows), threads)
    coarse = list(range(0, len(windows), _COARSE)) if len(windows) >= 2 * _COARSE else list(range(len(windows)))
    count, first = 0, 0.0
    for number, iterations in enumerate(rounds):
        here = problem if number == len(rounds) - 1 else problem.part(coarse)
        if number:
            shown = problem.part(coarse) if number == 1 else problem
            problem = _like(problem, shown.rescaled(shown.residuals(x[None])[:, 0]))
            here = _like(here, problem)
        x, trace = _minimise(here, x, low, high, iterations, both=number == len(rounds) - 1)
        count += len(here.windows) * len(trace) * (len(parameters) + 2)
        first = float(trace[0].objective) if trace else first
    _log.info("identify: how sure the values are ...")
    residual = problem.residuals(x[None])[:, 0]
    up, down = (problem.jacobian(x, residual, sign)[: -len(parameters)] for sign in (1.0, -1.0))
    final = problem.rescaled(residual)
    ratio = (problem.scale / final.scale) * np.sqrt(final.worth / problem.worth)
    weight = np.tile(ratio, len(up) // len(ratio))[:, None]
    information = _information(parameters, weight * up, weight * down)
    covariance = np.linalg.inv(information + np.linalg.inv(parameters.prior))
    cost = 0.5 * float(residual @ residual)
    count += len(problem.windows) * (2 * len(parameters) + 1)
    return Fit(
        *(parameters, x, covariance, information, final.scale, final.worth, (first, cost), count),
        time.monotonic() - began,
    )


def _information(parameters: Parameters, up: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.float64]:
    """What residuals with these derivatives (m, p), by steps up and down, tell of the parameters, (p, p).

    Joints that stick and slip make a simulation's derivatives noisy, and noise in a column looks like news of its
    parameter. Half the difference of the two is that noise, or curvature: its square is taken off the diagonal.
    """
    mean, half = 0.5 * (up + down), 0.5 * (up - down)
    root = np.linalg.cholesky(parameters.prior)
    raw = mean.T @ mean - np.diag(np.square(half).sum(axis=0))
    power, directions = np.linalg.eigh(root.T @ raw @ root)
    back = np.linalg.solve(root.T, directions)
    return np.asarray((back * np.maximum(power, 0.0)) @ back.T)


def _like(problem: Problem, measured: Problem) -> Problem:
    """A problem with another one's scales."""
    return dataclasses.replace(problem, scale=measured.scale, worth=measured.worth)


def _minimise(
    problem: Problem,
    x: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    iterations: int,
    *,
    both: bool,
) -> tuple[NDArray[np.float64], list[minimize.IterLog]]:
    def residual(columns: NDArray[np.float64]) -> NDArray[np.float64]:
        return problem.residuals(columns.T)

    def jacobian(at: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
        up = problem.jacobian(at[:, 0], r[:, 0])
        return 0.5 * (up + problem.jacobian(at[:, 0], r[:, 0], -1.0)) if both else up

    def say(trace: list[minimize.IterLog]) -> None:
        now = trace[-1]
        _log.info(
            f"identify: {len(problem.windows)} windows, iteration {len(trace)}: "
            f"{float(now.objective):,.0f} -> {float(now.objective - now.reduction):,.0f}"
        )

    found, trace = minimize.least_squares(
        x,
        residual,
        bounds=[low, high],
        jacobian=jacobian,
        max_iter=iterations,
        xtol=1e-3,
        gtol=1e-6,
        x_scale=np.sqrt(np.diag(problem.parameters.prior)),
        verbose=minimize.Verbosity.SILENT,
        iter_callback=say,
        mu_factor=10.0,
    )
    return np.asarray(found).reshape(-1), trace
