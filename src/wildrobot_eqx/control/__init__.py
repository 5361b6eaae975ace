"""Control: from a policy's action to joint targets."""

from .base import AbstractController as AbstractController
from .base import JointPosition as JointPosition
from .filters import Delay as Delay
from .filters import LowPass as LowPass
