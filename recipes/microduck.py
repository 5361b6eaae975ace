"""Microduck walks any way, turns, and holds its head where it is told, on its own servos' model.

The policy's `command[2]` is the heading loop's yaw rate (the turn that is asked for, and 1.5 / s times the error of the
heading), where that of the makers' contract is the plain turn. docs/deploy.md has what that means on the robot.
"""

import wildrobot_eqx as we

HEAD = {
    "neck_pitch": (-0.4, 0.4),
    "head_pitch": (-0.4, 0.4),
    "head_yaw": (-0.8, 0.8),
    "head_roll": (-0.25, 0.25),
}  # rad from home
MOTIONS = (
    *(we.gates.Motion("left", speed) for speed in (-0.15, 0.15)),
    *(we.gates.Motion("turn", rate) for rate in (-0.8, 0.8)),
    we.gates.Motion("left", 0.3, required=False),
    we.gates.Motion("turn", 1.0, required=False),
)
POSES = (
    we.gates.Pose("up", (-0.3, -0.3, 0.0, 0.0)),
    we.gates.Pose("down", (0.3, 0.3, 0.0, 0.0)),
    we.gates.Pose("aside", (0.0, 0.0, 0.7, 0.2)),
    we.gates.Pose("up, walking", (-0.3, -0.3, 0.0, 0.0), 0.2),
    we.gates.Pose("down, walking", (0.3, 0.3, 0.0, 0.0), 0.2),
    we.gates.Pose("aside, walking", (0.0, 0.0, -0.7, -0.2), 0.2),
)


@we.recipe
def microduck(
    robot: str = "microduck",
    physics: we.EngineName = "auto",
    steps: int = 8_000_000,
    seed: int = 0,
    num_envs: int = 256,
    period: float = 0.4,
    symmetric: bool = True,
) -> we.Recipe:
    """Walk any way, turn, and hold the head where it is told."""
    body = we.load_robot(robot)
    velocity = we.commands.VelocityCommand(
        body,
        lin_vel_x=(-0.4, 0.4),
        lin_vel_y=(-0.2, 0.2),
        ang_vel_z=(-0.9, 0.9),
        stand_probability=0.15,
        interval=4.0,
        deadband=0.03,
        axis_probability=0.5,
        in_place_probability=0.3,
    )
    head = we.commands.JointPoseCommand(body, HEAD)
    gait = we.gaits.FootTimedGait(body, period=period)
    controller = we.controllers.JointPosition(body, scale=1.0, limits="command")
    measured = {  # in the order of the makers' contract
        "base_ang_vel": we.terms.AngularVelocity(body),
        "projected_gravity": we.terms.ProjectedGravity(body),
        "joint_pos": we.terms.JointPositions(body),
        "joint_vel": we.terms.JointVelocities(body),
        "actions": we.terms.LastAction(controller),
        "command": we.terms.CommandTerm("velocity", velocity.observed),
        "head_command": we.terms.CommandTerm("head", head.observed),
        "body_command": we.terms.Reserved(6),
    }
    sensing = {
        "base_ang_vel": (we.sensing.ReadingDelay((0.0, 0.02)), we.sensing.Noise(0.017)),
        "projected_gravity": (we.sensing.ReadingDelay((0.0, 0.02)), we.sensing.Noise(0.006)),
        "joint_pos": (we.sensing.Noise(0.0006),),
        "joint_vel": (we.sensing.ReadingDelay((0.02, 0.02)), we.sensing.Noise(0.14)),
    }
    privileged = {
        "linvel": we.terms.BaseLinearVelocity(body),
        "height": we.terms.BaseHeight(body),
        "contacts": we.terms.FootContacts(body),
        "gait_phase": we.terms.CommandTerm("gait", gait.observed),
    }
    rotor = we.servos.XL330_ARMATURE / float(body.model.mj.dof_armature[body.joint_dof[0]])
    nominal = we.servos.xl330(voltage=(7.4, 7.4), sag=(0.1, 0.1))
    servos = we.Servos(body, {"delay": we.servos.CommandDelay((0.015, 0.03)), **we.servos.xl330()})
    env = we.Env(
        physics=we.make_physics(physics, body, 0.005, steps),
        controller=controller,
        observations={
            "policy": we.ObservationStack(measured, sensing=sensing),
            "critic": we.ObservationStack({**measured, **privileged}, policy=False),
        },
        rewards={
            "track": we.rewards.TrackLinVelX(body, weight=9.0, width=0.08, slope=3.0),
            "lateral": we.rewards.TrackLinVelY(body, weight=6.0, width=0.1, slope=3.0),
            "yaw": we.rewards.TrackAngVelZ(body, weight=1.0, width=0.4, slope=0.4),
            "heading": we.rewards.TrackHeading(weight=3.0, width=0.1),
            "head": we.rewards.TrackJointPose(head, "head", weight=6.0, width=0.15, slope=3.0),
            "foot": we.rewards.FeetClearance(body, weight=6.0, height=0.018, width=0.014),
            "contacts": we.rewards.GaitContacts(body, weight=4.0),
            "slip": we.rewards.FeetSlip(body, weight=-500.0),
            "upright": we.rewards.FlatOrientation(body, weight=-10.0),
            "height": we.rewards.BaseHeightError(body, weight=-200.0),
            "rate": we.rewards.ActionRate(weight=-0.03),
            "torque": we.rewards.Torque(weight=-1.2),
            "still": we.rewards.StandStill(body, command="gait", weight=-0.5),
            "alive": we.rewards.Alive(weight=4.0),
        },
        endings={"fallen": we.endings.Fallen(body)},
        reset_state=we.resets.HomeReset(body, drop=0.002),
        commands={"velocity": velocity, "head": head, "gait": gait},
        disturbances=we.Disturbances(
            servos=servos, randomisers=(we.randomise.ScaleArmature((0.9 * rotor, 1.1 * rotor)),)
        ),
        episode_length=8.0,
    )
    return we.Recipe(
        env=env,
        learner=we.PPO(num_envs=num_envs, decay_steps=steps, symmetric=symmetric),
        steps=steps,
        seed=seed,
        # First it learns to step: what is asked of speeds, head, slip and torque beside that is slight until it walks.
        curriculum=we.Curriculum(
            start={
                "rewards.track.weight": 3.0,
                "rewards.track.width": 0.1,
                "rewards.track.slope": 2.0,
                "rewards.slip.weight": -2.0,
                "rewards.lateral.weight": 3.0,
                "rewards.lateral.slope": 2.0,
                "rewards.head.weight": 1.5,
                "rewards.head.width": 0.25,
                "rewards.head.slope": 2.0,
                "rewards.torque.weight": -0.1,
            },
            success={"lin_vel_x_error": 0.03},
            rise=0.004,
            lower=3.0,
        ),
        gate=we.gates.PosedWalkGate(
            we.gates.WalkGate(
                required=(-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3), reported=(-0.4, 0.4), episodes=64, motions=MOTIONS
            ),
            pose="head",
            poses=POSES,
            servos=we.Servos(body, {"delay": we.servos.CommandDelay((0.0225, 0.0225)), **nominal}),
            randomisers=(we.randomise.ScaleArmature((rotor, rotor)),),
        ),
    )
