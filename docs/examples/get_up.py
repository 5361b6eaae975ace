"""Get up: the robot lies on its belly, its side or its back, legs anyhow, and has to stand.

A task of its own from four small parts: a reset, two rewards, an ending and a goal, by which the gate judges.

wildrobot-eqx run docs/examples/get_up.py
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

import wildrobot_eqx as we

QUADRUPED = str(Path(__file__).parent / "quadruped")


def upright(physics: we.PhysicsState, body: int) -> Float[Array, ""]:
    """The cosine of a body's tilt: 1 upright, 0 on its side, -1 on its back."""
    _, x, y, _ = physics.xquat[body]
    return 1.0 - 2.0 * (x * x + y * y)


class Lying(we.resets.AbstractReset):
    """A little above the floor, at rest: rolled by up to `max_roll` (rad) to either side, any heading, any joints."""

    robot: we.Robot
    max_roll: Float[Array, ""]  # rad
    height: Float[Array, ""]  # m, of the base: high enough for any leg

    def __call__(
        self, key: PRNGKeyArray, commands: Mapping[str, Any]
    ) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        key_roll, key_yaw, key_joints = jax.random.split(key, 3)
        roll = jax.random.uniform(key_roll, (), jnp.float32, -self.max_roll, self.max_roll)
        yaw = jax.random.uniform(key_yaw, (), jnp.float32, -jnp.pi, jnp.pi)
        half = jnp.stack([jnp.cos(0.5 * roll), jnp.sin(0.5 * roll), 0.0, 0.0])
        low, high = self.robot.joint_range.T
        joints = jax.random.uniform(key_joints, low.shape, jnp.float32, low, high)
        at = self.robot.need("base", "Lying").qpos_address
        qpos = self.robot.home_qpos.at[np.array(self.robot.joint_qpos)].set(joints)
        qpos = qpos.at[at + 2].set(self.height)
        qpos = qpos.at[at + 3 : at + 7].set(we.rotation.quat_multiply(we.rotation.quat_yaw(yaw), half))
        return qpos, jnp.zeros((self.robot.nv,), jnp.float32)


class Risen(we.rewards.AbstractStatelessReward):
    """How far up the base is: from 0 on its back to 1 upright at the home pose's height."""

    body: int = eqx.field(static=True)
    home_height: Float[Array, ""]  # m
    weight: Float[Array, ""]

    def __call__(self, signals: we.Signals) -> Float[Array, ""]:
        fraction = jnp.clip(signals.physics.xpos[self.body, 2] / self.home_height, 0.0, 1.0)
        up = 0.5 * (1.0 + upright(signals.physics, self.body))
        return up * (0.3 + 0.7 * up * fraction)


class HomePose(we.rewards.AbstractStatelessReward):
    """Peak 1 upright with all joints at home, 1/e where their root mean square distance from it is `width` (rad)."""

    robot: we.Robot
    body: int = eqx.field(static=True)
    width: Float[Array, ""]  # rad
    weight: Float[Array, ""]

    def __call__(self, signals: we.Signals) -> Float[Array, ""]:
        error = self.robot.joints(signals.physics.qpos) - self.robot.home_joints
        near = we.rewards.kernel(jnp.sqrt(jnp.mean(jnp.square(error))), self.width)
        return near * jnp.maximum(upright(signals.physics, self.body), 0.0)


class Standing(we.gates.AbstractGoal):
    """Within 15 degrees of upright, and within a fifth of the home pose's height."""

    body: int = eqx.field(static=True)
    home_height: Float[Array, ""]  # m

    def __call__(self, signals: we.Signals) -> Bool[Array, ""]:
        error = jnp.abs(signals.physics.xpos[self.body, 2] / self.home_height - 1.0)
        return (upright(signals.physics, self.body) > np.cos(np.radians(15.0))) & (error < 0.2)


class Stood(we.endings.AbstractEnding):
    """The goal has been held for `seconds`: no failure, so the episode is truncated and its value bootstrapped."""

    goal: we.gates.AbstractGoal
    seconds: Float[Array, ""]
    dt: float = eqx.field(static=True)  # s, of a control step
    truncates = True

    def init(self, signals: we.Signals) -> Float[Array, ""]:
        return jnp.zeros((), jnp.float32)

    def step(self, state: Float[Array, ""], signals: we.Signals) -> tuple[Bool[Array, ""], Float[Array, ""]]:
        held = jnp.where(self.goal(signals), state + self.dt, 0.0)
        return held >= self.seconds, held


@we.recipe
def get_up(
    robot: str = QUADRUPED,
    physics: we.EngineName = "auto",
    steps: int = 1_400_000,
    seed: int = 0,
    num_envs: int = 128,
    max_roll: float = np.pi,
) -> we.Recipe:
    """Stand up from wherever the robot lies."""
    body = we.load_robot(robot)
    base = body.need("base", "get_up").body
    controller = we.controllers.JointPosition(body, scale=0.8)
    measured = {
        "gravity": we.terms.ProjectedGravity(body),
        "gyro": we.terms.AngularVelocity(body),
        "joint_pos": we.terms.JointPositions(body),
        "joint_vel": we.terms.JointVelocities(body),
        "last_action": we.terms.LastAction(controller),
    }
    standing = Standing(base, body.home_height)
    env = we.Env(
        physics=we.make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={
            "policy": we.ObservationStack(measured),
            "critic": we.ObservationStack({**measured, "height": we.terms.BaseHeight(body)}, policy=False),
        },
        rewards={
            "risen": Risen(base, body.home_height, weight=jnp.float32(2.0)),
            "home": HomePose(body, base, jnp.float32(0.5), weight=jnp.float32(2.0)),
            "rate": we.rewards.ActionRate(weight=-0.02),
            "torque": we.rewards.Torque(weight=-0.002),
            "joint_speed": we.rewards.JointSpeedLimit(body, weight=-0.005),
        },
        endings={"stood": Stood(standing, jnp.float32(1.0), body.control_dt)},
        reset_state=Lying(body, jnp.float32(max_roll), 1.5 * body.home_height),
        episode_length=4.0,
    )
    learner = we.PPO(num_envs=num_envs, discount=0.97, gae_lambda=0.9, init_std=0.5, decay_steps=steps)
    gate = we.gates.GoalGate(standing, hold=1.0, seconds=4.0)
    return we.Recipe(env=env, learner=learner, steps=steps, seed=seed, gate=gate)
