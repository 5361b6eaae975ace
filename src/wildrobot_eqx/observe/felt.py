"""How a policy's readings feel errors that last: encoders and an IMU that are off, servos that are read in turn."""

from collections.abc import Sequence

from .sensing import AbstractSensing, EncoderOffset, MountingError, RoundRobin
from .stack import ObservationStack
from .terms import AngularVelocity, JointPositions, JointVelocities, ProjectedGravity

_FEELS: dict[type, type[AbstractSensing]] = {
    ProjectedGravity: MountingError,
    AngularVelocity: MountingError,
    JointPositions: EncoderOffset,
}


def feeling(
    stack: ObservationStack, *, calibration: bool = True, ages: Sequence[float] = ()
) -> dict[str, tuple[AbstractSensing, ...]]:
    """A stack's sensing by term, with what it lacks of errors that last.

    Args:
        stack: whose readings they are.
        calibration: encoder offsets in joint angles, the IMU's mounting in gravity and rates.
        ages: the share of joints' readings that were 0, 1, ... control steps old, as a log has measured; none if empty.
    """
    found = dict(stack.sensing)
    for name, term in stack.terms.items():
        parts, kind = found.get(name, ()), _FEELS.get(type(term))
        if calibration and kind is not None and not any(isinstance(part, kind) for part in parts):
            parts = (kind(), *parts)
        late = any(isinstance(part, RoundRobin) for part in parts)
        if len(ages) and not late and isinstance(term, JointPositions | JointVelocities):
            parts = (*parts, RoundRobin(ages=tuple(ages)))
        if parts:
            found[name] = parts
    return found
