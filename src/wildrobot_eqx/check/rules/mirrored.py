"""The mirror of every observation term, held against physics: mirror(obs(s)) == obs(mirror(s)).

A wrong sign or a wrong pair in one term's mirror is silent: a symmetric policy is then taught that left is right. Here
a robot is put into a few random poses and into their mirror images by MuJoCo's C engine, one in the air and one on the
floor, and each term reads both.
"""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ...arrays import f32
from ...env.env import Env
from ...observe import AbstractTerm, Signals
from ...physics import AbstractPhysics, NativePhysics, PhysicsParams, PhysicsState
from ...physics.mujoco_tools.reflection import Reflection
from ...task.commands import sample_commands, start_commands
from ..trace import source
from ..trace.findings import Finding

_OFF = 0.3  # of an entry's size: what a robot whose halves differ a little may be off, and a wrong sign is 2
_FLOOR = 0.03  # of the vector's largest entry, below which an entry counts as 0
_UNKNOWN = ("calibration", "servo")  # what signals hold whose mirror image only their makers know


def mirror_stage(env: Env) -> list[Finding]:
    """Terms whose mirror is not the one of what they read. A robot without a mirror has none to prove."""
    robot = env.physics.robot
    image = None if robot.mirror is None or env.controller.mirror is None else Reflection.of(robot)
    if image is None:
        return []
    terms = {
        f"env.observations[{role!r}].terms[{name!r}]": term
        for role, stack in sorted(env.observations.items())
        for name, term in stack.terms.items()
        if term.mirror is not None
    }
    wrong: dict[str, Finding] = {}
    for seen, reflected, asked in _pairs(env, image):
        for where, term in terms.items():
            if where not in wrong and _known(env, term, seen, asked):
                found = _differ(where, term, _read(term, seen), _read(term, reflected))
                wrong |= {} if found is None else {where: found}
    return list(wrong.values())


def _read(term: AbstractTerm, signals: Signals) -> Float[np.ndarray, " n"]:
    return np.asarray(term.step(term.init(signals), signals)[0])


def _differ(where: str, term: AbstractTerm, value: np.ndarray, other: np.ndarray) -> Finding | None:
    mirror = term.mirror
    assert mirror is not None
    wanted = value[list(mirror.source)] * np.array(mirror.sign)
    size = np.maximum(np.abs(wanted), np.abs(other))
    off = np.abs(wanted - other) > _OFF * size + _FLOOR * max(float(size.max(initial=0.0)), 1e-6)
    if not off.any():
        return None
    entries = ", ".join(str(i) for i in np.flatnonzero(off)[:6])
    return Finding(
        f"{where}.mirror",
        f"in the mirrored pose it reads {_few(other)}",
        f"the mirror of its reading is {_few(wanted)}",
        f"mend the mirror of its entries {entries}: polar vectors (velocity, force) reflect to (x, -y, z), axial ones "
        "(angular velocity) to (-x, y, -z), left joints to right ones",
        source.describe(term),
    )


def _few(values: np.ndarray) -> str:
    return "[" + ", ".join(f"{value:.3g}" for value in values[:6]) + (", ...]" if len(values) > 6 else "]")


def _known(env: Env, term: AbstractTerm, signals: Signals, asked: Signals) -> bool:
    """Whether the mirror image of all that a term reads is known.

    That of a command's state is not, but where the term reads the same of another one, drawn for the same pose
    (`asked`), what it reads of the command follows from the pose, as a heading does.
    """
    if not np.allclose(_read(term, signals), _read(term, asked), atol=1e-5):
        return False
    jaxpr = jax.make_jaxpr(lambda s: term.step(term.init(s), s)[0])(signals).jaxpr
    used = {id(v) for eqn in jaxpr.eqns for v in eqn.invars} | {id(v) for v in jaxpr.outvars}
    paths = [path for path, _ in jax.tree.leaves_with_path(signals)]
    for path, var in zip(paths, jaxpr.invars, strict=True):
        field = str(getattr(path[0], "name", ""))
        if id(var) in used and field in _UNKNOWN:
            return False
        if id(var) in used and field == "observed":
            command = env.commands[str(getattr(path[1], "key", ""))]
            if any(channel.mirror is None for channel in command.observed):
                return False
    return True


def _pairs(env: Env, image: Reflection) -> Iterator[tuple[Signals, Signals, Signals]]:
    """What terms see of a robot, of its mirror image, and of the robot when it is asked for something else.

    First in the air, then on the floor.
    """
    mirror, own = env.controller.mirror, image.robot.mirror
    assert mirror is not None
    assert own is not None
    robot = env.physics.robot
    engine = NativePhysics(robot, float(env.physics.model.mj.opt.timestep), threads=1)
    params = engine.params()
    random = np.random.default_rng(0)
    for lift in (robot.leg_length, -0.01 * robot.leg_length):
        qpos, qvel = image.pose(random, lift)
        first = engine.init(params, f32(qpos), f32(qvel))
        second = engine.init(params, f32(image.qpos(qpos)), f32(image.qvel(qvel)))
        observed = {name: f32(random.normal(size=len(env.commands[name].observed))) for name in sorted(env.commands)}
        signs = {name: f32([c.mirror or 1.0 for c in env.commands[name].observed]) for name in observed}
        actions = [f32(random.normal(size=env.action_size)) for _ in range(2)]
        ctrl = f32(np.asarray(env.controller.rest()) + 0.1 * random.normal(size=robot.nu))

        def started(seed: int, physics: PhysicsState) -> dict[str, Any]:
            return start_commands(env.commands, sample_commands(env.commands, jax.random.key(seed)), physics)

        calibration, servo = _drawn(env, engine, params, first)
        rest: dict[str, Any] = {"params": params, "calibration": calibration, "servo": servo}
        seen = Signals(first, actions[0], actions[1], ctrl, started(0, first), observed, **rest)
        asked = Signals(first, actions[0], actions[1], ctrl, started(1, first), observed, **rest)
        turned = {name: signs[name] * value for name, value in observed.items()}
        after = [mirror(action) for action in actions]
        yield seen, Signals(second, after[0], after[1], own(ctrl), started(0, second), turned, **rest), asked


def _drawn(env: Env, engine: AbstractPhysics, params: PhysicsParams, state: PhysicsState) -> tuple[Any, Any]:
    """Calibration errors and servo states, where the env has some: terms may ask for them."""
    if env.disturbances is None:
        return None, ()
    given = params if env.disturbances.draws_params else None
    begun = env.disturbances.init(jax.random.key(0), engine, given, params, state)
    return begun.calibration, begun.servo
