"""The demos that ship: small, judged, and walking under the view's own sliders."""

import numpy as np
import pytest

from wildrobot_eqx.cli import main
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.paths import data_dir
from wildrobot_eqx.view.bundled import BundleSimulation
from wildrobot_eqx.view.session import Session
from wildrobot_eqx.view.stage import arrange

DEMOS = sorted(data_dir("demos").glob("*.zip"))


def _run(session: Session, seconds: float) -> None:
    for _ in range(round(seconds / 0.2)):
        session.advance(0.2)


def _speed(session: Session) -> float:
    return float(np.mean([sample.measured["lin_vel_x"] for sample in list(session.focused.samples)[-40:]]))


@pytest.mark.parametrize("path", DEMOS, ids=lambda path: path.stem)
def test_a_demo_is_small_and_its_gate_was_passed(path):
    assert path.stat().st_size < 200_000
    document = Bundle.open(path).contract.document
    assert document["gate"]["passed"] is True
    assert document["training"]["recipe"] == path.stem
    assert document["training"]["seed"] == 0
    assert document["training"]["versions"]["wildrobot-eqx"]


def test_a_slider_changes_the_measured_speed_and_a_push_the_path():
    (path,) = (path for path in DEMOS if path.stem == "walk")
    session = arrange([BundleSimulation(Bundle.open(path))])
    speeds = []
    for asked in (0.1, 0.3):
        session.ask("lin_vel_x", asked)
        _run(session, 5.0)
        speeds.append(_speed(session))
    assert speeds == pytest.approx([0.1, 0.3], abs=0.05)
    assert session.focused.falls == 0
    aside = session.focused.shadow.place[1]
    session.impulse = 0.3 * session.focused.shadow.mass  # N s: 0.3 m/s to the left
    session.push()
    _run(session, 1.0)
    assert session.focused.shadow.place[1] - aside > 0.02


def test_a_stand_takes_over_from_a_walk():
    chosen = [BundleSimulation(Bundle.open(path)) for path in DEMOS if path.stem in ("walk", "stand")]
    chosen.sort(key=lambda simulation: simulation.title.startswith("stand"))
    session = arrange(chosen)
    session.ask("lin_vel_x", 0.2)
    _run(session, 2.0)
    session.choose(1)
    _run(session, 3.0)
    assert session.focused.simulation.title.startswith("stand")
    assert session.focused.falls == 0
    assert abs(_speed(session)) < 0.1


def test_a_demo_that_there_is_not_is_told(capsys):
    assert main(["demo", "wlak"]) == 2
    assert "did you mean 'walk'?" in capsys.readouterr().err
