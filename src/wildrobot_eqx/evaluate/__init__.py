"""Evaluate: judged episodes, gates, and what robots do that are not as drawn."""

from .clip_gate import ClipGate as ClipGate
from .gate import AbstractGate as AbstractGate
from .gate import AbstractMeter as AbstractMeter
from .gate import Case as Case
from .gate import Figure as Figure
from .gate import GateResult as GateResult
from .gate import Limit as Limit
from .goal_gate import GoalGate as GoalGate
from .walking.motions import Motion as Motion
from .walking.posed_gate import Pose as Pose
from .walking.posed_gate import PosedWalkGate as PosedWalkGate
from .walking.stand_gate import StandGate as StandGate
from .walking.walk_gate import WalkGate as WalkGate
