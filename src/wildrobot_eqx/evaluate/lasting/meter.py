"""Statistics of a long episode: whether it lasted, how the trunk leaned, and how it crept away from where it was."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ... import rotation
from ...env import EnvState, Timestep
from ...robots import Robot
from ..gate import AbstractMeter, Case

SETTLED = 5.0  # s, before which nothing counts
LAST = 2.0  # s, whose mean tilt is the final one
LEVEL = 3.0  # degrees of final tilt, up to which a robot counts as level again


class LongTally(eqx.Module):
    """The running statistics of one episode."""

    upright: Bool[Array, "*batch"]  # neither fallen nor broken
    steps: Int[Array, "*batch"]
    angles: Float[Array, "*batch 3"]  # rad, the latest pitch, roll and heading; heading goes on beyond half a turn
    count: Float[Array, "*batch"]  # of samples that count
    time: Float[Array, "*batch 2"]  # s, s^2: sums of t and t^2
    sums: Float[Array, "*batch 3 2"]  # rad, rad s: sums of each angle, and of each times t
    tilt: Float[Array, "*batch 2"]  # rad, 1: the sum over the last seconds, and of how many samples


class LongMeter(AbstractMeter):
    """Gathers a `LongTally`: slopes by least squares over all that follows the first 5 s.

    Args:
        robot: whose trunk is measured, the one that carries the first IMU.
        seconds: of an episode.
    """

    robot: Robot
    steps: int = eqx.field(static=True)
    dt: float = eqx.field(static=True)  # s
    lasting = "upright"

    def __init__(self, robot: Robot, seconds: float):
        self.robot, self.dt = robot, robot.control_dt
        self.steps = max(1, round(seconds / robot.control_dt))

    def init(self, state: EnvState, timestep: Timestep) -> LongTally:
        zero = jnp.zeros((), jnp.float32)
        return LongTally(
            upright=jnp.array(True),
            steps=jnp.zeros((), jnp.int32),
            angles=self._angles(state),
            count=zero,
            time=jnp.zeros((2,), jnp.float32),
            sums=jnp.zeros((3, 2), jnp.float32),
            tilt=jnp.zeros((2,), jnp.float32),
        )

    def step(self, tally: LongTally, state: EnvState, timestep: Timestep) -> LongTally:
        seen, steps = self._angles(state), tally.steps + 1
        heading = tally.angles[2] + rotation.wrap_angle(seen[2] - tally.angles[2])
        angles = jnp.stack([seen[0], seen[1], heading])
        upright = tally.upright & ~timestep.terminated & jnp.all(jnp.isfinite(angles))
        # Sums of small numbers: time is counted from the middle of what counts.
        t = self.dt * (steps.astype(jnp.float32) - 0.5 * (self.steps + SETTLED / self.dt))
        counts = (steps * self.dt > SETTLED).astype(jnp.float32)
        last = (steps > self.steps - round(LAST / self.dt)).astype(jnp.float32)
        new = LongTally(
            upright=upright,
            steps=steps,
            angles=angles,
            count=tally.count + counts,
            time=tally.time + counts * jnp.stack([t, t * t]),
            sums=tally.sums + counts * jnp.stack([angles, angles * t], axis=1),
            tilt=tally.tilt + last * jnp.stack([self._tilt(state), jnp.ones((), jnp.float32)]),
        )
        over = eqx.tree_at(lambda one: one.upright, tally, upright)
        return jax.tree.map(lambda a, b: jnp.where(tally.upright & upright, a, b), new, over)

    def running(self, tally: LongTally) -> Bool[Array, ""]:
        return tally.upright

    def figures(self, tally: LongTally, case: Case) -> dict[str, float]:
        """Of a case's episodes: what lasted, and of those that did slopes (deg/s) and the final tilt (deg).

        `recovered` are those that lasted and end within 3 degrees of level; of a slope `median` and `most` are those of
        its size, the greatest such that 90% are smaller.
        """
        upright = np.asarray(tally.upright, bool)
        found = {"survival": float(upright.mean())}
        fell = self.dt * np.asarray(tally.steps, np.float64)[~upright]
        found["fell_after"] = float(np.median(fell)) if fell.size else float("nan")
        tilt = np.degrees(tally.tilt[:, 0] / np.maximum(tally.tilt[:, 1], 1.0))
        found["recovered"] = float(np.mean(upright & (tilt <= LEVEL)))
        found |= _spread("tilt", tilt[upright])
        for i, name in enumerate(("pitch", "roll", "heading")):
            found |= _spread(f"{name}_slope", np.degrees(np.abs(_slopes(tally, i)))[upright])
        return found

    def _angles(self, state: EnvState) -> Float[Array, " 3"]:
        w, x, y, z = self._trunk(state)
        roll = jnp.arctan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
        turned = jnp.stack([w, x, y, z])
        return jnp.stack([rotation.pitch(turned), roll, rotation.yaw(turned)])

    def _tilt(self, state: EnvState) -> Float[Array, ""]:
        _, x, y, _ = self._trunk(state)
        return jnp.arccos(jnp.clip(1.0 - 2.0 * (x * x + y * y), -1.0, 1.0))

    def _trunk(self, state: EnvState) -> Float[Array, " 4"]:
        return self.robot.imu().quat.read(state.physics.sensordata)


def _slopes(tally: LongTally, which: int) -> Float[np.ndarray, " n"]:
    """The slope of one angle in each episode, rad/s."""
    n = np.maximum(np.asarray(tally.count, np.float64), 1.0)
    t, tt = np.asarray(tally.time, np.float64).T
    y, ty = np.asarray(tally.sums, np.float64)[:, which].T
    return np.asarray((ty - t * y / n) / np.maximum(tt - t * t / n, 1e-9))


def _spread(name: str, values: Float[np.ndarray, " n"]) -> dict[str, float]:
    if not values.size:
        return {f"{name}_median": float("nan"), f"{name}_most": float("nan")}
    return {f"{name}_median": float(np.median(values)), f"{name}_most": float(np.quantile(values, 0.9))}
