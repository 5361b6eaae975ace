"""Walk forward at a commanded speed, heading held, standing still when told to."""

from wildrobot_eqx import (
    ActionRate,
    Alive,
    AngularVelocity,
    Backend,
    BaseHeight,
    BaseHeightError,
    BaseLinearVelocity,
    Env,
    Fallen,
    FootContacts,
    FootHeight,
    FootSlip,
    GaitContacts,
    GaitPhase,
    HoldHeading,
    HomeReset,
    JointDeviation,
    JointPosition,
    JointPositions,
    JointSpeedLimit,
    JointVelocities,
    LastAction,
    ObservationStack,
    PPOConfig,
    ProjectedGravity,
    Recipe,
    StandStill,
    Torque,
    TrackLateral,
    TrackLinVel,
    TrackYawRate,
    Upright,
    VelocityCommand,
    VelocityCommands,
    WalkGate,
    load_robot,
    make_physics,
    recipe,
)


@recipe
def walk(
    robot: str = "wildrobot",
    physics: Backend = "auto",
    steps: int = 1_000_000,
    seed: int = 0,
    num_envs: int = 128,
) -> Recipe:
    """Walk forward at a commanded speed."""
    body = load_robot(robot)
    measured = {
        "gravity": ProjectedGravity(body),
        "gyro": AngularVelocity(body),
        "joint_pos": JointPositions(body),
        "joint_vel": JointVelocities(body),
        "last_action": LastAction(body),
        "gait_phase": GaitPhase(),
        "command": VelocityCommands(),
    }
    privileged = {
        "linvel": BaseLinearVelocity(body),
        "height": BaseHeight(body),
        "contacts": FootContacts(body),
    }
    sideways = tuple(name for name in body.joint_names if name.endswith(("hip_roll", "waist_yaw")))
    env = Env(
        physics=make_physics(physics, body, 0.005, steps),
        controller=JointPosition(body, scale=0.4),
        observations={
            "policy": ObservationStack(measured),
            "critic": ObservationStack({**measured, **privileged}, policy=False),
        },
        command=VelocityCommand(body, speed_range=(0.0, 0.65), stand_probability=0.15, interval=4.0),
        rewards={
            "track": TrackLinVel(body, weight=2.0, width=0.15, slope=0.5),
            "lateral": TrackLateral(body, weight=1.0, width=0.12),
            "yaw": TrackYawRate(body, weight=0.5),
            "heading": HoldHeading(weight=1.5, width=0.1),
            "foot": FootHeight(body, weight=4.0, height=0.055),
            "contacts": GaitContacts(body, weight=1.0),
            "slip": FootSlip(body, weight=-2.0),
            "upright": Upright(body, weight=-20.0),
            "height": BaseHeightError(body, weight=-20.0),
            "rate": ActionRate(weight=-0.05),
            "torque": Torque(weight=-0.01),
            "joint_speed": JointSpeedLimit(body, weight=-0.05),
            "deviation": JointDeviation(body, weight=-1.0, joints=sideways),
            "still": StandStill(body, weight=-1.0),
            "alive": Alive(weight=4.0),
        },
        terminations={"fallen": Fallen(body)},
        reset_state=HomeReset(body),
    )
    return Recipe(env=env, ppo=PPOConfig(num_envs=num_envs, decay_steps=steps), steps=steps, seed=seed, gate=WalkGate())
