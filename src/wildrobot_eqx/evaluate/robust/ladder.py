"""The push ladder: stronger and stronger pushes of several durations, from all sides, in all phases of the step."""

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from ...arrays import f32
from ...env import Env
from ...learn.networks import AbstractPolicy
from ...locomotion import Scales, gait_of, velocity_in
from ...robots import Robot
from ..rollout import advance, control_steps, init_episodes
from ..walking.kicks import DIRECTIONS
from ..walking.limits import of_speed
from .push import aim
from .scores import keys_of, meter_of
from .sweep_env import sweep_values, with_values

_log = logging.getLogger(__name__)

DURATIONS = (0.0, 0.1, 0.3)  # s; 0 is a velocity kick
_PERIOD = 0.7  # s, over which pushes are spread where there is no gait
PHASES = 10
_RUNG = 0.0479664  # of sqrt(g L), of impulse over mass: 0.1 m/s for `wildrobot`
TOP = 30  # rungs
RUN_IN, RECOVERY = 3.0, 2.5  # s, before the first phase and after the end of a push


@dataclasses.dataclass(frozen=True)
class Ladder:
    """Which robots stood after each rung. `survived` is by rung, duration, direction and phase."""

    survived: Bool[np.ndarray, "rungs durations directions phases"]
    mass: float  # kg
    rung: float  # m/s, from one to the next
    command: float  # m/s
    complete: bool = True  # False: it was stopped while the robot still stood

    def survival(self, duration: int, direction: int | None = None) -> list[float]:
        """The fraction that stood, rung by rung, in one of the directions or in all."""
        part = self.survived[:, duration] if direction is None else self.survived[:, duration, direction]
        return [float(rung.mean()) for rung in part]

    def largest(self, fraction: float, duration: int, direction: int | None = None) -> float:
        """The largest impulse over mass (m/s) up to which at least `fraction` stood on every rung; 0: on none."""
        held = [s >= fraction - 1e-9 for s in self.survival(duration, direction)]
        return self.rung * (held.index(False) if False in held else len(held))

    def beyond(self, fraction: float, duration: int, direction: int | None = None) -> bool:
        """Whether `largest` is the top rung that was tried: the robot may stand more."""
        return all(s >= fraction - 1e-9 for s in self.survival(duration, direction))

    def weakest(self, fraction: float, duration: int) -> str:
        """The direction with the smallest `largest`."""
        reach = [self.largest(fraction, duration, d) for d in range(len(DIRECTIONS))]
        return DIRECTIONS[int(np.argmin(reach))]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "command": self.command,
            "mass": self.mass,
            "phases": int(self.survived.shape[-1]),
            "rung": self.rung,
            "recovery_seconds": RECOVERY,
            "complete": self.complete,
            "pushes": [self._push_json(i, duration) for i, duration in enumerate(DURATIONS)],
        }

    def _push_json(self, i: int, duration: float) -> dict[str, Any]:
        def reach(direction: int | None) -> dict[str, Any]:
            found: dict[str, Any] = {}
            for fraction, name in ((0.5, "50%"), (0.95, "95%")):
                velocity = round(self.largest(fraction, i, direction), 6)
                found[name] = {
                    "velocity": velocity,
                    "impulse": round(velocity * self.mass, 6),
                    "force": round(velocity * self.mass / duration, 6) if duration else None,
                    "or_more": self.beyond(fraction, i, direction),
                }
            return {**found, "survival": self.survival(i, direction)}

        return {
            "duration": duration,
            "all": reach(None),
            "directions": {name: reach(d) for d, name in enumerate(DIRECTIONS)},
        }


def rung_of(robot: Robot) -> float:
    """From one push to the next, m/s: 0.048 sqrt(g L)."""
    return of_speed(_RUNG, Scales.of(robot))


def climb(env: Env, policy: AbstractPolicy, command: float, phases: int, keep: Callable[[Ladder], None]) -> Ladder:
    """Push a walking robot harder and harder until it falls in every direction.

    Robots walk for `RUN_IN` s at the command, one per direction and duration, and are copied
    at `phases` moments of one gait cycle. Every rung begins from these copies; a robot that is
    upright `RECOVERY` s after its push has stood.

    Args:
        env: of `make_sweep_env`, its parameters nominal.
        policy: its mean is the action.
        command: m/s.
        phases: moments of the cycle, evenly spread.
        keep: called with the ladder so far, after every rung.
    """
    walkers = len(DURATIONS) * len(DIRECTIONS)
    steps = control_steps(env, RECOVERY + max(DURATIONS))
    start = _walkers(env, policy, command, walkers, phases)
    count = phases * walkers
    command_now = velocity_in(start[0].commands)
    heading = command_now.origin + command_now.heading
    angle = heading + (jnp.arange(count, dtype=jnp.int32) % len(DIRECTIONS)) * (2.0 * np.pi / len(DIRECTIONS))
    towards = jnp.stack([jnp.cos(angle), jnp.sin(angle), jnp.zeros_like(angle)], axis=1)
    seconds = jnp.tile(jnp.repeat(f32(DURATIONS), len(DIRECTIONS)), phases)
    robot, meter = env.physics.robot, meter_of(env, RECOVERY)
    mass, step = float(robot.model.mj.body_mass.sum()), rung_of(robot)
    stood: list[np.ndarray] = []
    found = Ladder(np.zeros((0, len(DURATIONS), len(DIRECTIONS), phases), bool), mass, step, command, False)
    for rung in range(1, TOP + 1):
        loop = (aim(start[0], (step * rung) * towards, seconds), *start[1:])
        loop, upright = advance(env, policy, meter, loop, steps)
        grid = np.asarray(loop[-1].upright).reshape(phases, len(DURATIONS), len(DIRECTIONS))
        stood.append(np.moveaxis(grid, 0, -1))
        found = Ladder(np.stack(stood), mass, step, command, False)
        keep(found)
        _log.info(f"pushes: {step * rung:.3g} m/s ({step * rung * mass:.3g} N s): {int(upright)} of {count} stood")
        cells = [(i, d) for i in range(len(DURATIONS)) for d in range(len(DIRECTIONS))]
        if not any(found.beyond(0.5, i, d) for i, d in cells):
            break
    return dataclasses.replace(found, complete=True)


def _walkers(env: Env, policy: AbstractPolicy, command: float, walkers: int, phases: int) -> tuple[Any, ...]:
    """Walking robots, `walkers` at each phase, phase by phase."""
    meter = meter_of(env, RECOVERY)
    cases = sweep_values(jnp.full((walkers,), f32(command)))
    loop = init_episodes(env, policy, meter, with_values, cases, keys_of(env.physics.timestep, walkers))
    loop, _ = advance(env, policy, meter, loop, control_steps(env, RUN_IN))
    gait = gait_of(env.commands)
    period = _PERIOD if gait is None else float(gait[1].period)
    cycle = period / env.physics.control_dt
    copies, done = [], 0
    for moment in (round(k * cycle / phases) for k in range(phases)):
        while done < moment:
            loop, _ = advance(env, policy, meter, loop, 1)
            done += 1
        copies.append(loop)
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *copies)
