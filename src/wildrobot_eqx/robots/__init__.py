"""Robots: named data loaded from robot.toml and an MJCF."""

from .ground import Ground as Ground
from .ground import above as above
from .load import load_robot as load_robot
from .load import robot_names as robot_names
from .model import Model as Model
from .robot import Base as Base
from .robot import Foot as Foot
from .robot import Imu as Imu
from .robot import Mirror as Mirror
from .robot import Robot as Robot
from .robot import Sensor as Sensor
from .robot import Servo as Servo
from .terrain import is_on_ground as is_on_ground
from .terrain import on_ground as on_ground
