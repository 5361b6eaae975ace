"""Build the walking env from its modules, add a reward of your own, train three iterations."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import wildrobot_eqx as we


class Follow(we.rewards.AbstractStatelessReward):
    """Squared distance of the joints from what was sent to their servos, rad^2: what the servos fail to do."""

    robot: we.Robot
    weight: Float[Array, ""]

    def __init__(self, robot: we.Robot, weight: float = -0.5):
        self.robot, self.weight = robot, jnp.asarray(weight, jnp.float32)

    def __call__(self, signals: we.Signals) -> Float[Array, ""]:
        return jnp.sum(jnp.square(signals.ctrl - self.robot.joints(signals.physics.qpos)))


robot = we.load_robot("wildrobot")
velocity = we.commands.VelocityCommand(robot, lin_vel_x=(0.0, 0.4))
gait = we.gaits.two_beat(robot)
controller = we.controllers.JointPosition(robot, scale=0.4)
measured = {
    "gravity": we.terms.ProjectedGravity(robot),
    "gyro": we.terms.AngularVelocity(robot),
    "joint_pos": we.terms.JointPositions(robot),
    "joint_vel": we.terms.JointVelocities(robot),
    "last_action": we.terms.LastAction(controller),
    "gait_phase": we.terms.CommandTerm("gait", gait.observed),
    "command": we.terms.CommandTerm("velocity", velocity.observed),
}
privileged = {"linvel": we.terms.BaseLinearVelocity(robot), "contacts": we.terms.FootContacts(robot)}
env = we.Env(
    physics=we.NativePhysics(robot, timestep=0.005),
    controller=controller,
    observations={
        "policy": we.ObservationStack(measured),
        "critic": we.ObservationStack({**measured, **privileged}, policy=False),
    },
    rewards={
        "track": we.rewards.TrackLinVelX(robot, weight=2.0, slope=0.5),
        "foot_height": we.rewards.FeetClearance(robot, weight=2.0),
        "upright": we.rewards.FlatOrientation(robot, weight=-5.0),
        "alive": we.rewards.Alive(weight=1.0),
        "follow": Follow(robot),
    },
    endings={"fallen": we.endings.Fallen(robot)},
    reset_state=we.resets.HomeReset(robot),
    commands={"velocity": velocity, "gait": gait},
)

config = we.PPO(num_envs=64, unroll_length=16, num_minibatches=4, hidden=(64, 64))
state = we.ppo.init(env, config, jax.random.key(0))
for state, figures in we.ppo.train(env, config, state, iterations=3):  # noqa: B020 - each state follows from the last
    reward, follow = float(figures["reward_per_step"]), float(figures["reward/follow"])
    print(f"iteration {int(state.iteration)}: reward per step {reward:+.4f}, of it {0.02 * follow:+.4f} for `follow`")
