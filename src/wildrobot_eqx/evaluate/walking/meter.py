"""Statistics of one episode, gathered sample by sample, so that no trajectory is stored."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ... import rotation
from ...arrays import f32
from ...locomotion import Gait, Scales
from ...locomotion.gaits import foot_places
from ...module import AbstractModule
from ...robots import Robot
from .measure import Measurement

DEBOUNCE = 2  # control steps that a contact must last before it counts as one


class GaitTally(eqx.Module):
    """The running statistics of one episode. "Judged" samples are those after the warm-up."""

    upright: Bool[Array, "*batch"]  # still running: neither fallen nor broken
    broken: Bool[Array, "*batch"]  # a sample was not finite
    steps: Int[Array, "*batch"]
    judged: Int[Array, "*batch"]
    start: Float[Array, "*batch 2"]  # m, position at the start
    warm: Float[Array, "*batch 2"]  # m, position at the end of the warm-up
    position: Float[Array, "*batch 2"]  # m, the latest
    heading: Float[Array, "*batch"]  # rad, the latest
    turned: Float[Array, "*batch"]  # rad, to the left, sum
    heading_error: Float[Array, "*batch"]  # rad, the latest
    pitch: Float[Array, "*batch"]  # rad, sum
    tilt: Float[Array, "*batch"]  # rad, sum
    base_speed: Float[Array, "*batch"]  # m/s, sum
    loaded: Bool[Array, "*batch nfoot"]  # on the floor at the latest sample
    stance: Bool[Array, "*batch nfoot"]  # the same, debounced
    streak: Int[Array, "*batch nfoot"]  # samples for which `loaded` has contradicted `stance`
    swing: Int[Array, "*batch nfoot"]  # samples of the present swing
    height: Float[Array, "*batch nfoot"]  # m, greatest height of the present swing
    swings: Int[Array, "*batch nfoot"]  # judged swings
    swing_samples: Int[Array, "*batch nfoot"]  # over the judged swings
    peaks: Float[Array, "*batch nfoot max_swings"]  # m, of each judged swing; NaN where there is none
    stance_samples: Int[Array, "*batch nfoot"]
    down_samples: Int[Array, "*batch"]  # all feet loaded at once
    slip: Float[Array, "*batch nfoot"]  # m/s, sum over loaded samples
    slip_samples: Int[Array, "*batch nfoot"]
    fast_samples: Int[Array, "*batch nfoot"]  # in which the foot moves faster than the base
    drag_samples: Int[Array, "*batch nfoot"]  # of these, with the floor still under it
    in_step_samples: Int[Array, "*batch"]  # feet that the gait moves together were all down, or all in the air
    torque_squared: Float[Array, "*batch nu"]  # (N m)^2, sum
    torque_peak: Float[Array, "*batch nu"]  # N m, the greatest
    saturated: Float[Array, "*batch"]  # sum of shares of joints
    overspeed: Float[Array, "*batch"]  # sum of shares of joints
    action_change_squared: Float[Array, "*batch"]  # sum of means over joints
    action: Float[Array, "*batch nu"]  # the latest


class GaitMeter(AbstractModule):
    """Gathers a `GaitTally` from measurements of one robot.

    A foot is loaded from `load_on` and stays so down to `load_off` (10% and 3% of body weight).
    A stance or a swing counts once it has lasted `DEBOUNCE` control steps. A foot that moves
    faster than the base, and than `fast`, swings; it drags while the floor gives it more than
    `load_drag` (0.5% of body weight).

    Args:
        robot: whose measurements they are.
        seconds: of an episode.
        warmup: s, before which no sample is judged.
        gait: what the feet are asked for, where the env says so.
    """

    load_on: Float[Array, ""]  # N
    load_off: Float[Array, ""]  # N
    load_drag: Float[Array, ""]  # N
    fast: Float[Array, ""]  # m/s
    torque_limit: Float[Array, " nu"]  # N m
    no_load_speed: Float[Array, " nu"]  # rad/s
    stall_torque: float = eqx.field(static=True)  # N m, root mean square over the joints
    continuous_torque: Float[Array, " nu"] | None  # N m, what a servo bears for ever, where robot.toml says so
    dt: float = eqx.field(static=True)  # s
    warmup_steps: int = eqx.field(static=True)
    max_swings: int = eqx.field(static=True)
    feet: tuple[str, ...] = eqx.field(static=True)
    joints: tuple[str, ...] = eqx.field(static=True)
    scales: Scales = eqx.field(static=True)
    left: tuple[int, ...] = eqx.field(static=True)  # feet of the left half, by their places in `feet`
    together: tuple[tuple[int, ...], ...] = eqx.field(static=True)  # feet that the gait moves at once
    duty: float | None = eqx.field(static=True)  # share of the time that the gait has a foot on the floor
    rests: bool = eqx.field(static=True)  # asked to stand, all feet are to stay on the floor
    more_lines: bool = eqx.field(static=True)  # held to lines of the gait, too

    def __init__(self, robot: Robot, seconds: float, warmup: float, gait: Gait | None = None):
        self.scales = Scales.of(robot)
        weight = self.scales.weight
        self.load_on, self.load_off, self.load_drag = f32(0.10 * weight), f32(0.03 * weight), f32(0.005 * weight)
        self.fast = f32(0.05 * self.scales.speed)
        self.left = tuple(i for i, place in enumerate(foot_places(robot)) if place[1] > 0.0)
        self.together = () if gait is None else _together(np.asarray(gait.mid_swing))
        self.duty = None if gait is None else round(1.0 - float(gait.swing), 4)
        stands = robot.can_stand
        self.rests = stands if gait is None else gait.rests
        self.more_lines = len(robot.feet) > 2 or not stands
        self.torque_limit = robot.torque_limit
        self.no_load_speed = f32(robot.servo.no_load_speed)
        self.stall_torque = _rms(robot.servo.stall_torque)
        continuous = robot.servo.continuous_torque
        self.continuous_torque = None if continuous is None else f32(continuous)
        self.dt = robot.control_dt
        self.warmup_steps = round(warmup / self.dt)
        self.max_swings = round(seconds / self.dt) // (2 * DEBOUNCE) + 1
        self.feet = tuple(foot.name for foot in robot.feet)
        self.joints = robot.joint_names

    def init(self, first: Measurement) -> GaitTally:
        """The tally at the start of an episode, all feet on the floor."""
        nfoot = len(self.feet)
        zero, none = jnp.zeros((), jnp.float32), jnp.zeros((), jnp.int32)
        zeros, nones = jnp.zeros((nfoot,), jnp.float32), jnp.zeros((nfoot,), jnp.int32)
        down = jnp.ones((nfoot,), bool)
        return GaitTally(
            upright=~first.fallen & first.finite,
            broken=~first.finite,
            steps=none,
            judged=none,
            start=first.position,
            warm=first.position,
            position=first.position,
            heading=first.heading,
            turned=zero,
            heading_error=first.heading_error,
            pitch=zero,
            tilt=zero,
            base_speed=zero,
            loaded=down,
            stance=down,
            streak=nones,
            swing=nones,
            height=zeros,
            swings=nones,
            swing_samples=nones,
            peaks=jnp.full((nfoot, self.max_swings), jnp.nan, jnp.float32),
            stance_samples=nones,
            down_samples=none,
            slip=zeros,
            slip_samples=nones,
            fast_samples=nones,
            drag_samples=nones,
            in_step_samples=none,
            torque_squared=jnp.zeros_like(self.torque_limit),
            torque_peak=jnp.zeros_like(self.torque_limit),
            saturated=zero,
            overspeed=zero,
            action_change_squared=zero,
            action=first.action,
        )

    def step(self, tally: GaitTally, sample: Measurement) -> GaitTally:
        """Include one sample; an episode that has fallen or broken keeps what it had before."""
        finite = sample.finite
        upright = tally.upright & finite & ~sample.fallen
        kept = jax.tree.map(lambda new, old: jnp.where(upright, new, old), self._include(tally, sample), tally)
        broken = tally.broken | (tally.upright & ~finite)
        return eqx.tree_at(lambda t: (t.upright, t.broken), kept, (upright, broken))

    def _include(self, tally: GaitTally, sample: Measurement) -> GaitTally:
        steps = tally.steps + 1
        judge = steps > self.warmup_steps
        one = judge.astype(jnp.int32)
        weight = judge.astype(jnp.float32)

        loaded = sample.foot_load > jnp.where(tally.loaded, self.load_off, self.load_on)
        streak = jnp.where(loaded != tally.stance, tally.streak + 1, 0)
        flip = streak >= DEBOUNCE
        stance = jnp.where(flip, loaded, tally.stance)
        touch = flip & loaded & judge
        height = jnp.where(loaded, tally.height, jnp.maximum(tally.height, sample.foot_height))
        slot = jnp.where(touch, tally.swings, self.max_swings)  # out of range: dropped
        saturated = jnp.abs(sample.torque) >= 0.99 * self.torque_limit
        overspeed = jnp.abs(sample.joint_speed) > self.no_load_speed
        fast = sample.foot_speed > jnp.maximum(sample.base_speed, self.fast)
        drags = fast & (sample.foot_load > self.load_drag)
        return GaitTally(
            upright=tally.upright,
            broken=tally.broken,
            steps=steps,
            judged=tally.judged + one,
            start=tally.start,
            warm=jnp.where(judge, tally.warm, sample.position),
            position=sample.position,
            heading=sample.heading,
            turned=tally.turned + weight * rotation.wrap_angle(sample.heading - tally.heading),
            heading_error=sample.heading_error,
            pitch=tally.pitch + weight * sample.pitch,
            tilt=tally.tilt + weight * sample.tilt,
            base_speed=tally.base_speed + weight * sample.base_speed,
            loaded=loaded,
            stance=stance,
            streak=jnp.where(flip, 0, streak),
            swing=jnp.where(stance, 0, tally.swing + 1),
            height=jnp.where(stance & loaded, 0.0, height),
            swings=tally.swings + touch,
            swing_samples=tally.swing_samples + jnp.where(touch, tally.swing, 0),
            peaks=tally.peaks.at[jnp.arange(len(self.feet)), slot].set(height, mode="drop"),
            stance_samples=tally.stance_samples + one * stance,
            down_samples=tally.down_samples + one * jnp.all(loaded),
            slip=tally.slip + weight * jnp.where(loaded, sample.foot_speed, 0.0),
            slip_samples=tally.slip_samples + one * loaded,
            fast_samples=tally.fast_samples + one * fast,
            drag_samples=tally.drag_samples + one * drags,
            in_step_samples=tally.in_step_samples + one * self._in_step(stance),
            torque_squared=tally.torque_squared + weight * jnp.square(sample.torque),
            torque_peak=jnp.maximum(tally.torque_peak, weight * jnp.abs(sample.torque)),
            saturated=tally.saturated + weight * jnp.mean(saturated.astype(jnp.float32)),
            overspeed=tally.overspeed + weight * jnp.mean(overspeed.astype(jnp.float32)),
            action_change_squared=tally.action_change_squared
            + weight * jnp.mean(jnp.square(sample.action - tally.action)),
            action=sample.action,
        )

    def _in_step(self, stance: Bool[Array, " nfoot"]) -> Bool[Array, ""]:
        """Whether feet that the gait moves together are all down, or all in the air."""
        agree = [jnp.all(stance[np.array(group)] == stance[group[0]]) for group in self.together]
        return jnp.all(jnp.stack(agree)) if agree else jnp.ones((), bool)


def _together(mid_swing: Float[np.ndarray, " nfoot"]) -> tuple[tuple[int, ...], ...]:
    """Feet in groups of equal mid-swing, in the order of their swings."""
    turns = np.round(mid_swing % 1.0, 3)
    return tuple(tuple(int(i) for i in np.flatnonzero(turns == turn)) for turn in np.unique(turns))


def _rms(figures: Float[np.ndarray, " nu"]) -> float:
    return float(np.sqrt(np.mean(np.square(figures)))) if np.ptp(figures) else float(figures[0])
