"""Golden vectors through the player: the same readings must give the same observations, actions and targets."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.archive import damaged
from ..bundle.bundle import GOLDEN, Bundle
from ..bundle.contract import ACTION, COMMAND, OBSERVATION, POSITIONS, SWITCHES, TARGET, VELOCITIES
from ..player.player import Player

TOLERANCE = 1e-5  # of an observation, an action and a target, each in its own units
_SENSOR, _STATE = "sensor/", "state/"


@dataclasses.dataclass(frozen=True)
class Replay:
    """How far the player was from training, at most, and where that was too far."""

    steps: int
    observation: float
    action: float
    target: float
    wrong: str | None  # the first figure beyond the tolerance
    memory: float = 0.0  # of a policy that has one, in its own units

    @property
    def passed(self) -> bool:
        """Every target is what training made of the same readings."""
        return self.wrong is None


def replay(bundle: Bundle, player: Player | None = None) -> Replay:
    """Give the player the recorded readings, step by step.

    Args:
        bundle: whose golden vectors, and whose player where none is given.
        player: an unguarded player of that bundle.

    Raises:
        WildRobotError: the golden vectors are missing or do not fit the contract.
    """
    player = Player(bundle, unguarded=True) if player is None else player
    rows = bundle.golden()
    steps = _check(bundle, rows)
    player.start(ramp=False)
    worst = {OBSERVATION: 0.0, ACTION: 0.0, TARGET: 0.0, "memory": 0.0}
    memory = [state.input for state in bundle.contract.states if state.kind == "memory"]
    wrong = None
    for k in range(steps):
        step = player.step(_readings(player, rows, k))
        if step.observation is None or step.action is None:
            return Replay(steps, **worst, wrong=f"step {k}: the player gave up: {step.fault}")
        off = {
            OBSERVATION: np.abs(step.observation - rows[OBSERVATION][k]),
            **{name: np.abs(player.state[name][0] - rows[f"{_STATE}{name}"][k]) for name in memory},
            ACTION: np.abs(step.action - rows[ACTION][k]),
            TARGET: np.abs(step.target - rows[TARGET][k]),
        }
        for name, errors in off.items():
            kind = "memory" if name in memory else name
            worst[kind] = max(worst[kind], float(errors.max()))
            if wrong is None and not errors.max() <= TOLERANCE:
                wrong = f"step {k}: {_place(bundle, name, int(errors.argmax()))} is off by {errors.max():.3g}"
    return Replay(steps, **worst, wrong=wrong)


def _readings(player: Player, rows: dict[str, NDArray[np.float32]], k: int) -> dict[str, Any]:
    contract = player.bundle.contract
    return {
        "time": k * player.dt,
        COMMAND: commands(player.bundle, rows, k),
        POSITIONS: dict(zip(contract.measured, rows[POSITIONS][k])),
        VELOCITIES: dict(zip(contract.measured, rows[VELOCITIES][k])),
        **({SWITCHES: dict(zip(contract.feet, rows[SWITCHES][k]))} if contract.feet else {}),
        **{name.removeprefix(_SENSOR): row[k] for name, row in rows.items() if name.startswith(_SENSOR)},
    }


def commands(bundle: Bundle, rows: dict[str, NDArray[np.float32]], k: int) -> dict[str, float]:
    """What the golden rollout is asked for in a control step, by channel."""
    return {channel.name: float(rows[COMMAND][k, i]) for i, channel in enumerate(bundle.contract.channels)}


def _place(bundle: Bundle, name: str, index: int) -> str:
    contract = bundle.contract
    if name not in (OBSERVATION, ACTION, TARGET):
        return f"the memory {name!r}[{index}]"
    if name == ACTION and contract.document["policy"]["action_size"] != len(contract.joints):
        return f"the action [{index}]"
    if name != OBSERVATION:
        return f"the {name} of {contract.joints[index]!r}"
    part = next(part for part in contract.parts if part.start <= index < part.stop)
    ago = f" of {part.age} control step{'s' if part.age > 1 else ''} ago" if part.age else ""
    return f"the observation {part.name!r}[{index - part.start}]{ago}"


def _check(bundle: Bundle, rows: dict[str, NDArray[np.float32]]) -> int:
    """Every array is there, finite, and as long as the others; returns how long."""
    contract = bundle.contract
    measured = (len(contract.measured),)
    shapes: dict[str, tuple[int, ...]] = {
        "time": (),
        COMMAND: (len(contract.channels),),
        POSITIONS: measured,
        VELOCITIES: measured,
        **({SWITCHES: (len(contract.feet),)} if contract.feet else {}),
        OBSERVATION: (contract.observation_size,),
        ACTION: (contract.document["policy"]["action_size"],),
        TARGET: (len(contract.joints),),
        **{f"{_SENSOR}{s['name']}": (s["size"],) for s in contract.document["sensors"]},
        **{f"{_STATE}{s.input}": s.shape[1:] for s in contract.states if s.kind == "memory"},
    }
    where = f"{bundle.path}, {GOLDEN}"
    missing = sorted(set(shapes) - set(rows))
    if missing:
        raise damaged(f"The golden vectors lack {missing[0]!r}.", where)
    steps = len(rows["time"]) if rows["time"].ndim else 0
    for name, shape in shapes.items():
        if rows[name].shape != (steps, *shape) or not steps or not np.isfinite(rows[name]).all():
            raise damaged(f"The golden vectors {name!r} do not fit the contract, or are not finite.", where)
    return steps
