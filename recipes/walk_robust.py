"""Walk ahead, back and sideways and turn, in a world where servos, sensors, bodies and floor are never as drawn."""

import wildrobot_eqx as we

MOTIONS = (
    we.gates.Motion("left", -0.1),
    we.gates.Motion("left", 0.1),
    we.gates.Motion("left", 0.15, required=False),
    we.gates.Motion("turn", -0.3),
    we.gates.Motion("turn", 0.3),
    we.gates.Motion("turn", 0.5, required=False),
)


@we.recipe
def walk_robust(
    robot: str = "wildrobot",
    physics: we.EngineName = "auto",
    steps: int = 12_000_000,
    seed: int = 0,
    num_envs: int = 512,
) -> we.Recipe:
    """Walk any way and turn, in a world that is never as drawn."""
    body = we.load_robot(robot)
    velocity = we.commands.VelocityCommand(
        body,
        lin_vel_x=(-0.3, 0.6),
        stand_probability=0.12,
        interval=4.0,
        lin_vel_y=(-0.15, 0.15),
        ang_vel_z=(-0.5, 0.5),
        axis_probability=0.4,
        in_place_probability=0.4,
    )
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
    # A bus that reads one servo in 3.6 ms brings joints late; the IMU is near, noisy and mounted askew.
    sensing = {
        "gravity": (we.sensing.MountingError(), we.sensing.Noise(0.003)),
        "gyro": (we.sensing.MountingError(), we.sensing.Bias(0.01), we.sensing.Noise(0.005)),
        "joint_pos": (we.sensing.EncoderOffset(), we.sensing.ReadingResolution(), we.sensing.ReadingDelay((0.0, 0.01))),
        "joint_vel": (we.sensing.Noise(0.05), we.sensing.ReadingDelay((0.0, 0.01))),
    }
    privileged = {
        "linvel": we.terms.BaseLinearVelocity(body),
        "height": we.terms.BaseHeight(body),
        "contacts": we.terms.FootContacts(body),
        "mass": we.terms.MassRatios(body),
        "centre_of_mass": we.terms.CentreOfMassShift(body),
        "friction": we.terms.FrictionRatio(body),
        "floor_tilt": we.terms.FloorTilt(),
        "stiffness": we.terms.JointRatios(body, "stiffness"),
        "encoder_offsets": we.terms.EncoderOffsets(body),
        "imu_rotation": we.terms.ImuRotation(),
        "voltage": we.terms.BatteryVoltage("motor"),
        "lag": we.terms.CommandLag(body, "delay"),
    }
    env = we.Env(
        physics=we.make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={
            "policy": we.ObservationStack(measured, sensing=sensing),
            "critic": we.ObservationStack({**measured, **privileged}, policy=False),
        },
        rewards={
            "track": we.rewards.TrackLinVelX(body, weight=2.5, width=0.11, slope=0.5),
            "lateral": we.rewards.TrackLinVelY(body, weight=2.5, width=0.1, slope=1.5),
            "yaw": we.rewards.TrackAngVelZ(body, weight=2.0, width=0.3, slope=1.0),
            "heading": we.rewards.TrackHeading(weight=1.5, width=0.1),
            "foot": we.rewards.FeetClearance(body, weight=4.0, height=0.055),
            "contacts": we.rewards.GaitContacts(body, weight=1.0),
            "slip": we.rewards.FeetSlip(body, weight=-2.0),
            "upright": we.rewards.FlatOrientation(body, weight=-20.0),
            "height": we.rewards.BaseHeightError(body, weight=-20.0),
            "rate": we.rewards.ActionRate(weight=-0.2),
            "torque": we.rewards.Torque(weight=-0.02),
            "joint_speed": we.rewards.JointSpeedLimit(body, weight=-1.0),
            "deviation": we.rewards.Posture(
                body, weight=-0.5, joints=tuple(n for n in body.joint_names if n.endswith(("hip_roll", "waist_yaw")))
            ),
            "still": we.rewards.StandStill(body, command="gait", weight=-1.0),
            "alive": we.rewards.Alive(weight=4.0),
        },
        endings={"fallen": we.endings.Fallen(body)},
        reset_state=we.resets.HomeReset(body),
        commands={"velocity": velocity, "gait": gait},
        disturbances=we.Disturbances(
            servos=we.Servos(
                body,
                {
                    # From 0 on: a policy that has only met a late bus trembles where the bus is not.
                    "delay": we.servos.CommandDelay((0.0, 0.02)),
                    "motor": we.servos.DCMotor(body, voltage=(10.0, 12.6), strength=(0.9, 1.1), resistance=0.05),
                    "backlash": we.servos.Backlash((0.0, 0.0175)),
                },
            ),
            calibration=we.RandomCalibrationError((-0.035, 0.035), (0.0, 0.035)),
            randomisers=(
                we.randomise.ScaleMass((0.9, 1.1)),
                we.randomise.ShiftCentreOfMass(body, (-0.01, 0.01)),
                we.randomise.Payload(body, (0.0, 0.3)),
                we.randomise.ScaleGains((0.85, 1.15)),
                we.randomise.ScaleArmature((0.8, 1.2)),
                we.randomise.ScaleDamping((0.7, 1.3)),
                we.randomise.ScaleFrictionLoss((0.5, 2.0)),
                we.randomise.ScaleFriction((0.5, 1.25)),
                we.randomise.TiltGravity((0.0, 0.035)),
            ),
            events={
                "push": we.events.Push((0.0, 6.0), (0.05, 0.3), 3.0),
                "kick": we.events.VelocityKick(body, (0.0, 0.25), 4.0),
            },
        ),
    )
    curriculum = we.Curriculum(
        {
            "commands.velocity.lin_vel_x": (-0.1, 0.4),
            "commands.velocity.lin_vel_y": (-0.05, 0.05),
            "commands.velocity.ang_vel_z": (-0.1, 0.1),
            "disturbances.servos.parts.delay.seconds": (0.0, 0.005),
            "disturbances.servos.parts.motor.voltage": (11.1, 12.0),
            "disturbances.servos.parts.backlash.play": (0.0, 0.0),
            "disturbances.calibration.joint_offset": (0.0, 0.0),
            "disturbances.calibration.imu_angle": (0.0, 0.0),
            "disturbances.randomisers.2.mass": (0.0, 0.0),
            "disturbances.randomisers.7.range": (0.9, 1.1),
            "disturbances.randomisers.8.angle": (0.0, 0.0),
            "disturbances.events.push.force": (0.0, 1.0),
            "disturbances.events.kick.speed": (0.0, 0.0),
            # First it learns to step and to walk ahead; only then is it held to the rest.
            "rewards.track.width": 0.15,
            "rewards.lateral.weight": 1.5,
            "rewards.lateral.width": 0.12,
            "rewards.lateral.slope": 0.5,
            "rewards.yaw.weight": 1.5,
            "rewards.yaw.width": 0.4,
            "rewards.yaw.slope": 0.75,
            "rewards.rate.weight": -0.05,
            "rewards.torque.weight": -0.01,
        },
        success={"terminations_per_minute": 3.0, "lin_vel_x_error": 0.12},
        rise=0.005,
    )
    return we.Recipe(
        env=env,
        # A fall's cause lies far behind it, and in a wrong world no two robots are alike: long horizon, large batches.
        learner=we.PPO(num_envs=num_envs, num_minibatches=8, decay_steps=steps, discount=0.97, gae_lambda=0.9),
        steps=steps,
        seed=seed,
        gate=we.gates.WalkGate(required=(-0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4), reported=(-0.3, 0.6), motions=MOTIONS),
        curriculum=curriculum,
    )
