"""The player in closed loop: it has the robot of a training env, whose own gate measures and judges its episodes."""

import dataclasses
import logging
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..arrays import f32
from ..control import AbstractController, Delay
from ..deploy.bundle.bundle import Bundle
from ..deploy.bundle.contract import COMMAND, POSITIONS, SWITCHES, VELOCITIES
from ..deploy.export.robot_side import RobotSide, robot_side
from ..deploy.player.player import Player
from ..env import Env, EnvState, Timestep
from ..env.rollout import where
from ..errors import WildRobotError
from ..evaluate.gate import AbstractGate, AbstractMeter, Case, CommandFigures, GateLine, GateResult, batches, judge_case
from ..evaluate.rollout import control_steps, episode_of, judge_key, judged_env
from .sent import Sent

_log = logging.getLogger(__name__)


def closed_loop(bundle: Bundle, env: Env, gate: AbstractGate, episodes: int) -> GateResult:
    """The player's episodes, judged as the training env's were: the required cases, no others.

    Args:
        bundle: whose player has the robot.
        env: the env that the policy was trained in, or one with the same robot, commands and endings.
        gate: whose cases, meter and limits judge.
        episodes: for each case.

    Raises:
        WildRobotError: the env is of another robot than the bundle.
    """
    contract = bundle.contract
    if env.physics.robot.model.digest != contract.document["robot"]["model"]:
        raise WildRobotError(
            f"The bundle is of the robot {contract.document['robot']['name']!r}, and not of the one in this env: "
            "their models differ.",
            where=bundle.path,
            hint="verify it with the run that it was exported from",
        )
    timestep = contract.document["simulation"]["timestep"] if contract.document["simulation"] else env.physics.timestep
    judged = gate.prepare(judged_env(env, timestep))
    rest = f32(contract.target_rest)
    sent: AbstractController = Delay(Sent(rest), rest, contract.document["controller"]["delay"])
    side = robot_side(judged)
    judged = dataclasses.replace(judged, controller=sent, observations={}, rewards={})
    cases, limits, meter = gate.cases(env), gate.limits(env), gate.meter(judged)
    shown = meter.shown() | {limit.figure: limit.shown for limit in limits if limit.shown is not None}
    lines: list[GateLine] = []
    found: list[CommandFigures] = []
    for batch in batches([case for case in cases if case.required]):
        rows = gate.rows(batch, episodes)
        tallies = _batch(bundle, judged, side, meter, batch, episodes, gate, rows)
        for case, tally in zip(batch, tallies):
            figures, own = judge_case(case, meter.figures(tally, case), limits, timestep, meter.joints(tally), shown)
            found.append(figures)
            lines += own
            _log.info(f"the player, {case.label or case.name}: {sum(line.passed for line in own)} of {len(own)} lines")
    return GateResult(
        tuple(lines), tuple(found), episodes, gate.seconds, f"{episodes} episodes of the player", gate.columns, shown
    )


def _batch(
    bundle: Bundle,
    env: Env,
    side: RobotSide,
    meter: AbstractMeter,
    cases: tuple[Case, ...],
    episodes: int,
    gate: AbstractGate,
    rows: Any,
) -> list[Any]:
    """The tallies of each case's episodes, all of them simulated side by side."""
    n, steps = len(cases) * episodes, control_steps(env, gate.seconds)
    each, of = episode_of(cases, episodes, gate.vary, rows)
    keys = jax.random.split(judge_key(env.physics.timestep), n)
    players = [Player(bundle, unguarded=True) for _ in range(n)]
    for player in players:
        player.start(ramp=False)
    nu, na = len(bundle.contract.joints), int(bundle.contract.document["policy"]["action_size"])
    loop = _begin(env, meter, side, each, of, keys, na)
    running = np.ones(n, bool)
    for k in range(steps):
        readings = jax.device_get(loop[3])
        targets, actions = np.zeros((n, nu), np.float32), np.zeros((n, na), np.float32)
        for i in np.flatnonzero(running):
            step = players[i].step({"time": k * players[i].dt, **_named(bundle, side, readings, int(i))})
            targets[i] = step.target
            actions[i] = 0.0 if step.action is None else step.action
        loop = _step(env, meter, side, each, of, loop, jnp.asarray(targets), jnp.asarray(actions))
        running = np.asarray(loop[2])
        if not running.any():
            break
    tally = jax.tree.map(lambda leaf: np.asarray(leaf).reshape(len(cases), episodes, *leaf.shape[1:]), loop[1])
    return [jax.tree.map(lambda leaf, i=i: leaf[i], tally) for i in range(len(cases))]


def _named(bundle: Bundle, side: RobotSide, readings: dict[str, np.ndarray], i: int) -> dict[str, Any]:
    """The readings of one robot and what it is asked for, as a player takes them."""
    contract = bundle.contract
    row = {name: values[i] for name, values in readings.items()}
    command = {channel.name: float(value) for channel, value in zip(contract.channels, row.pop(COMMAND))}
    feet = dict(zip(contract.feet, row.pop(SWITCHES, ())))
    joints = {kind: dict(zip(side.measured, row.pop(kind))) for kind in (POSITIONS, VELOCITIES)}
    return {**row, **joints, COMMAND: command, **({SWITCHES: feet} if feet else {})}


def _readings(side: RobotSide, state: EnvState) -> dict[str, Array]:
    """What all robots measure and are asked for, a row for each."""
    physics, switches = state.physics, side.switches()
    commands = [jax.vmap(side.commands[name].asked)(state.commands[name]) for name in sorted(side.commands)]
    n = physics.qpos.shape[0]
    return {
        COMMAND: jnp.concatenate([jnp.zeros((n, 0), jnp.float32), *commands], axis=1),
        POSITIONS: physics.qpos[:, np.array(side.qpos, int)],
        VELOCITIES: physics.qvel[:, np.array(side.qvel, int)],
        **{name: jax.vmap(sensor.read)(physics.sensordata) for name, sensor in side.sensors.items()},
        **({SWITCHES: jax.vmap(switches[0].closed)(physics)} if switches else {}),
    }


Loop = tuple[EnvState, Any, Bool[Array, " n"], dict[str, Array]]


@eqx.filter_jit
def _begin(env: Env, meter: AbstractMeter, side: RobotSide, each: Any, of: Any, keys: Array, na: int) -> Loop:
    """First states, tallies, which run, and readings."""
    state, timestep = jax.vmap(lambda case, key: each(env, case).reset(key))(of, keys)
    tally = jax.vmap(meter.init)(_acted(state, jnp.zeros((keys.size, na), jnp.float32)), timestep)
    return state, tally, jax.vmap(meter.running)(tally), _readings(side, state)


@eqx.filter_jit
def _step(
    env: Env,
    meter: AbstractMeter,
    side: RobotSide,
    each: Any,
    of: Any,
    loop: Loop,
    targets: Float[Array, "n nu"],
    actions: Float[Array, "n na"],
) -> Loop:
    """One control period; episodes that are over stay frozen where they were."""
    state, tally, _, _ = loop
    new: EnvState
    timestep: Timestep
    new, timestep = jax.vmap(lambda case, state, target: each(env, case).step(state, target))(of, state, targets)
    tally = jax.vmap(meter.step)(tally, _acted(new, actions), timestep)
    running = jax.vmap(meter.running)(tally)
    state = where(running, new, state)
    return state, tally, running, _readings(side, state)


def _acted(state: EnvState, actions: Float[Array, "n na"]) -> EnvState:
    """The states with the policies' actions, which meters read, in place of what was sent."""
    return eqx.tree_at(lambda s: s.action, state, actions)
