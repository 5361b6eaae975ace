"""An adversarial motion prior: a discriminator learns to separate a robot's motion from a clip, and pays for likeness.

After Peng et al. 2021, "AMP: Adversarial Motion Priors for Stylized Physics-Based Character Control", arXiv 2104.02180,
section 5: a least-squares discriminator with a gradient penalty. The env pays for speed and heading; how to move comes
from the clip, here a trot drawn by hand.

wildrobot-eqx run docs/examples/motion_prior.py
"""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, PRNGKeyArray

import wildrobot_eqx as we

QUADRUPED = str(Path(__file__).parent / "quadruped")
LINK = 0.12  # m, length of the thigh and of the shank
PERIOD, STRIDE, LIFT, HEIGHT = 0.5, 0.1, 0.03, 0.17  # s, m, m, m: of the clip; HEIGHT of the hips above the feet
SPEED = 2.0 * STRIDE / PERIOD  # m/s: a foot on the ground goes back by STRIDE in half a period
OPTIMISER = optax.adam(1e-4)
BATCHES, BATCH_SIZE = 8, 256  # of the discriminator, per iteration


def clip(robot: we.Robot, time: Float[np.ndarray, " frames"]) -> Float[np.ndarray, "frames nu"]:
    """A trot at SPEED: the joints' angles minus the home pose (rad), at times in s."""
    angles = np.zeros((len(time), robot.nu))
    for i, joint in enumerate(robot.joint_names):
        first = joint.startswith(("front_left", "hind_right"))
        phase = (time / PERIOD + (0.0 if first else 0.5)) % 1.0  # the foot swings in the first half
        swing, along = phase < 0.5, 2.0 * phase % 1.0
        x = STRIDE * np.where(swing, -0.5 * np.cos(np.pi * along), 0.5 - along)
        down = HEIGHT - LIFT * np.where(swing, np.sin(np.pi * along), 0.0)
        bend = np.arccos(np.hypot(x, down) / (2.0 * LINK))  # two links of one length
        if joint.endswith("hip_pitch"):
            angles[:, i] = bend - np.arctan2(x, down)
        elif joint.endswith("knee_pitch"):
            angles[:, i] = -2.0 * bend
    return angles - np.asarray(robot.home_joints)


def clip_states(robot: we.Robot, time: Float[np.ndarray, " frames"]) -> Float[np.ndarray, "frames state"]:
    """What the env's observation "style" would be along the clip: joint angles, then velocities."""
    step = 1e-3
    velocity = (clip(robot, time + step) - clip(robot, time - step)) / (2.0 * step)
    return np.concatenate([clip(robot, time), velocity], axis=1)


class Discriminator(eqx.Module):
    """A score of a transition: towards 1 where it is the clip's, towards -1 where it is the policy's."""

    layers: tuple[eqx.nn.Linear, ...]

    def __init__(self, size: int, key: PRNGKeyArray):
        sizes, keys = (size, 128, 64, 1), jax.random.split(key, 3)
        self.layers = tuple(eqx.nn.Linear(*ends, key=k) for *ends, k in zip(sizes, sizes[1:], keys))

    def __call__(self, transition: Float[Array, " size"]) -> Float[Array, ""]:
        for layer in self.layers[:-1]:
            transition = jax.nn.relu(layer(transition))
        return self.layers[-1](transition)[0]


class MotionPrior(we.policies.AbstractRewardModel):
    """Adds `dt * weight * style` to the env's reward; the style of a transition lies between 0 and 1."""

    reference: Float[Array, "frames transition"]  # the clip's transitions
    scale: Float[Array, " transition"]  # by which entries are divided, so that they are of one size
    dt: Float[Array, ""]  # s, of a control step
    weight: Float[Array, ""]  # per second
    penalty: Float[Array, ""]  # of the gradient
    observation: str = eqx.field(static=True, default="style")  # of the env's, which the discriminator sees

    def init(self, key: PRNGKeyArray, env: we.Env) -> Any:
        discriminator = Discriminator(self.scale.size, key)
        return discriminator, OPTIMISER.init(discriminator)

    def relabel(self, state: Any, rollout: we.Rollout) -> Float[Array, "time envs"]:
        score = jax.vmap(jax.vmap(state[0]))(self._transitions(rollout))
        style = jnp.maximum(0.0, 1.0 - 0.25 * jnp.square(score - 1.0))
        return rollout.reward + self.dt * self.weight * style

    def update(self, state: Any, rollout: we.Rollout, key: PRNGKeyArray) -> tuple[Any, dict[str, Float[Array, ""]]]:
        seen = self._transitions(rollout).reshape(-1, self.scale.size)
        sound = 1.0 - rollout.diverged.reshape(-1)
        real = self.reference / self.scale

        def loss(
            discriminator: Discriminator, real: Array, fake: Array, sound: Array
        ) -> tuple[Array, dict[str, Array]]:
            of_clip, slope = jax.vmap(jax.value_and_grad(discriminator))(real)
            of_policy = jax.vmap(discriminator)(fake)
            loss = jnp.mean(jnp.square(of_clip - 1.0)) + jnp.mean(sound * jnp.square(of_policy + 1.0))
            steep = jnp.mean(jnp.sum(jnp.square(slope), axis=1))
            figures = {"score_of_clip": jnp.mean(of_clip), "score_of_policy": jnp.mean(of_policy), "gradient": steep}
            return loss + 0.5 * self.penalty * steep, figures

        def batch(state: Any, key: PRNGKeyArray) -> tuple[Any, dict[str, Array]]:
            discriminator, moments = state
            key_real, key_fake = jax.random.split(key)
            i = jax.random.randint(key_real, (BATCH_SIZE,), 0, len(real))
            j = jax.random.randint(key_fake, (BATCH_SIZE,), 0, len(seen))
            grads, figures = jax.grad(loss, has_aux=True)(discriminator, real[i], seen[j], sound[j])
            updates, moments = OPTIMISER.update(grads, moments)
            return (optax.apply_updates(discriminator, updates), moments), figures

        state, figures = jax.lax.scan(batch, state, jax.random.split(key, BATCHES))
        return state, jax.tree.map(jnp.mean, figures)

    def _transitions(self, rollout: we.Rollout) -> Float[Array, "time envs transition"]:
        before, after = rollout.obs[self.observation], rollout.final_obs[self.observation]
        return jnp.concatenate([before, after], axis=-1) / self.scale


