"""Move a planar one-legged hopper at a commanded speed: the smallest whole task, trained in seconds."""

import wildrobot_eqx as we


@we.recipe
def hop(
    robot: str = "hopper",
    physics: we.EngineName = "auto",
    steps: int = 400_000,
    seed: int = 0,
    num_envs: int = 128,
    max_speed: float = 0.3,
) -> we.Recipe:
    """Move at a commanded speed on one leg, and stand when told to."""
    body = we.load_robot(robot)
    velocity = we.commands.VelocityCommand(body, lin_vel_x=(0.0, max_speed))
    controller = we.controllers.JointPosition(body, scale=0.4)
    measured = {
        "gravity": we.terms.ProjectedGravity(body),
        "gyro": we.terms.AngularVelocity(body),
        "joint_pos": we.terms.JointPositions(body),
        "joint_vel": we.terms.JointVelocities(body),
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
        },
        rewards={
            "track": we.rewards.TrackLinVelX(body, weight=3.0, width=0.15, slope=0.5),
            "upright": we.rewards.FlatOrientation(body, weight=-5.0),
            "rate": we.rewards.ActionRate(weight=-0.02),
            "torque": we.rewards.Torque(weight=-0.002),
            "still": we.rewards.StandStill(body, weight=-0.5),
            "alive": we.rewards.Alive(weight=1.0),
        },
        endings={"fallen": we.endings.Fallen(body)},
        reset_state=we.resets.HomeReset(body),
        commands={"velocity": velocity},
        episode_length=10.0,
    )
    return we.Recipe(env=env, learner=we.PPO(num_envs=num_envs, hidden=(64, 64)), steps=steps, seed=seed)
