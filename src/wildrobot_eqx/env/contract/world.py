"""The modules of an imperfect world, each by itself: calibration errors, servo parts, sensing, events."""

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ...control import Calibration, Joints, ServoLaw
from ...observe import Signals
from ...physics import PhysicsState

if TYPE_CHECKING:
    from .modules import _Alone


def f32(*shape: int) -> jax.ShapeDtypeStruct:
    """The spec of a float32 array."""
    return jax.ShapeDtypeStruct(shape, np.float32)


def examine_world(alone: "_Alone", params: Any, physics: PhysicsState) -> dict[str, Any]:
    """Examine calibration, servos and events; returns what `Signals` tells of them, as specs."""
    env, nu, key = alone.env, alone.size["nu"], alone.key
    dt = env.physics.control_dt
    calibration = None
    if env.miscalibration is not None:
        calibration = jax.eval_shape(Calibration, f32(nu), f32(3))
        names = (("", "state.world.calibration"),)
        alone.part("env.miscalibration", env.miscalibration, (key, nu), "a key, nu", names, calibration)
    servo = {}
    if env.servos is not None:
        joints = jax.eval_shape(Joints, *[f32(nu)] * 4)
        law = jax.eval_shape(ServoLaw, *[f32(nu)] * 6)
        step = dt / env.servos.updates
        for name in env.servos.names:
            where, part = f"env.servos.parts[{name!r}]", env.servos.parts[name]
            state = f"state.world.servo[{name!r}]"
            first = (key, joints, f32(nu), step)
            servo[name] = _carried(alone, where, part, state, first, (law, joints, step), law)
    for name, event in env.events.items():
        where, state = f"env.events[{name!r}]", f"state.world.events[{name!r}]"
        _carried(alone, where, event, state, (key, dt), (physics, params, dt), (physics, params), keyed=True)
    return {"params": params, "calibration": calibration, "servo": () if env.perfect else servo}


def examine_sensing(alone: "_Alone", signals: Signals) -> None:
    """Examine every sensing module of every observation, on a reading of its term's length."""
    env = alone.env
    for role, stack in env.observations.items():
        for name, parts in stack.sensing.items():
            value = f32(len(stack.terms[name].mirror.source))
            for i, part in enumerate(parts):
                where = f"env.observations[{role!r}].sensing[{name!r}][{i}]"
                first = (alone.key, value, signals, env.physics.control_dt)
                _carried(alone, where, part, f"{where} state", first, (value, signals), (value,), keyed=True)


def _carried(
    alone: "_Alone",
    where: str,
    module: Any,
    name: str,
    first: tuple[Any, ...],
    rest: tuple[Any, ...],
    gives: Any,
    keyed: bool = False,
) -> Any:
    """A module's `init`, then its `__call__`, whose last result must be what `init` gave; returns that."""
    begun = alone.part(where, module, first, "a key", (("", name),), method="init")
    if begun is None:
        return None
    args = (alone.key, begun.out, *rest) if keyed else (begun.out, *rest)
    given = gives if isinstance(gives, tuple) else (gives,)
    wanted = (*given, begun.out)
    names = (*((f"[{i}]", f"{where} result {i}") for i in range(len(given))), (f"[{len(given)}]", name))
    alone.part(where, module, args, "its state and one step's readings", names, wanted)
    return begun.out
