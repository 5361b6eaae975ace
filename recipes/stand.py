"""Stand still, and step to recover from pushes in any direction."""

from wildrobot_eqx import (
    ActionRate,
    Alive,
    AngularVelocity,
    Backend,
    BaseHeight,
    BaseHeightError,
    BaseLinearVelocity,
    CapturePoint,
    CommandTerm,
    Disturbances,
    Env,
    Fallen,
    FeetSlip,
    FlatOrientation,
    FootContacts,
    GaitContacts,
    HomeReset,
    IdleFeet,
    JointPosition,
    JointPositions,
    JointSpeedLimit,
    JointVelocities,
    LastAction,
    ObservationStack,
    PPOConfig,
    ProjectedGravity,
    Recipe,
    ScaleFriction,
    ScaleGains,
    ScaleMass,
    StandGate,
    StandStill,
    Torque,
    TrackAngVelZ,
    TrackHeading,
    TrackLinVelX,
    TrackLinVelY,
    VelocityCommand,
    VelocityKick,
    gaits,
    load_robot,
    make_physics,
    recipe,
)


@recipe
def stand(
    robot: str = "wildrobot",
    physics: Backend = "auto",
    steps: int = 1_800_000,
    seed: int = 0,
    num_envs: int = 256,
    max_kick: float = 1.0,
) -> Recipe:
    """Stand still, and recover from pushes."""
    body = load_robot(robot)
    velocity = VelocityCommand(body, lin_vel_x=(0.0, 0.0), stand_probability=1.0)
    gait = gaits.two_beat(body, period=0.7)
    controller = JointPosition(body, scale=0.4)
    measured = {
        "gravity": ProjectedGravity(body),
        "gyro": AngularVelocity(body),
        "joint_pos": JointPositions(body),
        "joint_vel": JointVelocities(body),
        "last_action": LastAction(controller),
        "command": CommandTerm("velocity", velocity.observed),
    }
    privileged = {
        "linvel": BaseLinearVelocity(body),
        "height": BaseHeight(body),
        "contacts": FootContacts(body),
    }
    env = Env(
        physics=make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={
            "policy": ObservationStack(measured),
            "critic": ObservationStack({**measured, **privileged}, policy=False),
        },
        rewards={
            "capture": CapturePoint(body, weight=-15.0),
            "idle_feet": IdleFeet(body, weight=-4.5),
            "forward": TrackLinVelX(body, weight=0.5, width=0.1),
            "lateral": TrackLinVelY(body, weight=0.5, width=0.1),
            "yaw": TrackAngVelZ(body, weight=0.25),
            "heading": TrackHeading(weight=0.5),
            "contacts": GaitContacts(body, weight=0.2),
            "slip": FeetSlip(body, weight=-0.1),
            "upright": FlatOrientation(body, weight=-8.0),
            "height": BaseHeightError(body, weight=-5.0),
            "rate": ActionRate(weight=-0.02),
            "torque": Torque(weight=-0.004),
            "joint_speed": JointSpeedLimit(body, weight=-0.05),
            "still": StandStill(body, command="gait", weight=-0.4),
            "alive": Alive(weight=6.0),
        },
        endings={"fallen": Fallen(body)},
        reset_state=HomeReset(body),
        commands={"velocity": velocity, "gait": gait},
        disturbances=Disturbances(
            randomisers=(ScaleFriction(), ScaleMass(), ScaleGains()),
            events={"kick": VelocityKick(body, speed=(0.4, max_kick), interval=1.5)},
        ),
        episode_length=10.0,
    )
    ppo = PPOConfig(num_envs=num_envs, decay_steps=steps, discount=0.97, gae_lambda=0.9)
    return Recipe(env=env, ppo=ppo, steps=steps, seed=seed, gate=StandGate())
