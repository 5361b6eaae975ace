"""Track a motion clip: the biped squats, bows and waves its hips, as a file has it."""

import wildrobot_eqx as we


@we.recipe
def track(
    robot: str = "wildrobot",
    clip: str = "squat_bow_wave",
    physics: we.EngineName = "auto",
    steps: int = 1_000_000,
    seed: int = 0,
    num_envs: int = 128,
) -> we.Recipe:
    """Do what a motion clip asks for, frame by frame, without a fall.

    `clip` is the name of one that the robot has in its folder, or the path of a .json file.
    """
    body = we.load_robot(robot)
    motion = we.load_clip(clip, body)
    command = we.commands.ClipCommand(body, motion, start=(0.0, 1.0))
    controller = we.controllers.JointPosition(body, scale=0.8)
    measured = {
        "gravity": we.terms.ProjectedGravity(body),
        "gyro": we.terms.AngularVelocity(body),
        "joint_pos": we.terms.JointPositions(body),
        "joint_vel": we.terms.JointVelocities(body),
        "last_action": we.terms.LastAction(controller),
        "clip": we.terms.CommandTerm("clip", command.observed),
    }
    privileged = {
        "height": we.terms.BaseHeight(body),
        "contacts": we.terms.FootContacts(body),
    }
    env = we.Env(
        physics=we.make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={
            "policy": we.ObservationStack(measured),
            "critic": we.ObservationStack({**measured, **privileged}, policy=False),
        },
        rewards={
            "far": we.rewards.TrackJointPositions(body, "clip", width=0.4, weight=2.0),
            "near": we.rewards.TrackJointPositions(body, "clip", width=0.1, weight=3.0),
            "speed": we.rewards.TrackJointVelocities(body, "clip", width=1.5, weight=0.5),
            "height": we.rewards.TrackBaseHeight(body, "clip", width=0.03, weight=0.5),
            "tilt": we.rewards.TrackBaseTilt(body, "clip", width=0.15, weight=2.0),
            "slip": we.rewards.FeetSlip(body, weight=-0.1),
            "rate": we.rewards.ActionRate(weight=-0.08),
            "torque": we.rewards.Torque(weight=-0.004),
        },
        endings={"fallen": we.endings.Fallen(body, max_tilt=1.0), "over": we.endings.ClipOver("clip")},
        reset_state=we.resets.ClipReset(body, "clip"),
        commands={"clip": command},
        episode_length=4.0,
    )
    learner = we.PPO(num_envs=num_envs, init_std=0.2, symmetric=False, decay_steps=steps)
    gate = we.gates.ClipGate(seconds=float(motion.duration))
    return we.Recipe(env=env, learner=learner, steps=steps, seed=seed, gate=gate)
