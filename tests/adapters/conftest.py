"""Small Brax envs, shared by the tests of the adapters."""

import pytest
from small import small_env

from wildrobot_eqx.adapters import BraxEnv
from wildrobot_eqx.randomise import ScaleFriction, ScaleMass


@pytest.fixture(scope="session")
def brax_hopper(hopper) -> BraxEnv:
    """A hopper for Brax, whose parameters are drawn anew in each episode."""
    return BraxEnv(small_env(hopper, randomisers=(ScaleMass(), ScaleFriction())))
