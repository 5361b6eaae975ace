"""Learn: the in-house PPO."""

from .agent import MakePolicy as MakePolicy
from .config import PPOConfig as PPOConfig
from .networks import AbstractPolicy as AbstractPolicy
from .networks import Normal as Normal
from .networks import SideMirror as SideMirror
from .normalise import RunningNorm as RunningNorm
from .ppo import Agent as Agent
from .ppo import TrainState as TrainState
