"""Env: the modules joined, rolled out in batches, and held to their contract."""

from .bias import PersistentBias as PersistentBias
from .disturbances import Disturbances as Disturbances
from .disturbances import DisturbanceState as DisturbanceState
from .env import Env as Env
from .env import EnvState as EnvState
from .env import Timestep as Timestep
from .rollout import ResetPool as ResetPool
