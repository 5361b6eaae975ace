"""Push an object to a place: an arm, a free body beside it, and a goal that is drawn for each episode.

wildrobot-eqx run docs/examples/push_object.py
wildrobot-eqx run docs/examples/push_object.py --physics mjx      # the same on the GPU
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

import wildrobot_eqx as we

PUSHER = str(Path(__file__).parent / "pusher")
LINK = 0.14  # m, length of each of the two links


class PlacedObject(we.resets.AbstractReset):
    """Joints by name from ranges, as `arm` draws them; the object somewhere in a ring sector about the shoulder."""

    arm: we.resets.AbstractReset
    thing: we.FreeBody
    radius: Float[Array, " 2"]  # m
    angle: Float[Array, ""]  # rad to either side of the x axis

    def __call__(
        self, key: PRNGKeyArray, commands: Mapping[str, Any]
    ) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        key_arm, key_radius, key_angle = jax.random.split(key, 3)
        qpos, qvel = self.arm(key_arm, commands)
        radius = jax.random.uniform(key_radius, (), jnp.float32, self.radius[0], self.radius[1])
        angle = jax.random.uniform(key_angle, (), jnp.float32, -self.angle, self.angle)
        at = self.thing.qpos_address  # of x, y, z and a quaternion
        return qpos.at[at : at + 2].set(radius * jnp.stack([jnp.cos(angle), jnp.sin(angle)])), qvel


class ObjectFromTip(we.terms.AbstractStatelessTerm):
    """From the arm's tip to the object and from there to its goal, x and y of each.

    The tip follows from the joints' angles, the object is where the sensor has it that robot.toml calls its tracker.
    """

    robot: we.Robot
    tracker: we.Sensor
    unit = "m"
    frame = "world"
    size = 4
    measurable = True

    @property
    def source(self) -> str:
        return f"servo position, {self.tracker.name}, command 'goal'"

    def __call__(self, signals: we.Signals) -> Float[Array, " 4"]:
        angles = jnp.cumsum(self.robot.joints(signals.physics.qpos))  # of the two links, from the x axis
        tip = LINK * jnp.stack([jnp.sum(jnp.cos(angles)), jnp.sum(jnp.sin(angles))])
        thing = self.tracker.read(signals.physics.sensordata)[:2]
        return jnp.concatenate([thing - tip, signals.observed_command("goal", self) - thing])


def to_goal(signals: we.Signals, thing: we.FreeBody, asker: object) -> Float[Array, " 2"]:
    """From the object to the place that the command "goal" asks for, m."""
    goal = signals.command("goal", we.commands.PointState, asker).point
    return goal - signals.physics.xpos[thing.body, :2]


class ObjectDistance(we.rewards.AbstractStatelessReward):
    """Distance of the object from its goal, m."""

    thing: we.FreeBody
    weight: Float[Array, ""]

    def __call__(self, signals: we.Signals) -> Float[Array, ""]:
        return jnp.linalg.norm(to_goal(signals, self.thing, self))


class ObjectNear(we.rewards.AbstractStatelessReward):
    """Peak 1 with the object at its goal, 1/e at the distance `width`."""

    thing: we.FreeBody
    width: Float[Array, ""]  # m
    weight: Float[Array, ""]

    def __call__(self, signals: we.Signals) -> Float[Array, ""]:
        return we.rewards.kernel(jnp.linalg.norm(to_goal(signals, self.thing, self)), self.width)


class BehindObject(we.rewards.AbstractStatelessReward):
    """Distance of the arm's tip from where it can push: `gap` behind the object as seen from the goal, m."""

    thing: we.FreeBody
    site: int = eqx.field(static=True)
    gap: Float[Array, ""]  # m
    weight: Float[Array, ""]

    def __call__(self, signals: we.Signals) -> Float[Array, ""]:
        physics, ahead = signals.physics, to_goal(signals, self.thing, self)
        behind = physics.xpos[self.thing.body, :2] - self.gap * ahead / (jnp.linalg.norm(ahead) + 0.01)
        return jnp.linalg.norm(physics.site_xpos[self.site, :2] - behind)


class ObjectLost(we.endings.AbstractStatelessEnding):
    """The object is out of the arm's reach: farther than `radius` (m) from the shoulder."""

    thing: we.FreeBody
    radius: Float[Array, ""]  # m
    truncates = False

    def __call__(self, signals: we.Signals) -> Bool[Array, ""]:
        return jnp.linalg.norm(signals.physics.xpos[self.thing.body, :2]) > self.radius


class ObjectAt(we.gates.AbstractGoal):
    """The object is within `tolerance` (m) of its goal."""

    thing: we.FreeBody
    tolerance: Float[Array, ""]  # m

    def __call__(self, signals: we.Signals) -> Bool[Array, ""]:
        return jnp.linalg.norm(to_goal(signals, self.thing, self)) <= self.tolerance


@we.recipe
def push_object(
    robot: str = PUSHER,
    physics: we.EngineName = "native",
    steps: int = 3_000_000,
    seed: int = 0,
    num_envs: int = 256,
) -> we.Recipe:
    """Push the puck to a drawn place, and leave it there."""
    body = we.load_robot(robot)
    puck, tip = body.free_body("puck"), body.model.mj.site("tip").id
    # Smooth targets, with a cut-off of 1.8 Hz.
    controller = we.controllers.LowPass(we.controllers.JointPosition(body, scale=1.0), body.home_joints, alpha=0.2)
    goal = we.commands.PointCommand(radius=(0.20, 0.25), angle=(-0.6, 0.6))
    arm = we.resets.JointReset(body, positions={"shoulder": (-1.5, -0.7), "elbow": (2.2, 2.4)})
    measured = {
        "joint_pos": we.terms.JointPositions(body),
        "joint_vel": we.terms.JointVelocities(body),
        "last_action": we.terms.LastAction(controller),
        "puck": ObjectFromTip(body, puck.tracker),
        "goal": we.terms.CommandTerm("goal", goal.observed),
    }
    env = we.Env(
        physics=we.make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={"policy": we.ObservationStack(measured)},
        rewards={
            "distance": ObjectDistance(puck, weight=jnp.float32(-20.0)),
            "near": ObjectNear(puck, jnp.float32(0.04), weight=jnp.float32(2.0)),
            "there": ObjectNear(puck, jnp.float32(0.015), weight=jnp.float32(4.0)),
            "behind": BehindObject(puck, tip, jnp.float32(0.035), weight=jnp.float32(-10.0)),
            "rate": we.rewards.ActionRate(weight=-0.1),
            "joint_speed": we.rewards.JointSpeedLimit(body, weight=-0.5, fraction=0.2),  # to push, not to hit
            "alive": we.rewards.Alive(weight=4.0),  # so that losing the object never pays
        },
        endings={"lost": ObjectLost(puck, jnp.float32(0.3))},
        reset_state=PlacedObject(arm, puck, jnp.array([0.17, 0.20], jnp.float32), jnp.float32(0.4)),
        commands={"goal": goal},
        episode_length=4.0,
    )
    learner = we.PPO(num_envs=num_envs, decay_steps=steps, discount=0.97, gae_lambda=0.9, init_std=0.5, symmetric=False)
    gate = we.gates.GoalGate(ObjectAt(puck, jnp.float32(0.025)), hold=0.5, seconds=4.0, success=0.9)
    return we.Recipe(env=env, learner=learner, steps=steps, seed=seed, gate=gate)
