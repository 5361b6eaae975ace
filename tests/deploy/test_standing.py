"""A bundle of a robot that only stands: kicks make its golden vectors worth something."""

import numpy as np
import pytest
from bundles import make_files, opened

from wildrobot_eqx.deploy.bundle.bundle import GOLDEN
from wildrobot_eqx.deploy.export.export import _arrays
from wildrobot_eqx.deploy.proof.replay import replay
from wildrobot_eqx.deploy.proof.retrace import retrace


@pytest.fixture(scope="module")
def standing():
    return opened(make_files("stand"))


@pytest.mark.slow
def test_the_golden_rollout_is_kicked_and_walked_again(standing):
    rows = standing.golden()
    assert not rows["command"].any()
    (at,) = np.flatnonzero(rows["kick"].any(axis=1))
    assert np.linalg.norm(rows["kick"][at]) == pytest.approx(0.5)
    np.testing.assert_allclose(rows["qvel"][at + 1, :2], rows["kick"][at, :2], atol=0.25)
    assert rows["target"].std(axis=0).min() > 1e-3
    assert replay(standing).passed
    assert retrace(standing).passed
    without = {name: row for name, row in rows.items() if name != "kick"}
    found = retrace(type(standing)(standing.contract, {**standing.files, GOLDEN: _arrays(without)}, "bundle"))
    assert f"after step {at} it is" in found.wrong
