"""Imitation: tracking a motion clip as one task among others, composed from abstract commands, resets and rewards."""

from .clip import ClipFrame as ClipFrame
from .clip import MotionClip as MotionClip
from .command import ClipCommand as ClipCommand
from .command import ClipState as ClipState
from .endings import ClipOver as ClipOver
from .files import load_clip as load_clip
from .files import write_clip as write_clip
from .reset import ClipReset as ClipReset
from .rewards import TrackBaseHeight as TrackBaseHeight
from .rewards import TrackBaseTilt as TrackBaseTilt
from .rewards import TrackJointPositions as TrackJointPositions
from .rewards import TrackJointVelocities as TrackJointVelocities
