"""Learn: the in-house PPO."""

from .agent import MakePolicy as MakePolicy
from .config import PPO as PPO
from .config import BraxPPO as BraxPPO
from .config import BraxSAC as BraxSAC
from .distributions import AbstractDistribution as AbstractDistribution
from .distributions import Normal as Normal
from .networks import AbstractPolicy as AbstractPolicy
from .networks import AbstractValue as AbstractValue
from .networks import SideMirror as SideMirror
from .normalise import RunningNorm as RunningNorm
from .ppo import Agent as Agent
from .ppo import Rollout as Rollout
from .ppo import TrainState as TrainState
from .reward_model import AbstractRewardModel as AbstractRewardModel
