"""Env: the modules joined, rolled out in batches, and held to their contract."""

from .env import Env as Env
from .env import EnvState as EnvState
from .env import Timestep as Timestep
from .rollout import ResetPool as ResetPool
