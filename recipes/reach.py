"""Reach with a two-link arm: the fingertip goes to a drawn place and stays there."""

from wildrobot_eqx import (
    ActionRate,
    Backend,
    CommandTerm,
    Env,
    GoalGate,
    HingeAngles,
    JointPosition,
    JointPositions,
    JointReset,
    JointVelocities,
    LastAction,
    ObservationStack,
    PointCommand,
    PPOConfig,
    Recipe,
    SiteAt,
    SiteDistance,
    SiteNear,
    SitePosition,
    load_robot,
    make_physics,
    recipe,
)


@recipe
def reach(
    robot: str = "reacher",
    physics: Backend = "auto",
    steps: int = 800_000,
    seed: int = 0,
    num_envs: int = 128,
) -> Recipe:
    """Bring the fingertip to a place before the arm, and hold it there."""
    body = load_robot(robot)
    controller = JointPosition(body, scale=1.0)
    goal = PointCommand(radius=(0.10, 0.22), angle=(-1.8, 1.8))
    measured = {
        "joint_pos": JointPositions(body),
        "joint_angles": HingeAngles(body, body.joint_names),
        "joint_vel": JointVelocities(body),
        "last_action": LastAction(controller),
        "goal": CommandTerm("goal", goal.observed),
    }
    env = Env(
        physics=make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={
            "policy": ObservationStack(measured),
            "critic": ObservationStack({**measured, "fingertip": SitePosition(body, "fingertip")}, policy=False),
        },
        rewards={
            "distance": SiteDistance(body, "fingertip", "goal", weight=-10.0),
            "near": SiteNear(body, "fingertip", "goal", width=0.03, weight=1.0),
            "there": SiteNear(body, "fingertip", "goal", width=0.006, weight=2.0),
            "rate": ActionRate(weight=-0.2),
        },
        endings={},
        reset_state=JointReset(body, positions={"shoulder": (-1.6, 1.0), "elbow": (0.5, 2.2)}),
        commands={"goal": goal},
        episode_length=3.0,
    )
    ppo = PPOConfig(num_envs=num_envs, hidden=(128, 128), init_std=0.5, symmetric=False, decay_steps=steps)
    gate = GoalGate(SiteAt(body, "fingertip", "goal", tolerance=0.01), hold=1.0, seconds=3.0)
    return Recipe(env=env, ppo=ppo, steps=steps, seed=seed, gate=gate)
