"""Swing a pole up from hanging and balance it: a motor on a rail, torque, and no feet."""

from wildrobot_eqx import (
    ActionRate,
    Backend,
    Env,
    GoalGate,
    HingeAngles,
    HingeAt,
    HingeHeight,
    HingeStill,
    JointPositions,
    JointReset,
    JointsBeyond,
    JointTorque,
    JointVelocities,
    LastAction,
    MixedReset,
    NamedJointVelocities,
    ObservationStack,
    Posture,
    PPOConfig,
    Recipe,
    load_robot,
    make_physics,
    recipe,
)


@recipe
def cartpole(
    robot: str = "cartpole",
    physics: Backend = "auto",
    steps: int = 1_200_000,
    seed: int = 0,
    num_envs: int = 128,
) -> Recipe:
    """Swing the pole up and balance it in the middle of the rail.

    Half of the episodes begin upright, so that balancing is learned beside the swing; the gate
    judges from hanging alone.
    """
    body = load_robot(robot)
    controller = JointTorque(body)
    at_rest = {"slider": (-0.1, 0.1), "pole": (-0.1, 0.1)}
    hanging = JointReset(body, {"slider": (-0.2, 0.2), "pole": (3.04, 3.24)}, at_rest)
    upright = JointReset(
        body, {"slider": (-1.0, 1.0), "pole": (-0.5, 0.5)}, {"slider": (-1.0, 1.0), "pole": (-1.0, 1.0)}
    )
    measured = {
        "cart_pos": JointPositions(body),
        "cart_vel": JointVelocities(body),
        "pole": HingeAngles(body, ("pole",)),
        "pole_vel": NamedJointVelocities(body, ("pole",)),
        "last_action": LastAction(controller),
    }
    env = Env(
        physics=make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={"policy": ObservationStack(measured)},
        rewards={
            "height": HingeHeight(body, "pole", weight=0.2),
            "slow": HingeStill(body, "pole", width=1.0, speed=6.0, weight=1.0),
            "balance": HingeStill(body, "pole", width=0.3, speed=2.0, weight=2.0),
            "centre": Posture(body, weight=-0.4),
            "rate": ActionRate(weight=-0.02),
        },
        endings={"lost": JointsBeyond(body, positions={"slider": 1.7}, velocities={"pole": 14.0})},
        reset_state=MixedReset(hanging, upright, share=0.5),
        episode_length=4.0,
    )
    ppo = PPOConfig(
        num_envs=num_envs,
        unroll_length=16,
        discount=0.99,
        gae_lambda=0.95,
        init_std=0.5,
        hidden=(64, 64),
        symmetric=False,
        learning_rate=2e-3,
        decay_steps=steps,
    )
    gate = GoalGate(HingeAt(body, "pole", tolerance=0.2), hold=10.0, seconds=15.0, reset=hanging)
    return Recipe(env=env, ppo=ppo, steps=steps, seed=seed, gate=gate)
