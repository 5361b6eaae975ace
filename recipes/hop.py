"""Move a planar one-legged hopper at a commanded speed: the smallest whole task, trained in seconds."""

from wildrobot_eqx import (
    ActionRate,
    Alive,
    AngularVelocity,
    Backend,
    BaseHeight,
    BaseLinearVelocity,
    CommandTerm,
    Env,
    Fallen,
    FlatOrientation,
    HomeReset,
    JointPosition,
    JointPositions,
    JointVelocities,
    LastAction,
    ObservationStack,
    PPOConfig,
    ProjectedGravity,
    Recipe,
    StandStill,
    Torque,
    TrackLinVelX,
    VelocityCommand,
    load_robot,
    make_physics,
    recipe,
)


@recipe
def hop(
    robot: str = "hopper",
    physics: Backend = "auto",
    steps: int = 400_000,
    seed: int = 0,
    num_envs: int = 128,
    max_speed: float = 0.3,
) -> Recipe:
    """Move at a commanded speed on one leg, and stand when told to."""
    body = load_robot(robot)
    velocity = VelocityCommand(body, lin_vel_x=(0.0, max_speed))
    controller = JointPosition(body, scale=0.4)
    measured = {
        "gravity": ProjectedGravity(body),
        "gyro": AngularVelocity(body),
        "joint_pos": JointPositions(body),
        "joint_vel": JointVelocities(body),
        "last_action": LastAction(controller),
        "command": CommandTerm("velocity", velocity.observed),
    }
    privileged = {"linvel": BaseLinearVelocity(body), "height": BaseHeight(body)}
    env = Env(
        physics=make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={
            "policy": ObservationStack(measured),
            "critic": ObservationStack({**measured, **privileged}, policy=False),
        },
        rewards={
            "track": TrackLinVelX(body, weight=3.0, width=0.15, slope=0.5),
            "upright": FlatOrientation(body, weight=-5.0),
            "rate": ActionRate(weight=-0.02),
            "torque": Torque(weight=-0.002),
            "still": StandStill(body, weight=-0.5),
            "alive": Alive(weight=1.0),
        },
        endings={"fallen": Fallen(body)},
        reset_state=HomeReset(body),
        commands={"velocity": velocity},
        episode_length=10.0,
    )
    return Recipe(env=env, ppo=PPOConfig(num_envs=num_envs, hidden=(64, 64)), steps=steps, seed=seed)
