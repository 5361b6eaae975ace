"""The wrong world that a policy is judged in: the recipe's own ranges, a fifth wider, or the standard ones."""

import dataclasses
from typing import Any

from ...arrays import f32
from ...control import Backlash, CommandDelay, CommandResolution, DCMotor, RandomCalibrationError, Servos
from ...env import Disturbances, Env
from ...observe import (
    AbstractSensing,
    AbstractTerm,
    AngularVelocity,
    Bias,
    EncoderOffset,
    JointPositions,
    JointVelocities,
    MountingError,
    Noise,
    ObservationStack,
    ProjectedGravity,
    ReadingDelay,
    ReadingResolution,
)
from ...physics import (
    AbstractRandomiser,
    Payload,
    ScaleArmature,
    ScaleDamping,
    ScaleFriction,
    ScaleFrictionLoss,
    ScaleGains,
    ScaleMass,
    ShiftCentreOfMass,
    TiltGravity,
)
from ...robots import Robot
from ..rollout import judged_env
from .widen import FACTOR, Range, widen

_RESOLUTION = 0.0041888  # rad, of the servos' readings: 0.24 degrees
_PAYLOAD = 0.08  # of the robot's mass


@dataclasses.dataclass(frozen=True)
class WrongWorld:
    """An env to judge in, and where its errors come from."""

    env: Env
    sources: dict[str, str]  # by part of the world: "recipe", "standard" or "none"
    ranges: tuple[Range, ...]  # of the recipe's own parts


def wrong_world(env: Env, timestep: float, factor: float = FACTOR) -> WrongWorld:
    """The recipe's env on the native engine with its wrong world, `factor` times as wide.

    Servos, calibration, sensing and randomisers that the recipe does not have are the
    standard ones, as they are. Events are the recipe's own, stretched, or none.
    """
    robot, stack = env.physics.robot, env.observations["policy"]
    ranges: list[Range] = []
    sources: dict[str, str] = {}

    def choose(name: str, own: Any, standard: Any) -> Any:
        sources[name] = "recipe" if own else "standard" if standard else "none"
        if not own:
            return standard
        wide, found = widen(own, factor, name)
        ranges.extend(found)
        return wide

    own = Disturbances() if env.disturbances is None else env.disturbances
    parts = choose("servos", None if own.servos is None else own.servos.parts, standard_servos(robot))
    parts = {name: parts[name] for name in (parts if own.servos is None else own.servos.names)}
    servos = Servos(robot, parts, 1 if own.servos is None else own.servos.updates)
    calibration = choose("calibration", own.calibration, RandomCalibrationError())
    sensing = choose("sensing", stack.sensing, standard_sensing(stack, env.physics.control_dt))
    randomisers = choose("randomisers", own.randomisers, standard_randomisers(robot))
    events = choose("events", own.events, {})
    made = dataclasses.replace(
        judged_env(env, timestep),
        disturbances=Disturbances(randomisers, servos, calibration, events),
        observations={"policy": with_sensing(stack, sensing)},
    )
    return WrongWorld(made, sources, tuple(ranges))


def with_sensing(stack: ObservationStack, sensing: dict[str, tuple[AbstractSensing, ...]]) -> ObservationStack:
    """The stack's terms and history, sensed otherwise."""
    terms: dict[str, AbstractTerm] = {name: stack.terms[name] for name in stack.names}
    return ObservationStack(terms, sensing=sensing, history=stack.history)


def standard_servos(robot: Robot) -> dict[str, Any]:
    """Late and rounded commands, the motor's torque-speed line at any charge of the battery, and backlash."""
    return {
        "delay": CommandDelay((0.005, 0.02)),
        "resolution": CommandResolution(f32(_RESOLUTION)),
        "motor": DCMotor(robot, voltage=(9.6, 12.6), strength=(0.9, 1.1)),
        "backlash": Backlash(f32((0.0, 0.01745))),
    }


def standard_sensing(stack: ObservationStack, dt: float) -> dict[str, tuple[AbstractSensing, ...]]:
    """Errors by the kind of term; a term of any other kind is perfect. `dt` (s) is the control period.

    Joint velocities are differences of two rounded readings, whose error has the standard
    deviation `resolution / (sqrt(6) dt)`.
    """
    late = ReadingDelay((0.0, 0.01))
    kinds: dict[type[AbstractTerm], tuple[AbstractSensing, ...]] = {
        ProjectedGravity: (MountingError(), Noise(0.01)),
        AngularVelocity: (MountingError(), Bias(0.01), Noise(0.02)),
        JointPositions: (EncoderOffset(), ReadingResolution(f32(_RESOLUTION)), late),
        JointVelocities: (Noise(_RESOLUTION / (6.0**0.5 * dt)), late),
    }
    return {name: kinds[type(term)] for name, term in stack.terms.items() if type(term) in kinds}


def standard_randomisers(robot: Robot) -> tuple[AbstractRandomiser, ...]:
    """Bodies, joints, gains and floor, each with its module's own range; a payload of up to 8% of the robot."""
    mass = float(robot.model.mj.body_mass.sum())
    return (
        ScaleMass(),
        ShiftCentreOfMass(robot),
        Payload(robot, (0.0, _PAYLOAD * mass)),
        ScaleGains(),
        ScaleArmature(),
        ScaleDamping(),
        ScaleFrictionLoss(),
        ScaleFriction(),
        TiltGravity(),
    )
