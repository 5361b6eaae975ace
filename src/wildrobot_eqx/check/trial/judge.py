"""What a trial's record shows: problems, which fail a check, and notices, which a good env may have."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from ...control import target_range
from ...env.env import Env
from ...physics.mujoco_tools.contacts import deepest_contact, stands_on_points
from ...task import Alive, Posture
from ..misfit import misfits
from .simulate import GROUPS, Record

HUGE = 1000.0  # an observation beyond this is not scaled
LARGE = 100.0
DEPTH_PROBLEM, DEPTH_NOTICE = 0.02, 0.01  # m
TORQUE_PROBLEM, TORQUE_NOTICE = 0.95, 0.6  # fraction of the servo's limit
SATURATED_PROBLEM, SATURATED_NOTICE = 0.5, 0.2  # fraction of steps under random actions
ONE_WAY = 0.98  # fraction of steps in which what grows without bound goes up
DOMINANT = 0.9  # fraction of all reward


@dataclasses.dataclass(frozen=True)
class Remark:
    """One finding of a trial; a problem fails the check, a notice does not."""

    subject: str
    finding: str
    fix: str
    problem: bool = True

    def __str__(self) -> str:
        return f"{'problem' if self.problem else 'notice '}  {self.subject}: {self.finding}\n    try:  {self.fix}"


def judge(env: Env, record: Record) -> list[Remark]:
    """Everything that the record shows, most basic first."""
    remarks = list(_not_finite(env, record))
    if remarks:  # figures of what is not finite mean nothing
        return [*remarks, *_one_trace(record)]
    for look in (_order, _penetration, _hold, _saturation, _observations, _rewards, _sizes):
        remarks += look(env, record)
    remarks += _one_trace(record)
    return sorted(remarks, key=lambda remark: not remark.problem)


def _not_finite(env: Env, record: Record) -> Iterator[Remark]:
    """The first env and step with NaN or infinity, and the first in the flow of data that has it."""
    flow = {f"state.physics.{name}": finite for name, finite in record.finite.items()}
    for role in env.observations:
        for part in env.layout(role):
            values = record.obs[role][..., part.start : part.stop]
            flow[f"env.observations[{role!r}].terms[{part.name!r}]"] = np.isfinite(values).all(axis=-1)
    for name in env.rewards:
        flow[f"env.rewards[{name!r}]"] = np.isfinite(record.metrics[f"raw/{name}"])
    flow["timestep.reward"] = np.isfinite(record.reward)
    bad = [(name, np.argwhere(~finite)[0]) for name, finite in flow.items() if not finite.all()]
    if not bad:
        return
    name, (step, index) = min(bad, key=lambda item: item[1][0])  # the earliest step; min keeps the flow's order
    group = GROUPS[index * len(GROUPS) // record.reward.shape[1]]
    also = [other for other, _ in bad if other != name]
    finding = f"NaN or infinity first in env {index} ({group} actions), step {step}" + (
        f"; later also {', '.join(also[:4])}" + (", ..." if len(also) > 4 else "") if also else ""
    )
    yield Remark(name, finding, "guard divisions, square roots and logarithms; take a shorter physics timestep", True)


def _order(env: Env, record: Record) -> Iterator[Remark]:
    """Each entry of the action must move the joint of its own place."""
    names, response = env.physics.robot.joint_names, np.abs(record.response)
    moved = response.argmax(axis=1)
    for i, j in enumerate(moved):
        if i != j and response[i, j] > 1e-6 and response[i, i] < 1e-6:
            finding = f"entry {i} of the action, {names[i]!r}, moves the target of {names[j]!r}"
            yield Remark("env.controller", finding, "keep the order of robot.joint_names from the action to the target")


def _penetration(env: Env, record: Record) -> Iterator[Remark]:
    depths, pairs = deepest_contact(env.physics.model, record.first_qpos)
    worst = int(depths.argmax())
    if depths[worst] > DEPTH_NOTICE:
        finding = (
            f"{100 * np.mean(depths > DEPTH_NOTICE):.0f}% of first poses stand more than {1e3 * DEPTH_NOTICE:.0f} mm "
            f"in something, at worst {1e3 * depths[worst]:.0f} mm ({pairs[worst]})"
        )
        fix = "raise the robot by the reset's drop, or draw smaller joint noise"
        yield Remark("env.reset_state", finding, fix, bool(depths[worst] > DEPTH_PROBLEM))


def _hold(env: Env, record: Record) -> Iterator[Remark]:
    """Zero action for the first call: does it stand, and with how much torque?"""
    zero = record.group("zero")
    fallen = record.terminated[: record.steps, zero].any(axis=0)
    duration = f"{record.steps * env.physics.control_dt:.1f} s"
    if fallen.any():
        when = np.argwhere(record.terminated[: record.steps, zero].any(axis=1))[0][0] * env.physics.control_dt
        finding = (
            f"under zero action {fallen.sum()} of {fallen.size} fell within {duration}, the first after {when:.2f} s"
        )
        fix = "mend [home] in robot.toml so that the robot stands there, or loosen env.endings"
        if tips := stands_on_points(env.physics.robot):
            fix = "nothing, if it falls slowly: on two points no robot stands still; else mend [home] in robot.toml"
        yield Remark("the home pose", finding, fix, bool(fallen.mean() > 0.5) and not tips)
        return
    for name, ratio in zip(env.physics.robot.joint_names, hold_ratio(env, record)):
        if ratio > TORQUE_NOTICE:
            finding = f"holding still for {duration} takes {100 * ratio:.0f}% of the torque of {name!r}"
            yield Remark(
                "the home pose", finding, "bend that joint less, or take a stronger servo", bool(ratio > TORQUE_PROBLEM)
            )


def hold_ratio(env: Env, record: Record) -> Float[np.ndarray, " nu"]:
    """Mean torque of each joint over the last third of the hold, as a fraction of its limit."""
    force = np.abs(record.force[record.steps * 2 // 3 : record.steps, record.group("zero")]).mean(axis=(0, 1))
    return force / np.asarray(env.physics.robot.torque_limit)


def saturated_fraction(env: Env, record: Record) -> Float[np.ndarray, " nu"]:
    """Fraction of steps under random actions in which each joint's target lay on a limit of its range."""
    low, high = target_range(env.physics.robot, env.controller).T
    target = record.target[:, record.group("random")]
    return ((target <= low + 1e-5) | (target >= high - 1e-5)).mean(axis=(0, 1))


