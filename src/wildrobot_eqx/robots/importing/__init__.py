"""Import a robot from its maker's file: an MJCF or a URDF becomes robot.toml and an MJCF that all engines take."""

from .datasheets import DATASHEETS as DATASHEETS
from .files import write_robot as write_robot
from .findings import Finding as Finding
from .importer import ImportedRobot as ImportedRobot
from .importer import import_robot as import_robot
from .options import ImportOptions as ImportOptions
from .picture import decorated as decorated
from .trial import Trial as Trial
from .trial import hold_home as hold_home
