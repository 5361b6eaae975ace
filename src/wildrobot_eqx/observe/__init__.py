"""Observe: what a policy and a critic see, with its layout as data."""

from .sensing import AbstractSensing as AbstractSensing
from .sensing import Bias as Bias
from .sensing import DroppedPackets as DroppedPackets
from .sensing import EncoderOffset as EncoderOffset
from .sensing import MountingError as MountingError
from .sensing import Noise as Noise
from .sensing import ReadingDelay as ReadingDelay
from .sensing import ReadingResolution as ReadingResolution
from .sensing import SampleHold as SampleHold
from .signals import Command as Command
from .signals import Signals as Signals
from .stack import ObservationStack as ObservationStack
from .stack import Slice as Slice
from .terms import AbstractTerm as AbstractTerm
from .terms import AngularVelocity as AngularVelocity
from .terms import BaseHeight as BaseHeight
from .terms import BaseLinearVelocity as BaseLinearVelocity
from .terms import FootContacts as FootContacts
from .terms import GaitPhase as GaitPhase
from .terms import JointPositions as JointPositions
from .terms import JointVelocities as JointVelocities
from .terms import LastAction as LastAction
from .terms import ProjectedGravity as ProjectedGravity
from .terms import VelocityCommands as VelocityCommands
