"""The world of a long evaluation: a recipe's own lasting errors, a fifth wider, or the standard ones."""

import dataclasses
from typing import Any

from ...control import Servos
from ...env import Disturbances, Env, PersistentBias
from ...observe.felt import feeling
from ..robust.widen import FACTOR, Range, widen
from ..robust.wrong_world import with_sensing
from ..rollout import judged_env


@dataclasses.dataclass(frozen=True)
class LastingWorld:
    """An env to judge in, and where its errors come from."""

    env: Env
    source: str  # "recipe": its own, a fifth wider; "standard"
    ranges: tuple[Range, ...]  # as trained and as judged


def lasting_world(env: Env, timestep: float, factor: float = FACTOR) -> LastingWorld:
    """The recipe's env on the native engine, whose errors last for an episode; nothing happens on the way.

    Of a recipe with a `PersistentBias` all randomisers, calibration errors and servos are its own, `factor` times as
    wide. Any other one gets the standard `PersistentBias`. The policy's sensors feel the errors of encoders and IMU, in
    a recipe that lets them be perfect, too.
    """
    own = Disturbances() if env.disturbances is None else env.disturbances
    biased = any(isinstance(randomiser, PersistentBias) for randomiser in own.randomisers)
    ranges: list[Range] = []

    def wider(name: str, part: Any) -> Any:
        wide, found = widen(part, factor, name)
        ranges.extend(found)
        return wide

    if biased:
        servos = own.servos
        if servos is not None:
            parts = wider("servos", {name: servos.parts[name] for name in servos.names})
            servos = Servos(env.physics.robot, parts, servos.updates)
        calibration = None if own.calibration is None else wider("calibration", own.calibration)
        made = Disturbances(wider("randomisers", own.randomisers), servos, calibration)
    else:
        made = PersistentBias(env.physics.robot).added_to()
    stack = env.observations["policy"]
    judged = dataclasses.replace(
        judged_env(env, timestep),
        disturbances=made,
        observations={"policy": with_sensing(stack, feeling(stack))},
    )
    return LastingWorld(judged, "recipe" if biased else "standard", tuple(ranges))
