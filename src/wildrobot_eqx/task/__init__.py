"""Task: what every task is made of: commands, resets, rewards, endings, events and a curriculum."""

from .commands import AbstractCommand as AbstractCommand
from .curriculum import Curriculum as Curriculum
from .curriculum import CurriculumState as CurriculumState
from .endings import AbstractEnding as AbstractEnding
from .endings import AbstractStatelessEnding as AbstractStatelessEnding
from .endings import Fallen as Fallen
from .events import AbstractEvent as AbstractEvent
from .events import Push as Push
from .events import VelocityKick as VelocityKick
from .posture import ActionRate as ActionRate
from .posture import Alive as Alive
from .posture import BaseHeightError as BaseHeightError
from .posture import FlatOrientation as FlatOrientation
from .posture import JointSpeedLimit as JointSpeedLimit
from .posture import Posture as Posture
from .posture import Torque as Torque
from .posture import kernel as kernel
from .resets import AbstractReset as AbstractReset
from .resets import HomeReset as HomeReset
from .rewards import AbstractReward as AbstractReward
from .rewards import AbstractStatelessReward as AbstractStatelessReward
