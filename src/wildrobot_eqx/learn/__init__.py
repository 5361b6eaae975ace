"""Learn: the in-house PPO."""

from .ppo import Agent as Agent
from .ppo import PPOConfig as PPOConfig
from .ppo import TrainState as TrainState
