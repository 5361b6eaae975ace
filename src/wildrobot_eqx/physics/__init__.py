"""Physics: one state type, several engines."""

from .base import AbstractPhysics as AbstractPhysics
from .base import PhysicsState as PhysicsState
from .mjx import MjxPhysics as MjxPhysics
from .native import NativePhysics as NativePhysics
from .params import PhysicsParams as PhysicsParams
from .randomise import AbstractRandomiser as AbstractRandomiser
from .randomise import ScaleFriction as ScaleFriction
from .randomise import ScaleGains as ScaleGains
from .randomise import ScaleMass as ScaleMass
from .select import Backend as Backend
from .select import make_physics as make_physics
from .tree import TreePhysics as TreePhysics
