"""`bundle verify`: the golden vectors through the player, then the player in closed loop before the gate."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..deploy.bundle import Bundle
from ..deploy.export import check_schema
from ..deploy.graph_check import check_graph
from ..deploy.mujoco_robot import MujocoRobot
from ..deploy.player import Player
from ..deploy.replay import TOLERANCE, Replay, replay
from ..deploy.retrace import Retrace, retrace
from ..deploy.robot_files import bundled_robot
from ..env import EnvState, Timestep
from ..errors import WildRobotError
from ..observe import Command
from ..physics import PhysicsState
from ..physics.base import foot_forces
from ..robots import Robot
from .gait import GaitMeter, GaitTally
from .gate import GateLine, GateResult, WalkGate
from .measure import Measurement, measure

EPISODES = 8  # per command
Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Verified:
    """What was found of one bundle."""

    replay: Replay
    retrace: Retrace | None  # None: the bundle carries no robot, or is not let walk
    gate: GateResult | None  # the player's, in closed loop; None where there is nothing to hold it against
    lost: tuple[str, ...]  # what the training env passed and the player fails
    note: str

    @property
    def passed(self) -> bool:
        """The player does what training did, step by step and in the end."""
        return self.replay.passed and (self.retrace is None or self.retrace.passed) and not self.lost

    def to_json(self) -> dict[str, Any]:
        """The findings as plain JSON values."""
        return {
            "passed": self.passed,
            "replay": {**_plain(self.replay), "tolerance": TOLERANCE},
            "retrace": None if self.retrace is None else _plain(self.retrace),
            "gate": None if self.gate is None else self.gate.to_json(),
            "lost": list(self.lost),
            "note": self.note,
        }


def _plain(found: Replay | Retrace) -> dict[str, Any]:
    """As JSON values, which know no infinity."""
    figures = dataclasses.asdict(found)
    broken = [name for name, value in figures.items() if isinstance(value, float) and not np.isfinite(value)]
    return {**figures, **dict.fromkeys(broken), "passed": found.passed}


def verify_bundle(bundle: Bundle, episodes: int, say: Say) -> Verified:
    """Prove that the player does what training did.

    The golden vectors come first: the recorded readings through the player. Then the golden
    rollout is walked again in plain MuJoCo. Where either fails, nothing more is walked. Then the
    player walks `episodes` of each required command, measured and judged like the training
    env. It loses a line that the training env's verdict passes and its own fails.

    Raises:
        WildRobotError: the bundle is damaged, or does not fit its own schema.
    """
    check_schema(bundle.contract.document)
    check_graph(bundle)
    replayed = replay(bundle)
    document = bundle.contract.document
    gate = document["gate"]
    if not replayed.passed:
        return Verified(replayed, None, None, (), "the player was not let walk: it does not repeat the golden vectors")
    if document["simulation"] is None:
        return Verified(replayed, None, None, (), "the bundle carries no robot that the player could walk")
    walked = retrace(bundle)
    if not walked.passed:
        return Verified(replayed, walked, None, (), "not judged: the player does not go where training went")
    if gate is None or gate.get("judge") != "WalkGate":
        return Verified(replayed, walked, None, (), "not judged: the bundle holds no verdict of a walk gate")
    result = closed_loop(bundle, episodes, say)
    trained = {(line["name"], line["command"]) for line in gate["lines"] if _lost(line)}
    lost = [line for line in result.lines if not line.passed and (line.name, line.command) not in trained]
    words = "passed" if gate["passed"] else f"failed ({len(gate['failed'])} lines)"
    note = f"the training env's verdict: {words}" + (
        f", provisional: {gate['provisional']}" if gate.get("provisional") else ""
    )
    return Verified(replayed, walked, result, tuple(str(line) for line in lost), note)


def _lost(line: dict[str, Any]) -> bool:
    """A line of a speed ahead that training failed; the player is told no other motion."""
    return not line["passed"] and not line.get("axis")


def closed_loop(bundle: Bundle, episodes: int, say: Say) -> GateResult:
    """The player's episodes, judged as the training env's were.

    Raises:
        WildRobotError: the bundle carries no robot, or too few first states.
    """
    document = bundle.contract.document
    gate = document["gate"]
    robot = bundled_robot(bundle)
    starts = bundle.golden()
    known = len(starts.get("start_qpos", ()))
    if episodes > known:
        raise WildRobotError(
            f"The bundle holds {known} first states, not {episodes}.", where="--episodes", hint=f"at most {known}"
        )
    judge = WalkGate(
        required=tuple(gate["required"]),
        reported=(),
        episodes=episodes,
        seconds=float(gate["seconds"]),
        warmup=float(gate["warmup"]),
    )
    meter = GaitMeter(robot, judge.seconds, judge.warmup)
    simulated = MujocoRobot(bundle)
    player = Player(bundle, joints=simulated.joints, unguarded=True)
    timestep = float(document["simulation"]["timestep"])
    lines: list[GateLine] = []
    found = []
    for speed in judge.required:
        runs = [
            _episode(player, simulated, speed, judge.seconds, starts["start_qpos"][i], starts["start_qvel"][i])
            for i in range(episodes)
        ]
        rows = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *runs)
        tally = jax.tree.map(np.asarray, _tally(robot, meter, rows))
        figures, judged = judge.judge(meter, tally, speed, timestep)
        found.append(figures)
        lines += judged
        say(f"the player at {speed:g} m/s: {int(tally.upright.sum())} of {episodes} upright")
    provisional = f"{episodes} episodes of the player"
    return GateResult(tuple(lines), tuple(found), episodes, judge.seconds, provisional)


def _episode(
    player: Player,
    robot: MujocoRobot,
    speed: float,
    seconds: float,
    qpos: Float[np.ndarray, " nq"],
    qvel: Float[np.ndarray, " nv"],
) -> dict[str, np.ndarray]:
    """One episode: a row at the start and after each control step; after a fall all rows are its last."""
    robot.reset(qpos, qvel)
    player.start(ramp=False)
    steps = round(seconds / player.dt)
    still = np.zeros_like(player.bundle.contract.home)
    origin = np.float32(robot.heading)
    rows: list[dict[str, Any]] = [{**robot.snapshot(), "action": still, "fallen": np.bool_(robot.fallen)}]
    for _ in range(steps):
        step = player.step({**robot.read(), "command": {"speed": speed}})
        robot.write(dict(zip(player.joints, step.target)))
        robot.advance()
        action = still if step.action is None else step.action
        rows.append({**robot.snapshot(), "action": action, "fallen": np.bool_(robot.fallen)})
        if robot.fallen:
            break
    rows += rows[-1:] * (steps + 1 - len(rows))
    stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return {**stacked, "origin": np.broadcast_to(origin, (steps + 1,))}


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
        params=None,
        controller=(),
        command=Command(speed=zero, yaw_rate=zero, heading=zero, target=zero, origin=row["origin"]),
        phase=zero,
        action=row["action"],
        key=jax.random.key(0),
        steps=jnp.zeros((), jnp.int32),
    )
    return measure(robot, state, Timestep({}, zero, fallen, _never(), {}))


def _never() -> Bool[Array, ""]:
    return jnp.zeros((), bool)
