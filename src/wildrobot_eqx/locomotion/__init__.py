"""Locomotion: walking and standing as one task among others, composed from abstract commands, rewards and terms."""

from . import gaits as gaits
from .balance import CapturePoint as CapturePoint
from .balance import IdleFeet as IdleFeet
from .base import AbstractMotionState as AbstractMotionState
from .feet import FeetClearance as FeetClearance
from .feet import FeetSlip as FeetSlip
from .feet import GaitContacts as GaitContacts
from .feet import StandStill as StandStill
from .find import gait_of as gait_of
from .find import velocities as velocities
from .find import velocity_in as velocity_in
from .find import velocity_of as velocity_of
from .foot_timed import FootTimedGait as FootTimedGait
from .gaits import Gait as Gait
from .gaits import GaitState as GaitState
from .terms import BaseLinearVelocity as BaseLinearVelocity
from .terms import FloorTilt as FloorTilt
from .tracking import TrackAngVelZ as TrackAngVelZ
from .tracking import TrackHeading as TrackHeading
from .tracking import TrackLinVelX as TrackLinVelX
from .tracking import TrackLinVelY as TrackLinVelY
from .velocity import HeadingController as HeadingController
from .velocity import VelocityCommand as VelocityCommand
from .velocity import VelocityState as VelocityState
