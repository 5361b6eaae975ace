"""Control: from a policy's action to actuator commands, and what servos make of them."""

from .base import AbstractController as AbstractController
from .bus import CommandDelay as CommandDelay
from .bus import CommandResolution as CommandResolution
from .calibration import Calibration as Calibration
from .calibration import RandomCalibrationError as RandomCalibrationError
from .filters import Delay as Delay
from .filters import LowPass as LowPass
from .gears import Backlash as Backlash
from .gears import Deadband as Deadband
from .gears import GearFriction as GearFriction
from .joints import JointPosition as JointPosition
from .joints import JointTorque as JointTorque
from .joints import JointVelocity as JointVelocity
from .joints import target_range as target_range
from .law import Joints as Joints
from .law import ServoLaw as ServoLaw
from .motors import DCMotor as DCMotor
from .motors import IdealPD as IdealPD
from .servo import AbstractServo as AbstractServo
from .servo import Servos as Servos
from .voltage import XL330_ARMATURE as XL330_ARMATURE
from .voltage import XL330_GAIN as XL330_GAIN
from .voltage import VoltageControlledMotor as VoltageControlledMotor
from .voltage import xl330 as xl330
