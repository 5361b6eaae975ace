"""Walk forward at a commanded speed, heading held, standing still when told to."""

import wildrobot_eqx as we


@we.recipe
def walk(
    robot: str = "wildrobot",
    physics: we.Backend = "auto",
    steps: int = 1_000_000,
    seed: int = 0,
    num_envs: int = 128,
) -> we.Recipe:
    """Walk forward at a commanded speed."""
    body = we.load_robot(robot)
    velocity = we.commands.VelocityCommand(body, lin_vel_x=(0.0, 0.65), stand_probability=0.15, interval=4.0)
    gait = we.gaits.two_beat(body, period=0.7)
    controller = we.controllers.JointPosition(body, scale=0.4)
    measured = {
        "gravity": we.terms.ProjectedGravity(body),
        "gyro": we.terms.AngularVelocity(body),
        "joint_pos": we.terms.JointPositions(body),
        "joint_vel": we.terms.JointVelocities(body),
        "last_action": we.terms.LastAction(controller),
        "gait_phase": we.terms.CommandTerm("gait", gait.observed),
        "command": we.terms.CommandTerm("velocity", velocity.observed),
    }
    privileged = {
        "linvel": we.terms.BaseLinearVelocity(body),
        "height": we.terms.BaseHeight(body),
        "contacts": we.terms.FootContacts(body),
    }
    sideways = tuple(name for name in body.joint_names if name.endswith(("hip_roll", "waist_yaw")))
    env = we.Env(
        physics=we.make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={
            "policy": we.ObservationStack(measured),
            "critic": we.ObservationStack({**measured, **privileged}, policy=False),
        },
        rewards={
            "track": we.rewards.TrackLinVelX(body, weight=2.0, width=0.15, slope=0.5),
            "lateral": we.rewards.TrackLinVelY(body, weight=1.0, width=0.12),
            "yaw": we.rewards.TrackAngVelZ(body, weight=0.5),
            "heading": we.rewards.TrackHeading(weight=1.5, width=0.1),
            "foot": we.rewards.FeetClearance(body, weight=4.0, height=0.055),
            "contacts": we.rewards.GaitContacts(body, weight=1.0),
            "slip": we.rewards.FeetSlip(body, weight=-2.0),
            "upright": we.rewards.FlatOrientation(body, weight=-20.0),
            "height": we.rewards.BaseHeightError(body, weight=-20.0),
            "rate": we.rewards.ActionRate(weight=-0.05),
            "torque": we.rewards.Torque(weight=-0.01),
            "joint_speed": we.rewards.JointSpeedLimit(body, weight=-0.05),
            "deviation": we.rewards.Posture(body, weight=-1.0, joints=sideways),
            "still": we.rewards.StandStill(body, command="gait", weight=-1.0),
            "alive": we.rewards.Alive(weight=4.0),
        },
        endings={"fallen": we.endings.Fallen(body)},
        reset_state=we.resets.HomeReset(body),
        commands={"velocity": velocity, "gait": gait},
        episode_length=8.0,  # short: what falls, falls where a fast command meets a robot that stands
    )
    return we.Recipe(
        env=env,
        learner=we.PPO(num_envs=num_envs, decay_steps=steps),
        steps=steps,
        seed=seed,
        gate=we.gates.WalkGate(),
    )
