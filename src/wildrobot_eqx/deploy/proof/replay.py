"""Golden vectors through the player: the same readings must give the same observations, actions and targets."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle.archive import damaged
from ..bundle.bundle import GOLDEN, Bundle
from ..player.guard import SWITCHES
from ..player.player import Player

TOLERANCE = 1e-5  # rad of a target, and of an action in rad; of an observation in its own units
_SENSOR, _STATE = "sensor/", "state/"


@dataclasses.dataclass(frozen=True)
class Replay:
    """How far the player was from training, at most, and where that was too far."""

    steps: int
    observation: float
    action: float  # rad
    target: float  # rad
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
    worst = {"observation": 0.0, "action": 0.0, "target": 0.0, "memory": 0.0}
    memory = [state.input for state in bundle.contract.states if state.kind == "memory"]
    wrong = None
    for k in range(steps):
        step = player.step(_readings(player, rows, k))
        if step.observation is None or step.action is None:
            return Replay(steps, **worst, wrong=f"step {k}: the player gave up: {step.fault}")
        off = {
            "observation": np.abs(step.observation - rows["observation"][k]),
            **{name: np.abs(player.state[name][0] - rows[f"{_STATE}{name}"][k]) for name in memory},
            "action": np.abs((step.action - rows["action"][k]) * bundle.contract.scale),
            "target": np.abs(step.target - rows["target"][k]),
        }
        for name, errors in off.items():
            kind = "memory" if name in memory else name
            worst[kind] = max(worst[kind], float(errors.max()))
            if wrong is None and not errors.max() <= TOLERANCE:
                wrong = f"step {k}: {_place(bundle, name, int(errors.argmax()))} is off by {errors.max():.3g}"
    return Replay(steps, **worst, wrong=wrong)


def _readings(player: Player, rows: dict[str, NDArray[np.float32]], k: int) -> dict[str, Any]:
    return {
        "time": k * player.dt,
        "command": {name: float(rows[name][k]) for name in command_names(player.bundle)},
        "joint_positions": dict(zip(player.joints, rows["joint_positions"][k])),
        "joint_velocities": dict(zip(player.joints, rows["joint_velocities"][k])),
        **({SWITCHES: dict(zip(feet, rows[SWITCHES][k]))} if (feet := player.bundle.contract.feet) else {}),
        **{name.removeprefix(_SENSOR): row[k] for name, row in rows.items() if name.startswith(_SENSOR)},
    }


def command_names(bundle: Bundle) -> list[str]:
    """What the policy is told, by the names of the contract and of the golden vectors."""
    return [name for name in ("speed", "lateral", "turn") if name in bundle.contract.document["command"]]


def _place(bundle: Bundle, name: str, index: int) -> str:
    contract = bundle.contract
    if name not in ("observation", "action", "target"):
        return f"the memory {name!r}[{index}]"
    if name != "observation":
        return f"the {name} of {contract.joints[index]!r}"
    part = next(part for part in contract.parts if part.start <= index < part.stop)
    ago = f" of {part.age} control step{'s' if part.age > 1 else ''} ago" if part.age else ""
    return f"the observation {part.name!r}[{index - part.start}]{ago}"


def _check(bundle: Bundle, rows: dict[str, NDArray[np.float32]]) -> int:
    """Every array is there, finite, and as long as the others; returns how long."""
    contract = bundle.contract
    nu = len(contract.joints)
    shapes: dict[str, tuple[int, ...]] = {
        "time": (),
        **dict.fromkeys(command_names(bundle), ()),
        "joint_positions": (nu,),
        "joint_velocities": (nu,),
        **({SWITCHES: (len(contract.feet),)} if contract.feet else {}),
        "observation": (contract.observation_size,),
        "action": (nu,),
        "target": (nu,),
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
