"""What can be told of a robot from its logs: parameters, what is believed of them before, and how far they may go."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import WildRobotError, nearest
from .subject import Subject

Each = Literal["joint", "body", "axis", "body axis", "one"]


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of parameter: a ratio to the model's own value (`log`), or a value in its unit.

    Before any log is read, a member is believed to lie `own` around what all members have in common, and that
    `common` around `mean`: standard deviations, of ratios those of their logarithms.
    """

    name: str
    each: Each
    unit: str
    log: bool
    own: float
    common: float
    step: float  # of finite differences
    mean: float = 0.0
    low: float = -np.inf
    high: float = np.inf
    simulated: bool = True  # False: it changes readings alone
    about: str = ""
    excitation: str = ""  # what tells it


_DEG = float(np.radians(1.0))
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            *("servo_zero", "joint", "rad", False, 1.5 * _DEG, 0.0, 0.5 * _DEG),
            *(0.0, -10 * _DEG, 10 * _DEG),
            about="what the encoder reads at the joint's true zero",
            excitation="squats and leans to both sides, the waist turned far to either side, one joint at a time",
        ),
        Kind(
            *("stiffness", "joint", "", True, 0.06, 0.2, 0.05, 0.0, -0.9, 0.9),
            about="the position loop's gain, with its damping",
            excitation="steps of single joints, and slow squats under load",
        ),
        Kind(
            *("damping", "one", "", True, 0.25, 0.0, 0.2, 0.0, -1.2, 1.2),
            about="viscous friction of all joints",
            excitation="fast chirps (2 to 5 Hz) of single joints",
        ),
        Kind(
            *("friction", "joint", "", True, 0.5, 0.4, 0.15, 0.2, -1.5, 1.8),
            about="dry friction of the joint",
            excitation="slow sweeps forth and back of single joints under load",
        ),
        Kind(
            *("backlash", "joint", "rad", False, 0.25 * _DEG, 0.15 * _DEG, 0.08 * _DEG),
            *(0.45 * _DEG, 0.0, 3 * _DEG),
            about="play of the gears, in all",
            excitation="slow sweeps in which the load of a joint changes its sign",
        ),
        Kind(
            *("armature", "one", "", True, 0.1, 0.0, 0.05, 0.0, -0.7, 0.7),
            about="inertia of motors and gears at the joints",
            excitation="fast chirps (2 to 5 Hz)",
        ),
        Kind(
            *("delay", "one", "s", False, 0.01, 0.0, 0.001, 0.012, 0.0, 0.08),
            about="from a target's leaving until the servo obeys it",
            excitation="steps",
        ),
        Kind(
            *("smoothing", "one", "s", False, 0.01, 0.0, 0.002, 0.01, 0.0, 0.06),
            about="time in which a servo goes from one target to the next, on a straight line",
            excitation="steps, and fast chirps",
        ),
        Kind(
            *("voltage", "one", "", True, 0.1, 0.0, 0.05, 0.0, -0.6, 0.4),
            about="strength of all servos: their torque limit",
            excitation="deep squats or fast steps in which servos reach their torque limit",
        ),
        Kind(
            *("imu_tilt", "axis", "rad", False, 2.0 * _DEG, 0.0, 0.1 * _DEG),
            *(0.0, -15 * _DEG, 15 * _DEG, False),
            about="rotation vector from the IMU's frame in the model to its own",
            excitation="the waist turned far to either side; the robot leaning on its feet",
        ),
        Kind(
            *("gyro_bias", "axis", "rad/s", False, 0.005, 0.0, 0.001, 0.0, -0.1, 0.1, False),
            about="what the gyro reads at rest",
            excitation="standing still",
        ),
        Kind(
            *("mass", "body", "", True, 0.08, 0.0, 0.03, 0.0, -0.7, 0.7),
            about="of the body, with its inertia",
            excitation="deep squats, fast ones among them",
        ),
        Kind(
            *("centre_of_mass", "body axis", "m", False, 0.006, 0.0, 0.002, 0.0, -0.06, 0.06),
            about="shift of the body's centre of mass, in its frame",
            excitation="leans forward, back and to both sides, the waist turned far to either side",
        ),
        Kind(
            *("sole_friction", "one", "", True, 0.3, 0.0, 0.1, 0.0, -1.2, 0.7),
            about="sliding friction of soles and floor",
            excitation="fast steps of hips and waist in which the soles slip",
        ),
        Kind(
            *("sole_softness", "one", "", True, 0.4, 0.0, 0.1, 0.3, -0.7, 1.6),
            about="time constant of the soles' contact",
            excitation="fast leans and hops that unload one foot",
        ),
    )
}
AXES = ("x", "y", "z")


