"""The player's episodes in closed loop: walked in plain MuJoCo, measured and judged like those of the training env."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..deploy.bundle.bundle import Bundle
from ..deploy.export.robot_files import bundled_robot
from ..deploy.hardware.mujoco_robot import MujocoRobot
from ..deploy.player.player import Player
from ..env import DisturbanceState, EnvState, Timestep
from ..errors import WildRobotError
from ..evaluate.gate import CommandFigures, GateLine, GateResult
from ..evaluate.walking.kicks import DIRECTIONS
from ..evaluate.walking.measure import Measurement, measure
from ..evaluate.walking.meter import GaitMeter, GaitTally
from ..locomotion import VelocityState
from ..physics import PhysicsState
from ..physics.base import foot_forces
from ..robots import Robot
from .gate_codec import Case, Judge

Say = Callable[[str], None]


def closed_loop(bundle: Bundle, judge: Judge, say: Say) -> GateResult:
    """The player's episodes, judged as the training env's were.

    Raises:
        WildRobotError: the bundle carries no robot, or too few first states.
    """
    episodes, seconds = judge.gate.episodes, judge.gate.seconds
    robot = bundled_robot(bundle)
    starts = bundle.golden()
    known = len(starts.get("start_qpos", ()))
    if episodes > known:
        raise WildRobotError(
            f"The bundle holds {known} first states, not {episodes}.", where="--episodes", hint=f"at most {known}"
        )
    meter = GaitMeter(robot, seconds, judge.warmup)
    simulated = MujocoRobot(bundle)
    player = Player(bundle, joints=simulated.joints, unguarded=True)
    timestep = float(bundle.contract.document["simulation"]["timestep"])
    lines: list[GateLine] = []
    found: list[CommandFigures] = []
    for case in judge.cases:
        runs = [
            _episode(player, simulated, case, i, seconds, starts["start_qpos"][i], starts["start_qvel"][i])
            for i in range(episodes)
        ]
        rows = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *runs)
        tally = jax.tree.map(np.asarray, _tally(robot, meter, rows))
        figures, judged = judge.judge(meter, tally, case, timestep)
        found.append(figures)
        lines += judged
        say(f"the player {case.words}: {int(tally.upright.sum())} of {episodes} upright")
    provisional = f"{episodes} episodes of the player"
    return GateResult(tuple(lines), tuple(found), episodes, seconds, provisional, judge.columns)


def _episode(
    player: Player,
    robot: MujocoRobot,
    case: Case,
    number: int,
    seconds: float,
    qpos: Float[np.ndarray, " nq"],
    qvel: Float[np.ndarray, " nv"],
) -> dict[str, np.ndarray]:
    """One episode: a row at the start and after each control step; after a fall all rows are its last."""
    robot.reset(qpos, qvel)
    player.start(ramp=False)
    steps, kicked = round(seconds / player.dt), round(case.kick_at / player.dt)
    action = np.zeros_like(player.bundle.contract.home)
    origin = robot.heading
    angle = origin + 2.0 * np.pi * number / len(DIRECTIONS)  # as `aim` has it
    kick = case.kick * np.array([np.cos(angle), np.sin(angle), 0.0])
    rows: list[dict[str, Any]] = []
    for k in range(steps + 1):
        step = player.step({**robot.read(), "command": case.told})  # what it holds is then that of this row
        held = {"origin": np.float32(origin), "target": np.float32(player.held_heading)}
        rows.append({**robot.snapshot(), **held, "action": action, "fallen": np.bool_(robot.fallen)})
        if robot.fallen or k == steps:
            break
        robot.write(dict(zip(player.joints, step.target)), player.dt)
        if k == kicked and case.kick:
            robot.kick(kick)
        robot.advance()
        action = np.zeros_like(action) if step.action is None else step.action
    rows += rows[-1:] * (steps + 1 - len(rows))
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


@eqx.filter_jit
def _tally(robot: Robot, meter: GaitMeter, rows: dict[str, Array]) -> GaitTally:
    """The tallies of episodes, from their rows (episodes, time, ...)."""

    def episode(rows: dict[str, Array]) -> GaitTally:
        samples = jax.vmap(lambda row: _measured(robot, row))(rows)
        first = jax.tree.map(lambda leaf: leaf[0], samples)
        rest = jax.tree.map(lambda leaf: leaf[1:], samples)
        return jax.lax.scan(lambda tally, sample: (meter.step(tally, sample), None), meter.init(first), rest)[0]

    return jax.vmap(episode)(rows)


def _measured(robot: Robot, row: dict[str, Array]) -> Measurement:
    """What the gate measures of the training env, of the simulated robot."""
    zero, fallen = jnp.zeros((), jnp.float32), row["fallen"]
    physics = PhysicsState(
        **{name: row[name] for name in ("qpos", "qvel", "xpos", "xquat", "site_xpos", "sensordata", "actuator_force")},
        time=zero,
        foot_force=foot_forces(robot, row["sensordata"]),
        carry=(),
    )
    state = EnvState(
        physics=physics,
        controller=(),
        commands={"velocity": VelocityState(zero, zero, zero, target=row["target"], origin=row["origin"])},
        rewards={},
        endings={},
        observations={},
        disturbances=DisturbanceState(None, None, {}, {}),
        action=row["action"],
        key=jax.random.key(0),
        steps=jnp.zeros((), jnp.int32),
    )
    return measure(robot, state, Timestep({}, zero, fallen, jnp.zeros((), bool), {}))
