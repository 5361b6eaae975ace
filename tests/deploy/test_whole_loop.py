"""The whole loop with a hidden robot: excite it, identify it, train again, and let the new policy have it."""

from pathlib import Path

import numpy as np
import pytest

from wildrobot_eqx.bench.over_bus import record_over_bus, ride
from wildrobot_eqx.cli import main
from wildrobot_eqx.deploy import Bundle
from wildrobot_eqx.deploy.hidden.parameters import draw
from wildrobot_eqx.deploy.hidden.robot import HiddenRobot
from wildrobot_eqx.identify.identified import read_identified

pytest.importorskip("mcap")
pytestmark = pytest.mark.slow
DEMO = Path(__file__).parents[2] / "demos" / "stand.zip"
SECONDS = 60.0


def test_a_robot_that_drifts_is_identified_and_stands_under_a_new_policy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nominal = Bundle.open(DEMO)
    hidden = draw(5, len(nominal.contract.joints))
    before = leaned(nominal, hidden, tmp_path / "before.mcap")
    assert record_over_bus(nominal, hidden, 60.0, tmp_path / "excite.mcap") is None
    assert main(["identify", "excite.mcap", "--timestep", "0.004"]) == 0
    known = read_identified("identified.toml").of_kind("servo_zero")
    zeros = {joint: entry.value for joint, entry in known.items()}
    off = np.degrees([zeros[name] - true for name, true in zip(nominal.contract.joints, hidden.servo_zero)])
    assert np.median(np.abs(off)) < 0.5
    assert main(["run", "stand", "--identified", "identified.toml", "--out", "run", "--no-eval"]) == 0
    assert main(["export", "run", "--no-eval"]) == 0
    after = leaned(Bundle.open("run/bundle.zip"), hidden, tmp_path / "after.mcap")
    print(f"before {before}, after {after}")
    assert after[0] == ""
    assert after[1] < 3.0


def leaned(bundle, hidden, path):
    """The fault that ended a minute under the policy, and how far the trunk leaned in the end, degrees."""
    robot = HiddenRobot(bundle, hidden)
    fault = ride(bundle, robot, SECONDS, path)
    _, x, y, _ = robot.world.data.qpos[3:7]
    return fault or "", float(np.degrees(np.arccos(1.0 - 2.0 * (x * x + y * y))))
