"""Swing a pole up from hanging and balance it: a motor on a rail, torque, and no feet."""

import wildrobot_eqx as we


@we.recipe
def cartpole(
    robot: str = "cartpole",
    physics: we.EngineName = "auto",
    steps: int = 1_200_000,
    seed: int = 0,
    num_envs: int = 128,
) -> we.Recipe:
    """Swing the pole up and balance it in the middle of the rail.

    Half of the episodes begin upright, so that balancing is learned beside the swing; the gate
    judges from hanging alone.
    """
    body = we.load_robot(robot)
    controller = we.controllers.JointTorque(body)
    at_rest = {"slider": (-0.1, 0.1), "pole": (-0.1, 0.1)}
    hanging = we.resets.JointReset(body, {"slider": (-0.2, 0.2), "pole": (3.04, 3.24)}, at_rest)
    upright = we.resets.JointReset(
        body, {"slider": (-1.0, 1.0), "pole": (-0.5, 0.5)}, {"slider": (-1.0, 1.0), "pole": (-1.0, 1.0)}
    )
    measured = {
        "cart_pos": we.terms.JointPositions(body),
        "cart_vel": we.terms.JointVelocities(body),
        "pole": we.terms.HingeAngles(body, ("pole",)),
        "pole_vel": we.terms.NamedJointVelocities(body, ("pole",)),
        "last_action": we.terms.LastAction(controller),
    }
    env = we.Env(
        physics=we.make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={"policy": we.ObservationStack(measured)},
        rewards={
            "height": we.rewards.HingeHeight(body, "pole", weight=0.2),
            "slow": we.rewards.HingeStill(body, "pole", width=1.0, speed=6.0, weight=1.0),
            "balance": we.rewards.HingeStill(body, "pole", width=0.3, speed=2.0, weight=2.0),
            "centre": we.rewards.Posture(body, weight=-0.4),
            "rate": we.rewards.ActionRate(weight=-0.02),
        },
        endings={"lost": we.endings.JointsBeyond(body, positions={"slider": 1.7}, velocities={"pole": 14.0})},
        reset_state=we.resets.MixedReset(hanging, upright, probability=0.5),
        episode_length=4.0,
    )
    learner = we.PPO(
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
    gate = we.gates.GoalGate(we.gates.HingeAt(body, "pole", tolerance=0.2), hold=10.0, seconds=15.0, reset=hanging)
    return we.Recipe(env=env, learner=learner, steps=steps, seed=seed, gate=gate)
