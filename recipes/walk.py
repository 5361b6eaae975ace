"""Walk forward at a commanded speed, heading held, standing still when told to."""

from wildrobot_eqx import (
    ActionRate,
    Alive,
    AngularVelocity,
    Backend,
    BaseHeight,
    BaseHeightError,
    BaseLinearVelocity,
    CommandTerm,
    Env,
    Fallen,
    FeetClearance,
    FeetSlip,
    FlatOrientation,
    FootContacts,
    GaitContacts,
    HomeReset,
    JointPosition,
    JointPositions,
    JointSpeedLimit,
    JointVelocities,
    LastAction,
    ObservationStack,
    Posture,
    PPOConfig,
    ProjectedGravity,
    Recipe,
    StandStill,
    Torque,
    TrackAngVelZ,
    TrackHeading,
    TrackLinVelX,
    TrackLinVelY,
    VelocityCommand,
    WalkGate,
    gaits,
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
    velocity = VelocityCommand(body, lin_vel_x=(0.0, 0.65), stand_probability=0.15, interval=4.0)
    gait = gaits.two_beat(body, period=0.7)
    controller = JointPosition(body, scale=0.4)
    measured = {
        "gravity": ProjectedGravity(body),
        "gyro": AngularVelocity(body),
        "joint_pos": JointPositions(body),
        "joint_vel": JointVelocities(body),
        "last_action": LastAction(controller),
        "gait_phase": CommandTerm("gait", gait.observed),
        "command": CommandTerm("velocity", velocity.observed),
    }
    privileged = {
        "linvel": BaseLinearVelocity(body),
        "height": BaseHeight(body),
        "contacts": FootContacts(body),
    }
    sideways = tuple(name for name in body.joint_names if name.endswith(("hip_roll", "waist_yaw")))
    env = Env(
        physics=make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={
            "policy": ObservationStack(measured),
            "critic": ObservationStack({**measured, **privileged}, policy=False),
        },
        rewards={
            "track": TrackLinVelX(body, weight=2.0, width=0.15, slope=0.5),
            "lateral": TrackLinVelY(body, weight=1.0, width=0.12),
            "yaw": TrackAngVelZ(body, weight=0.5),
            "heading": TrackHeading(weight=1.5, width=0.1),
            "foot": FeetClearance(body, weight=4.0, height=0.055),
            "contacts": GaitContacts(body, weight=1.0),
            "slip": FeetSlip(body, weight=-2.0),
            "upright": FlatOrientation(body, weight=-20.0),
            "height": BaseHeightError(body, weight=-20.0),
            "rate": ActionRate(weight=-0.05),
            "torque": Torque(weight=-0.01),
            "joint_speed": JointSpeedLimit(body, weight=-0.05),
            "deviation": Posture(body, weight=-1.0, joints=sideways),
            "still": StandStill(body, command="gait", weight=-1.0),
            "alive": Alive(weight=4.0),
        },
        endings={"fallen": Fallen(body)},
        reset_state=HomeReset(body),
        commands={"velocity": velocity, "gait": gait},
    )
    return Recipe(env=env, ppo=PPOConfig(num_envs=num_envs, decay_steps=steps), steps=steps, seed=seed, gate=WalkGate())
