"""A gate's verdict as a few numbers, which a training can log and a sweep can rank by."""

import math

from .gate_result import GateResult, Limit

PREFIX = "gate/"
SCORE = f"{PREFIX}score"
PASSED = f"{PREFIX}passed"


def gate_figures(limits: tuple[Limit, ...], result: GateResult) -> dict[str, float]:
    """`gate/score`, `gate/passed` (the fraction of lines that passed), and the worst value of each figure with a limit.

    The score is the mean over the lines of 1 + m, where m is how far a line's value is beyond its bound as a fraction
    of that bound (`Limit.margin`), at most 1, and 0 where it holds: 1 is a passed gate, 0 is one far from all bounds.
    A figure that was measured in no case is left out. `limits` are those that the gate's lines were held to.
    """
    margins: list[float] = []
    worst: dict[str, tuple[float, float]] = {}
    for line in result.lines:
        limit = _limit_of(limits, line.name, line.case)
        margin = limit.margin(line.value)
        margins.append(margin)
        if math.isfinite(line.value) and margin < worst.get(line.name, (math.inf, 0.0))[0]:
            worst[line.name] = (margin, line.value)
    if not margins:
        return {}
    score = sum(1.0 + min(max(margin, -1.0), 0.0) for margin in margins) / len(margins)
    passed = sum(line.passed for line in result.lines) / len(result.lines)
    return {SCORE: score, PASSED: passed, **{f"{PREFIX}{name}": value for name, (_, value) in worst.items()}}


def better_is_more(limits: tuple[Limit, ...], figure: str) -> bool | None:
    """Whether more of a figure of `gate_figures` is better; None where it has no limit, or limits on two sides."""
    if figure in (SCORE, PASSED):
        return True
    sides = {(one.low is None, one.high is None) for one in limits if f"{PREFIX}{one.figure}" == figure}
    return {(False, True): True, (True, False): False}.get(sides.pop()) if len(sides) == 1 else None


def _limit_of(limits: tuple[Limit, ...], name: str, case: str) -> Limit:
    return next(limit for limit in limits if limit.figure == name and limit.applies(case))
