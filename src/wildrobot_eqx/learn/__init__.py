"""Learn: the in-house PPO."""

from .config import PPOConfig as PPOConfig
from .networks import AbstractPolicy as AbstractPolicy
from .ppo import Agent as Agent
from .ppo import TrainState as TrainState