class InStyle(we.gates.AbstractGoal):
    """Angles and velocities of the joints are near those of some frame of the clip."""

    robot: we.Robot
    frames: Float[Array, "frames state"]
    scale: Float[Array, " state"]
    tolerance: Float[Array, ""]  # root mean square distance, as a fraction of `scale`

    def __call__(self, signals: we.Signals) -> Bool[Array, ""]:
        angles = self.robot.joints(signals.physics.qpos) - self.robot.home_joints
        state = jnp.concatenate([angles, self.robot.joint_velocities(signals.physics.qvel)])
        apart = jnp.mean(jnp.square((self.frames - state) / self.scale), axis=1)
        return jnp.sqrt(jnp.min(apart)) < self.tolerance


@we.recipe
def motion_prior(
    robot: str = QUADRUPED,
    physics: we.EngineName = "auto",
    steps: int = 1_200_000,
    seed: int = 0,
    num_envs: int = 128,
    style_weight: float = 2.0,
) -> we.Recipe:
    """Go ahead at the clip's speed, in the clip's manner."""
    body = we.load_robot(robot)
    velocity = we.commands.VelocityCommand(body, lin_vel_x=(SPEED, SPEED), stand_probability=0.0)
    controller = we.controllers.JointPosition(body, scale=0.4)
    joints = {"joint_pos": we.terms.JointPositions(body), "joint_vel": we.terms.JointVelocities(body)}
    measured = {
        "gravity": we.terms.ProjectedGravity(body),
        "gyro": we.terms.AngularVelocity(body),
        **joints,
        "last_action": we.terms.LastAction(controller),
        "command": we.terms.CommandTerm("velocity", velocity.observed),
    }
    privileged = {"linvel": we.terms.BaseLinearVelocity(body), "height": we.terms.BaseHeight(body)}
    env = we.Env(
        physics=we.make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={
            "policy": we.ObservationStack(measured),
            "critic": we.ObservationStack({**measured, **privileged}, policy=False),
            "style": we.ObservationStack(joints, policy=False),  # what the discriminator sees
        },
        rewards={
            "track": we.rewards.TrackLinVelX(body, weight=1.0, width=0.15, slope=0.5),
            "heading": we.rewards.TrackHeading(weight=0.5),
            "rate": we.rewards.ActionRate(weight=-0.02),
        },
        endings={"fallen": we.endings.Fallen(body)},
        reset_state=we.resets.HomeReset(body),
        commands={"velocity": velocity},
        episode_length=10.0,
    )
    time = np.arange(0.0, PERIOD, 0.0025)
    frames = clip_states(body, time)
    scale = np.maximum(frames.std(axis=0), np.repeat([0.1, 1.0], body.nu))  # rad and rad/s, where the clip rests
    prior = MotionPrior(
        reference=jnp.asarray(np.hstack([frames, clip_states(body, time + body.control_dt)]), jnp.float32),
        scale=jnp.asarray(np.tile(scale, 2), jnp.float32),
        dt=jnp.float32(body.control_dt),
        weight=jnp.float32(style_weight),
        penalty=jnp.float32(10.0),
    )
    like = InStyle(body, jnp.asarray(frames, jnp.float32), jnp.asarray(scale, jnp.float32), jnp.float32(0.5))
    learner = we.PPO(num_envs=num_envs, decay_steps=steps, symmetric=False)
    gate = we.gates.GoalGate(like, hold=1.0, seconds=10.0)
    return we.Recipe(env=env, learner=learner, steps=steps, seed=seed, gate=gate, reward_model=prior)
