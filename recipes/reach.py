"""Reach with a two-link arm: the fingertip goes to a drawn place and stays there."""

import wildrobot_eqx as we


@we.recipe
def reach(
    robot: str = "reacher",
    physics: we.EngineName = "auto",
    steps: int = 800_000,
    seed: int = 0,
    num_envs: int = 128,
) -> we.Recipe:
    """Bring the fingertip to a place before the arm, and hold it there."""
    body = we.load_robot(robot)
    controller = we.controllers.JointPosition(body, scale=1.0)
    goal = we.commands.PointCommand(radius=(0.10, 0.22), angle=(-1.8, 1.8))
    measured = {
        "joint_pos": we.terms.JointPositions(body),
        "joint_angles": we.terms.HingeAngles(body, body.joint_names),
        "joint_vel": we.terms.JointVelocities(body),
        "last_action": we.terms.LastAction(controller),
        "goal": we.terms.CommandTerm("goal", goal.observed),
    }
    env = we.Env(
        physics=we.make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={
            "policy": we.ObservationStack(measured),
            "critic": we.ObservationStack(
                {**measured, "fingertip": we.terms.SitePosition(body, "fingertip")}, policy=False
            ),
        },
        rewards={
            "distance": we.rewards.SiteDistance(body, "fingertip", "goal", weight=-10.0),
            "near": we.rewards.SiteNear(body, "fingertip", "goal", width=0.03, weight=1.0),
            "there": we.rewards.SiteNear(body, "fingertip", "goal", width=0.006, weight=2.0),
            "rate": we.rewards.ActionRate(weight=-0.2),
        },
        endings={},
        reset_state=we.resets.JointReset(body, positions={"shoulder": (-1.6, 1.0), "elbow": (0.5, 2.2)}),
        commands={"goal": goal},
        episode_length=3.0,
    )
    learner = we.PPO(num_envs=num_envs, hidden=(128, 128), init_std=0.5, symmetric=False, decay_steps=steps)
    gate = we.gates.GoalGate(we.gates.SiteAt(body, "fingertip", "goal", tolerance=0.01), hold=1.0, seconds=3.0)
    return we.Recipe(env=env, learner=learner, steps=steps, seed=seed, gate=gate)
