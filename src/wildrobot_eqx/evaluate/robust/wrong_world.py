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
    HingeAngles,
    HingeOffset,
    JointPositions,
    JointVelocities,
    MountingError,
    NamedJointVelocities,
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
from .parts import Lack, lacking, no_base, no_contacts, no_servos
from .widen import FACTOR, Range, widen

_RESOLUTION = 0.0041888  # rad, of the servos' readings: 0.24 degrees
_PAYLOAD = 0.08  # of the robot's mass
_NEEDS: dict[str, Lack] = {
    "servos": no_servos,
    "ShiftCentreOfMass": no_base,
    "Payload": no_base,
    "ScaleFriction": no_contacts,
}
_PART = {name: "servos" if name == "servos" else "randomisers" for name in _NEEDS}  # of the world


@dataclasses.dataclass(frozen=True)
class WrongWorld:
    """An env to judge in, and where its errors come from."""

    env: Env
    sources: dict[str, str]  # by part of the world: "recipe", "standard" or "none"
    ranges: tuple[Range, ...]  # of the recipe's own parts
    left_out: dict[str, str]  # of the standard ones, those that the robot cannot have, and why


def wrong_world(env: Env, timestep: float, factor: float = FACTOR) -> WrongWorld:
    """The recipe's env on the native engine with its wrong world, `factor` times as wide.

    Servos, calibration, sensing and randomisers that the recipe does not have are the
    standard ones, as they are, as far as the robot has what they are errors of. Events are the
    recipe's own, stretched, or none.
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
    servos = Servos(robot, parts, 1 if own.servos is None else own.servos.updates) if parts else None
    calibration = choose("calibration", own.calibration, RandomCalibrationError())
    sensing = choose("sensing", stack.sensing, standard_sensing(robot, stack, env.physics.control_dt))
    randomisers = choose("randomisers", own.randomisers, standard_randomisers(robot))
    events = choose("events", own.events, {})
    made = dataclasses.replace(
        judged_env(env, timestep),
        disturbances=Disturbances(randomisers, servos, calibration, events),
        observations={"policy": with_sensing(stack, sensing)},
    )
    missing = lacking(robot, _NEEDS)
    left_out = {name: why for name, why in missing.items() if sources[_PART[name]] != "recipe"}
    return WrongWorld(made, sources, tuple(ranges), left_out)


def with_sensing(stack: ObservationStack, sensing: dict[str, tuple[AbstractSensing, ...]]) -> ObservationStack:
    """The stack's terms and history, sensed otherwise."""
    terms: dict[str, AbstractTerm] = {name: stack.terms[name] for name in stack.names}
    return ObservationStack(terms, sensing=sensing, history=stack.history)


def standard_servos(robot: Robot) -> dict[str, Any]:
    """Late and rounded commands, the motor's torque-speed line at any charge of the battery, and backlash.

    Of a robot whose actuators are no position servos there are none.
    """
    if no_servos(robot) is not None:
        return {}
    return {
        "delay": CommandDelay((0.005, 0.02)),
        "resolution": CommandResolution(f32(_RESOLUTION)),
        "motor": DCMotor(robot, voltage=(9.6, 12.6), strength=(0.9, 1.1)),
        "backlash": Backlash(f32((0.0, 0.01745))),
    }


def standard_sensing(robot: Robot, stack: ObservationStack, dt: float) -> dict[str, tuple[AbstractSensing, ...]]:
    """Errors by the kind of term; a term of any other kind has none. `dt` (s) is the control period.

    Joint velocities are differences of two rounded readings, whose error has the standard
    deviation `resolution / (sqrt(6) dt)`.
    """
    late = ReadingDelay((0.0, 0.01))
    velocities = (Noise(_RESOLUTION / (6.0**0.5 * dt)), late)
    kinds: dict[type[AbstractTerm], tuple[AbstractSensing, ...]] = {
        ProjectedGravity: (MountingError(), Noise(0.01)),
        AngularVelocity: (MountingError(), Bias(0.01), Noise(0.02)),
        JointPositions: (EncoderOffset(), ReadingResolution(f32(_RESOLUTION)), late),
        JointVelocities: velocities,
        NamedJointVelocities: velocities,
    }
    found = {name: kinds[type(term)] for name, term in stack.terms.items() if type(term) in kinds}
    hinges = {
        name: (*offsets, ReadingResolution(f32(_RESOLUTION)), late)
        for name, offsets in hinge_offsets(robot, stack).items()
    }
    return found | hinges


def hinge_offsets(robot: Robot, stack: ObservationStack) -> dict[str, tuple[AbstractSensing, ...]]:
    """Encoder offsets, where a policy sees a hinge as sine and cosine, by term."""
    hinges = {name: term for name, term in stack.terms.items() if isinstance(term, HingeAngles)}
    return {name: (HingeOffset(robot, term.joints),) for name, term in hinges.items()}


def standard_randomisers(robot: Robot) -> tuple[AbstractRandomiser, ...]:
    """Bodies, joints, gains and floor, each with its module's own range; a payload of up to 8% of the robot.

    Loads and shifts of mass are those of a base that moves, friction is that of what can touch.
    """
    based, touching = no_base(robot) is None, no_contacts(robot) is None
    mass = float(robot.model.mj.body_mass.sum())
    load = (ShiftCentreOfMass(robot), Payload(robot, (0.0, _PAYLOAD * mass))) if based else ()
    joints = (ScaleGains(), ScaleArmature(), ScaleDamping(), ScaleFrictionLoss())
    return (ScaleMass(), *load, *joints, *((ScaleFriction(),) if touching else ()), TiltGravity())
