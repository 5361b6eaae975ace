"""The strips' HTML and numbers."""

import math

import numpy as np

from wildrobot_eqx.view import strips
from wildrobot_eqx.view.session import Sample


def test_names_never_become_markup():
    bad = '<img src=x onerror="1">'
    pages = [
        strips.bars([(bad, 1.0, 2.0, bad)]),
        strips.torques([bad], np.ones(1), np.ones(1)),
        strips.rewards({bad: 1.0}),
        strips.observation({bad: np.zeros(2, np.float32)}),
        strips.keys([(bad, bad)]),
        strips.line(bad),
    ]
    for page in pages:
        assert "<img" not in page
        assert "&lt;img" in page


def test_labels_of_charts_are_plain():
    assert strips.plain("lin_vel_x, m/s^2 <b>") == "lin_vel_x, m/s_2 _b_"


def test_a_bar_is_as_long_as_its_share_and_on_its_side():
    page = strips.bars([("a", 1.0, 2.0, "1")])
    assert "left:50.0%;width:25.0%" in page
    assert "left:25.0%;width:25.0%" in strips.bars([("a", -1.0, 2.0, "-1")])
    assert "left:0.0%;width:50.0%" in strips.bars([("a", 1.0, 2.0, "1")], signed=False)
    assert "width:50.0%" in strips.bars([("a", 9.0, 2.0, "9")])  # no longer than full
    for value, most in ((math.nan, 1.0), (1.0, math.inf), (1.0, 0.0)):
        assert "width:0.0%" in strips.bars([("a", value, most, "")])


def test_a_torque_near_its_limit_looks_different():
    calm, hard = (strips.torques(["a"], np.array([t]), np.array([2.0])) for t in (0.5, -1.99))
    assert "0.50/2" in calm
    assert strips._FULL in hard
    assert strips._FULL not in calm


def test_rewards_are_summed_and_sorted():
    page = strips.rewards({"small": -0.5, "big": 2.0})
    assert page.index("big") < page.index("small") < page.index("sum")
    assert "+1.500" in page


def test_series_end_now_and_lack_what_was_not_measured():
    samples = [Sample(1.0, {"a": 0.1}, {"a": 0.2}, {"left": 3.0}), Sample(1.5, {"a": 0.3}, {}, {"left": 4.0})]
    times, asked, measured = strips.series(samples, "a")
    np.testing.assert_allclose(times, [-0.5, 0.0])
    np.testing.assert_allclose(asked, [0.1, 0.3])
    np.testing.assert_allclose(measured, [0.2, np.nan])
    _, left, right = strips.foot_series(samples, ["left", "right"])
    np.testing.assert_allclose(left, [3.0, 4.0])
    np.testing.assert_allclose(right, 0.0)
    assert all(len(column) == 1 for column in (*strips.series([], "a"), *strips.foot_series([], ["left"])))
