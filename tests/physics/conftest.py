"""Engines that the physics tests share."""

import pytest
from engines import Engine, mjx, native


@pytest.fixture(params=["hopper", "wildrobot"])
def engine(request) -> Engine:
    """The native engine of each robot."""
    return native(request.param)


@pytest.fixture
def native_hopper() -> Engine:
    return native("hopper")


@pytest.fixture
def native_wildrobot() -> Engine:
    return native("wildrobot")


@pytest.fixture
def mjx_hopper() -> Engine:
    return mjx("hopper")


@pytest.fixture
def mjx_wildrobot() -> Engine:
    return mjx("wildrobot")
