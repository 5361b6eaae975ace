"""Stand still, and step to recover from pushes in any direction."""

import wildrobot_eqx as we


@we.recipe
def stand(
    robot: str = "wildrobot",
    physics: we.EngineName = "auto",
    steps: int = 3_000_000,
    seed: int = 0,
    num_envs: int = 256,
    max_kick: float = 1.0,
) -> we.Recipe:
    """Stand still, and recover from pushes."""
    body = we.load_robot(robot)
    velocity = we.commands.VelocityCommand(body, lin_vel_x=(0.0, 0.0), stand_probability=1.0)
    gait = we.gaits.two_beat(body, period=0.7)
    controller = we.controllers.JointPosition(body, scale=0.4)
    measured = {
        "gravity": we.terms.ProjectedGravity(body),
        "gyro": we.terms.AngularVelocity(body),
        "joint_pos": we.terms.JointPositions(body),
        "joint_vel": we.terms.JointVelocities(body),
        "last_action": we.terms.LastAction(controller),
        "command": we.terms.CommandTerm("velocity", velocity.observed),
    }
    privileged = {
        "linvel": we.terms.BaseLinearVelocity(body),
        "height": we.terms.BaseHeight(body),
        "contacts": we.terms.FootContacts(body),
    }
    env = we.Env(
        physics=we.make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={
            "policy": we.ObservationStack(measured),
            "critic": we.ObservationStack({**measured, **privileged}, policy=False),
        },
        rewards={
            "capture": we.rewards.CapturePoint(body, weight=-15.0),
            "idle_feet": we.rewards.IdleFeet(body, weight=-4.5),
            "forward": we.rewards.TrackLinVelX(body, weight=0.5, width=0.1),
            "lateral": we.rewards.TrackLinVelY(body, weight=0.5, width=0.1),
            "yaw": we.rewards.TrackAngVelZ(body, weight=0.25),
            "heading": we.rewards.TrackHeading(weight=0.5),
            "contacts": we.rewards.GaitContacts(body, weight=0.2),
            "slip": we.rewards.FeetSlip(body, weight=-0.1),
            "upright": we.rewards.FlatOrientation(body, weight=-8.0),
            "height": we.rewards.BaseHeightError(body, weight=-5.0),
            "rate": we.rewards.ActionRate(weight=-0.02),
            "torque": we.rewards.Torque(weight=-0.004),
            "joint_speed": we.rewards.JointSpeedLimit(body, weight=-0.05),
            "still": we.rewards.StandStill(body, command="gait", weight=-0.4),
            "alive": we.rewards.Alive(weight=6.0),
        },
        endings={"fallen": we.endings.Fallen(body)},
        reset_state=we.resets.HomeReset(body),
        commands={"velocity": velocity, "gait": gait},
        disturbances=we.Disturbances(
            randomisers=(we.randomise.ScaleFriction(), we.randomise.ScaleMass(), we.randomise.ScaleGains()),
            events={"kick": we.events.VelocityKick(body, speed=(0.4, max_kick), interval=1.5)},
        ),
        episode_length=10.0,
    )
    ppo = we.PPO(num_envs=num_envs, decay_steps=steps, discount=0.97, gae_lambda=0.9)
    return we.Recipe(env=env, learner=ppo, steps=steps, seed=seed, gate=we.gates.StandGate())
