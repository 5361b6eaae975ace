"""Two bundles, exported once for all tests of the room."""

import pytest
from bundles import Files, gate, make_files, opened

from wildrobot_eqx.deploy.bundle.bundle import Bundle


@pytest.fixture(scope="session")
def hop_files() -> Files:
    """The hopper's: filters and a delay, no gait clock."""
    return make_files("hop")


@pytest.fixture(scope="session")
def walk_files() -> Files:
    """The biped's: a symmetric policy with a gait clock, and a verdict that it is not worth."""
    return make_files("walk", lambda env: gate(env, [0.0], [{"name": "survival", "command": 0.0, "passed": True}]))


@pytest.fixture(scope="session")
def hop(hop_files) -> Bundle:
    return opened(hop_files)


@pytest.fixture(scope="session")
def walk(walk_files) -> Bundle:
    return opened(walk_files)


@pytest.fixture(params=["hop", "walk"])
def bundle(request) -> Bundle:
    """Either."""
    return request.getfixturevalue(request.param)
