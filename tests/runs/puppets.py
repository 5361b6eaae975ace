"""Kinematic puppets: measurements on prescribed curves, so that the gate is judged without physics.

The perfect walk steps at 1/0.7 Hz per foot, lifts each sole 5 cm over 40% of the cycle, and
keeps every figure within its limit. Keyword arguments spoil one thing each.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from wildrobot_eqx import Env
from wildrobot_eqx.evaluate.walking.measure import Measurement
from wildrobot_eqx.evaluate.walking.meter import GaitMeter, GaitTally
from wildrobot_eqx.learn.networks import AbstractPolicy, Normal


class Constant(AbstractPolicy):
    """The same action for ever."""

    action: jax.Array
    log_std: jax.Array

    def __init__(self, nu: int, value: float = 0.0):
        self.action = jnp.asarray(np.full(nu, value), jnp.float32)
        self.log_std = jnp.zeros((nu,), jnp.float32)

    def init(self) -> tuple[()]:
        return ()

    def __call__(self, obs, carry):
        return Normal(jnp.broadcast_to(self.action, (*obs.shape[:-1], self.action.size)), self.log_std), carry

    def update_norm(self, obs):
        return self


class March(AbstractPolicy):
    """An open-loop march of the biped, driven by nothing but the gait clock; it creeps forward at about 0.1 m/s.

    While its sine is above `bias` the left knee flexes by up to `lift[0]` rad, while below the
    right by up to `lift[1]`; both hips roll so that the weight is on the other leg.
    """

    lift: jax.Array
    bias: jax.Array
    joints: dict[str, int] = eqx.field(static=True)
    clock: int = eqx.field(static=True)
    log_std: jax.Array

    def __init__(self, env: Env, left: float, right: float, bias: float = 0.0):
        robot = env.physics.robot
        self.lift, self.bias = jnp.asarray([left, right], jnp.float32), jnp.asarray(bias, jnp.float32)
        self.joints = {name: i for i, name in enumerate(robot.joint_names)}
        self.clock = next(s.start for s in env.observations["policy"].layout if s.name == "gait_phase")
        self.log_std = jnp.zeros((robot.nu,), jnp.float32)

    def init(self) -> tuple[()]:
        return ()

    def __call__(self, obs, carry):
        sine, cosine = obs[..., self.clock], obs[..., self.clock + 1]
        left = self.lift[0] * jnp.maximum(sine - self.bias, 0.0)
        right = self.lift[1] * jnp.maximum(self.bias - sine, 0.0)
        sway = -0.1 * (np.cos(0.8) * sine + np.sin(0.8) * cosine)
        moves = {
            "left_hip_pitch": 0.5 * left,
            "left_knee_pitch": left,
            "left_ankle_pitch": -0.5 * left,
            "right_hip_pitch": -0.5 * right,
            "right_knee_pitch": right,
            "right_ankle_pitch": -0.5 * right,
            "left_hip_roll": sway,
            "right_hip_roll": sway,
            "left_foot_roll": sway,
            "right_foot_roll": -sway,
        }
        action = jnp.zeros((*obs.shape[:-1], self.log_std.size), jnp.float32)
        for name, angle in moves.items():
            action = action.at[..., self.joints[name]].set(angle / 0.4)  # the controller's scale
        return Normal(action, self.log_std), carry

    def update_norm(self, obs):
        return self


DT, PERIOD = 0.02, 0.7
BODY_WEIGHT = 34.9  # N


def walk(
    command: float,
    seconds: float = 10.0,
    *,
    speed: float | None = None,  # m/s
    height: tuple[float, ...] = (0.05, 0.05),  # m, left and right
    swing: tuple[float, ...] = (0.4, 0.4),  # share of the cycle
    mid_swing: tuple[float, ...] = (0.25, 0.75),  # share of the cycle at which each foot is in mid-swing
    nu: int = 11,
    weight: float = BODY_WEIGHT,  # N
    touch: float = 0.0,  # N, of each foot in its swing
    drag: bool = False,  # the feet stay loaded
    sideways: float = 0.0,  # m/s
    heading: float = 0.0,  # rad
    turn: float = 0.0,  # rad/s
    pitch: float = 0.0,  # rad
    roll: float = 0.0,  # rad
    sway: float = 0.0,  # m/s, of the base to and fro
    slip: float = 0.0,  # m/s
    torque: float = 1.0,  # N m
    saturate: float = 0.0,  # share of the time in which one joint of eleven is at its limit
    overspeed: float = 0.0,  # likewise
    march: bool = False,  # steps although it should stand
    chatter: bool = False,  # the load of a stance vanishes for single samples
    fall_at: float | None = None,  # s
    nan_at: float | None = None,  # s
) -> Measurement:
    """The samples of one episode, time first; the first is that of the reset."""
    t = DT * np.arange(round(seconds / DT) + 1)
    n = t.size
    moving = command != 0.0 or march
    share = (t[:, None] / PERIOD - np.array(mid_swing) + 0.5) % 1.0 - 0.5
    width = np.array(swing)
    inside = (np.abs(share) < 0.5 * width) & moving
    foot_height = np.where(inside, np.array(height) * np.cos(np.pi * share / width) ** 2, 0.0)
    load = np.where(inside & (not drag), touch, weight / len(mid_swing))
    if chatter:
        load[::15] = 0.0
    sign = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    torques = torque * np.ones((n, nu))
    torques[sign.cumsum() >= 0, 0] *= -1.0
    torques[t % 1.0 < saturate, 3] = 3.99
    speeds = np.ones((n, nu))
    speeds[t % 1.0 < overspeed, 2] = -6.0
    fallen = np.zeros(n, bool) if fall_at is None else t >= fall_at
    position = np.stack([(command if speed is None else speed) * t, sideways * t], axis=1)
    if nan_at is not None:
        position[t >= nan_at] = np.nan
    arrays = {
        "position": position,
        "heading": (3.0 + turn * t + np.pi) % (2 * np.pi) - np.pi,
        "heading_error": np.full(n, heading),
        "pitch": np.full(n, pitch),
        "tilt": np.full(n, np.arccos(np.cos(pitch) * np.cos(roll))),
        "base_speed": np.full(n, np.hypot(command if speed is None else speed, sideways) + sway),
        "foot_height": foot_height,
        "foot_load": load,
        "foot_speed": np.where(inside, 1.0, slip),
        "torque": torques,
        "joint_speed": speeds,
        "action": 0.05 * sign[:, None] * np.ones((n, nu)),
    }
    return Measurement(**{k: jnp.asarray(v, jnp.float32) for k, v in arrays.items()}, fallen=jnp.asarray(fallen))


@eqx.filter_jit
def _gather(meter: GaitMeter, samples: Measurement) -> GaitTally:
    def episode(samples: Measurement) -> GaitTally:
        first = jax.tree.map(lambda leaf: leaf[0], samples)
        rest = jax.tree.map(lambda leaf: leaf[1:], samples)
        return jax.lax.scan(lambda tally, s: (meter.step(tally, s), None), meter.init(first), rest)[0]

    return jax.vmap(episode)(samples)


def gather(meter: GaitMeter, *episodes: Measurement) -> GaitTally:
    """The tallies of some episodes of equal length."""
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *episodes)
    return jax.tree.map(np.asarray, _gather(meter, stacked))