def _saturation(env: Env, record: Record) -> Iterator[Remark]:
    fractions = dict(zip(env.physics.robot.joint_names, saturated_fraction(env, record)))
    for level, problem in ((SATURATED_PROBLEM, True), (SATURATED_NOTICE, False)):
        over = {name: fractions.pop(name) for name, fraction in list(fractions.items()) if fraction > level}
        if over:
            joints = ", ".join(f"{name!r} {100 * fraction:.0f}%" for name, fraction in over.items())
            finding = f"random actions put targets on the limits of their joints, in fractions of steps: {joints}"
            yield Remark("env.controller", finding, "lower the action scale of those joints", problem)


def _observations(env: Env, record: Record) -> Iterator[Remark]:
    """Constant, unbounded, or not measurable yet fed to the policy."""
    seen_already: set[str] = set()
    entries: list[str] = []
    for role in env.observations:
        for part in env.layout(role):
            where = f"env.observations[{role!r}].terms[{part.name!r}]"
            if role == "policy" and not part.measurable:
                finding = f"the robot cannot measure it ({part.source}), yet the policy reads it"
                yield Remark(where, finding, "move it to the critic's stack, or measure it on the robot")
            if part.name in seen_already:
                continue
            seen_already.add(part.name)
            values = record.obs[role][..., part.start : part.stop]
            still = np.ptp(values, axis=(0, 1)) < 1e-7
            if still.all():
                fix = "remove it, or find out why it never changes (a wrong sensor, a wrong slice?)"
                yield Remark(where, f"never changes: {_few(values[0, 0])}", fix)
            elif still.any():
                entries.append(f"{part.name} {', '.join(str(i) for i in np.flatnonzero(still))}")
            top = np.abs(values).max()
            if _grows(values, record):
                fix = "feed a difference, a velocity or an angle's sine and cosine in its place"
                yield Remark(where, f"grows without bound, here to {top:.3g} {part.unit}", fix)
            elif top > LARGE:
                fix = "scale or clip it: a network wants numbers around 1"
                yield Remark(where, f"reaches {top:.3g} {part.unit}", fix, bool(top > HUGE))
    if entries:
        fix = "a robot that cannot move that way has such entries; else look for a wrong axis"
        yield Remark("env.observations", f"some entries never change: {'; '.join(entries)}", fix, False)


