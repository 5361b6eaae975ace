"""Robots: named data loaded from robot.toml and an MJCF."""

from .ground import Ground as Ground
from .ground import above as above
from .joints import encoded as encoded
from .joints import joint_addresses as joint_addresses
from .joints import joint_unit as joint_unit
from .joints import measured_joints as measured_joints
from .joints import need_hinges as need_hinges
from .joints import one_unit as one_unit
from .joints import site_of as site_of
from .load import load_robot as load_robot
from .load import robot_names as robot_names
from .model import Model as Model
from .parts import Base as Base
from .parts import DrivenJoints as DrivenJoints
from .parts import Foot as Foot
from .parts import FreeBody as FreeBody
from .parts import Imu as Imu
from .parts import Mirror as Mirror
from .parts import Sensor as Sensor
from .parts import Servo as Servo
from .robot import ActuatorKind as ActuatorKind
from .robot import Part as Part
from .robot import Robot as Robot
from .terrain import is_on_ground as is_on_ground
from .terrain import on_ground as on_ground
