"""Walk forward at a commanded speed, heading held, standing still when told to: any robot with legs.

Every figure follows from the robot's own sizes (`we.WalkDesign`); `run` and `check` print them.
"""

import wildrobot_eqx as we


@we.recipe
def walk(
    robot: str = "wildrobot",
    physics: we.EngineName = "auto",
    steps: int | None = None,
    seed: int = 0,
    num_envs: int = 128,
    gait: we.GaitName = "auto",
    max_speed: float | None = None,
    period: float | None = None,
    swing: float | None = None,
    clearance: float | None = None,
    clearance_width: float | None = None,
    track_width: float | None = None,
    load: float | None = None,
    action_scale: float | None = None,
    torque_weight: float | None = None,
    held_weight: float = -1.0,
    standing: bool | None = None,
) -> we.Recipe:
    """Walk forward at a commanded speed, on any number of legs."""
    body = we.load_robot(robot)
    design = we.WalkDesign.of(
        body,
        gait,
        steps=steps,
        max_speed=max_speed,
        period=period,
        swing=swing,
        clearance=clearance,
        clearance_width=clearance_width,
        track_width=track_width,
        load=load,
        action_scale=action_scale,
        torque_weight=torque_weight,
        standing=standing,
    )
    velocity = we.commands.VelocityCommand(
        body,
        lin_vel_x=(0.0, design.max_speed),
        stand_probability=0.15,
        interval=design.interval,
        deadband=design.deadband,
        heading=we.commands.HeadingController(design.heading_gain, design.heading_limit),
    )
    clock = design.make_gait(body)
    controller = we.controllers.JointPosition(body, design.action_scale)
    measured = {
        "gravity": we.terms.ProjectedGravity(body),
        "gyro": we.terms.AngularVelocity(body),
        "joint_pos": we.terms.JointPositions(body),
        "joint_vel": we.terms.JointVelocities(body),
        "last_action": we.terms.LastAction(controller),
        "gait_phase": we.terms.CommandTerm("gait", clock.observed),
        "command": we.terms.CommandTerm("velocity", velocity.observed),
    }
    privileged = {
        "linvel": we.terms.BaseLinearVelocity(body),
        "height": we.terms.BaseHeight(body),
        "contacts": we.terms.FootContacts(body),
    }
    rewards = {
        "track": we.rewards.TrackLinVelX(body, 2.0, design.track_width, design.track_slope),
        "lateral": we.rewards.TrackLinVelY(body, 1.0, design.lateral_width, design.lateral_slope),
        "yaw": we.rewards.TrackAngVelZ(body, 0.5, design.yaw_width),
        "heading": we.rewards.TrackHeading(weight=1.5, width=0.1),
        "foot": we.rewards.FeetClearance(body, 4.0, design.clearance, design.clearance_width),
        "contacts": we.rewards.GaitContacts(body, 1.0, design.load),
        "slip": we.rewards.FeetSlip(body, design.slip_weight, design.load),
        "upright": we.rewards.FlatOrientation(body, weight=-20.0),
        "height": we.rewards.BaseHeightError(body, design.height_weight),
        "rate": we.rewards.ActionRate(design.rate_weight),
        "torque": we.rewards.Torque(design.torque_weight),
        "joint_speed": we.rewards.JointSpeedLimit(body, design.speed_weight),
        "alive": we.rewards.Alive(weight=4.0),
    }
    if design.held:
        rewards["deviation"] = we.rewards.Posture(body, held_weight, joints=design.held)
    if design.standing:
        rewards["still"] = we.rewards.StandStill(body, design.still_weight, command="gait", time=design.still_time)
    env = we.Env(
        physics=we.make_physics(physics, body, 0.005, design.steps),
        controller=controller,
        observations={
            "policy": we.ObservationStack(measured),
            "critic": we.ObservationStack({**measured, **privileged}, policy=False),
        },
        rewards=rewards,
        endings={"fallen": we.endings.Fallen(body)},
        reset_state=we.resets.HomeReset(
            body,
            velocity_noise=design.joint_velocity_noise,
            base_velocity_noise=design.base_velocity_noise,
            drop=design.drop,
        ),
        commands={"velocity": velocity, "gait": clock},
        episode_length=design.episode_length,
    )
    return we.Recipe(
        env=env,
        learner=we.PPO(num_envs=num_envs, decay_steps=design.steps, symmetric=body.mirror is not None),
        steps=design.steps,
        seed=seed,
        gate=we.gates.WalkGate.up_to(design.max_speed),
        choices=design.choices,
    )