def _grows(values: Float[np.ndarray, "steps envs n"], record: Record) -> bool:
    """Does an entry go one way only, in each env that went through the first call without a fall?"""
    whole = ~record.terminated[: record.steps].any(axis=0)
    if not whole.any():
        return False
    steps = np.diff(values[: record.steps, whole], axis=0)
    up, down = ((steps > 0).mean(axis=0) > ONE_WAY).all(axis=0), ((steps < 0).mean(axis=0) > ONE_WAY).all(axis=0)
    return bool((up | down).any())


def _rewards(env: Env, record: Record) -> Iterator[Remark]:
    """Range, fraction and sign of each term."""
    for name, row in reward_figures(env, record).items():
        where, term, weight = f"env.rewards[{name!r}]", env.rewards[name], row["weight"]
        low, high = row["min"], row["max"]
        if weight == 0.0:
            yield Remark(where, "its weight is 0, so it teaches nothing", "remove it, or give it a weight", False)
        elif isinstance(term, Posture) and not np.asarray(term.mask).any():
            yield Remark(where, "it holds no joint of this robot", "name joints that it has, or leave it out", False)
        elif high - low < 1e-9 and not isinstance(term, Alive):
            fix = "remove it, or find out why nothing moves it"
            yield Remark(where, f"never varies: always {low:.3g} under every kind of action", fix, low == 0.0)
        elif weight < 0.0 and high <= 0.0:
            finding = f"its weight is {weight:g} and its values lie in [{low:.3g}, {high:.3g}]: the penalty pays"
            yield Remark(where, finding, "drop one of the two minus signs")
        elif weight > 0.0 and high <= 0.0:
            finding = f"its weight is {weight:g}, yet its values lie in [{low:.3g}, {high:.3g}]: it only ever costs"
            yield Remark(where, finding, "if it is a penalty, give it a negative weight and positive values", False)
        if row["fraction"] > DOMINANT and len(env.rewards) > 1:
            finding = f"under random actions it is {100 * row['fraction']:.0f}% of all reward, so nothing else counts"
            yield Remark(where, finding, "bring the weights nearer to each other", False)


def _sizes(env: Env, record: Record) -> Iterator[Remark]:
    """Figures of walking that are sized for another robot."""
    for misfit in misfits(env):
        yield Remark(misfit.leaf, misfit.seen, misfit.fix, misfit.problem)


def reward_figures(env: Env, record: Record) -> dict[str, dict[str, float]]:
    """Of each term: weight, least and greatest raw value, means under zero and random actions, part of all reward."""
    random, zero = record.group("random"), record.group("zero")
    weighted = {name: np.abs(record.metrics[f"reward/{name}"][:, random]).mean() for name in env.rewards}
    total = sum(weighted.values()) or 1.0
    figures = {}
    for name, term in env.rewards.items():
        raw = record.metrics[f"raw/{name}"]
        figures[name] = {
            "weight": float(term.weight),
            "min": float(raw.min()),
            "max": float(raw.max()),
            "zero": float(record.metrics[f"reward/{name}"][:, zero].mean()),
            "random": float(record.metrics[f"reward/{name}"][:, random].mean()),
            "fraction": float(weighted[name] / total),
        }
    return figures


def _one_trace(record: Record) -> Iterator[Remark]:
    if record.traces != 1:
        finding = f"two calls of one rollout traced it {record.traces} times: what comes out does not go in again"
        fix = "keep the state's dtypes, weak types and static fields the same from step to step"
        yield Remark("a second call", finding, fix)


def _few(values: Float[np.ndarray, " n"]) -> str:
    return "[" + ", ".join(f"{value:.3g}" for value in values[:4]) + (", ...]" if len(values) > 4 else "]")
