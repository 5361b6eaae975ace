"""Randomisers of the domain parameters: each a function `(key, params) -> params`, drawn anew for every episode."""

from .base import AbstractRandomiser as AbstractRandomiser
from .bodies import Payload as Payload
from .bodies import ScaleInertia as ScaleInertia
from .bodies import ScaleMass as ScaleMass
from .bodies import ShiftCentreOfMass as ShiftCentreOfMass
from .floor import ScaleFriction as ScaleFriction
from .floor import TiltGravity as TiltGravity
from .joints import ScaleArmature as ScaleArmature
from .joints import ScaleDamping as ScaleDamping
from .joints import ScaleFrictionLoss as ScaleFrictionLoss
from .joints import ScaleGains as ScaleGains
from .joints import ScaleStrength as ScaleStrength
from .ranges import MemberRanges as MemberRanges