@dataclasses.dataclass(frozen=True)
class Parameters:
    """A list of parameters of one robot. A vector of values, in internal units, belongs to it: logarithms of ratios."""

    subject: Subject
    kinds: tuple[str, ...]
    names: tuple[str, ...]  # such as "friction.left_knee_pitch"
    kind_of: tuple[Kind, ...]
    member: tuple[int, ...]  # joint, body times 3 plus axis, ...

    @staticmethod
    def of(subject: Subject, kinds: Sequence[str] | None = None) -> "Parameters":
        """Those of some kinds, of all that the robot has by default.

        Raises:
            WildRobotError: there is no such kind.
        """
        for name in kinds or ():
            if name not in KINDS:
                raise WildRobotError(f"No parameter is called {name!r}.", where="parameters", hint=nearest(name, KINDS))
        names, kind_of, member = [], [], []
        for kind in KINDS.values():
            if kinds is not None and kind.name not in kinds:
                continue
            for i, label in enumerate(_members(kind, subject)):
                names.append(f"{kind.name}.{label}" if label else kind.name)
                kind_of.append(kind)
                member.append(i)
        if not names:
            raise WildRobotError("There is nothing to identify.", where="parameters", hint="name a kind of parameter")
        chosen = tuple(dict.fromkeys(kind.name for kind in kind_of))
        return Parameters(subject, chosen, tuple(names), tuple(kind_of), tuple(member))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def mean(self) -> NDArray[np.float64]:
        """What is believed before."""
        return np.array([kind.mean for kind in self.kind_of])

    @property
    def nominal(self) -> NDArray[np.float64]:
        """The model as it is."""
        return np.zeros(len(self))

    @property
    def steps(self) -> NDArray[np.float64]:
        """Steps of finite differences."""
        return np.array([kind.step for kind in self.kind_of])

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Least and greatest values."""
        return np.array([k.low for k in self.kind_of]), np.array([k.high for k in self.kind_of])

    @property
    def prior(self) -> NDArray[np.float64]:
        """Covariance of what is believed before, (p, p)."""
        kinds = [kind.name for kind in self.kind_of]
        found = np.diag([kind.own**2 for kind in self.kind_of])
        for i, kind in enumerate(self.kind_of):
            for j, other in enumerate(kinds):
                if other == kind.name:
                    found[i, j] += kind.common**2
        return found

    def values(self, kind: str, rows: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """The members of a kind in `rows` (n, p), (n, members): ratios, or values in its unit; None if it is fixed."""
        which = [i for i, k in enumerate(self.kind_of) if k.name == kind]
        if not which:
            return None
        found = rows[:, which]
        return np.exp(found) if KINDS[kind].log else found

    def at(self, kind: str) -> NDArray[np.int64]:
        """Indices of a kind's parameters."""
        return np.array([i for i, k in enumerate(self.kind_of) if k.name == kind], np.int64)


def _members(kind: Kind, subject: Subject) -> tuple[str, ...]:
    if kind.each == "joint":
        return subject.joints
    if kind.each == "body":
        return subject.bodies
    if kind.each == "axis":
        return AXES if subject.has_imu else ()
    if kind.each == "body axis":
        return tuple(f"{body}.{axis}" for body in subject.bodies for axis in AXES)
    return () if kind.name.startswith("sole") and not subject.feet else ("",)
