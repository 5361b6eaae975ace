"""Trot on four legs at a commanded speed: walking's rewards on a quadruped, with a gait that is data.

wildrobot-eqx run docs/examples/trot.py
"""

from pathlib import Path

import wildrobot_eqx as we

QUADRUPED = str(Path(__file__).parent / "quadruped")


@we.recipe
def trot(
    robot: str = QUADRUPED,
    physics: we.EngineName = "auto",
    steps: int = 1_000_000,
    seed: int = 0,
    num_envs: int = 128,
    max_speed: float = 0.5,
) -> we.Recipe:
    """Trot ahead at a commanded speed, and stand when the command is 0."""
    body = we.load_robot(robot)
    velocity = we.commands.VelocityCommand(body, lin_vel_x=(0.0, max_speed), stand_probability=0.15, interval=4.0)
    # Diagonal feet in turn, each half of the time in the air. Try we.gaits.pace, bound or walk, or a Gait of your own:
    # the rewards below ask it which foot should swing.
    gait = we.gaits.trot(body, period=0.5)
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
    privileged = {
        "linvel": we.terms.BaseLinearVelocity(body),
        "height": we.terms.BaseHeight(body),
        "contacts": we.terms.FootContacts(body),
    }
    hip_rolls = tuple(name for name in body.joint_names if name.endswith("hip_roll"))
    env = we.Env(
        physics=we.make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={
            "policy": we.ObservationStack(measured),
            "critic": we.ObservationStack({**measured, **privileged}, policy=False),
        },
        rewards={
            "track": we.rewards.TrackLinVelX(body, weight=2.0, width=0.15, slope=0.5),
            "lateral": we.rewards.TrackLinVelY(body, weight=1.0),
            "yaw": we.rewards.TrackAngVelZ(body, weight=0.5),
            "heading": we.rewards.TrackHeading(weight=1.0),
            "foot": we.rewards.FeetClearance(body, weight=4.0, height=0.045),
            "contacts": we.rewards.GaitContacts(body, weight=1.0),
            "slip": we.rewards.FeetSlip(body, weight=-1.0),
            "upright": we.rewards.FlatOrientation(body, weight=-10.0),
            "height": we.rewards.BaseHeightError(body, weight=-40.0),
            "rate": we.rewards.ActionRate(weight=-0.05),
            "torque": we.rewards.Torque(weight=-0.02),
            "sideways": we.rewards.Posture(body, weight=-0.5, joints=hip_rolls),
            "still": we.rewards.StandStill(body, command="gait", weight=-0.5),
            "alive": we.rewards.Alive(weight=1.0),
        },
        endings={"fallen": we.endings.Fallen(body)},
        reset_state=we.resets.HomeReset(body),
        commands={"velocity": velocity, "gait": gait},
    )
    learner = we.PPO(num_envs=num_envs, decay_steps=steps)
    gate = we.gates.WalkGate(required=(0.0, 0.2, 0.4), reported=())
    return we.Recipe(env=env, learner=learner, steps=steps, seed=seed, gate=gate)
