"""Curves of a metrics.jsonl that grows, breaks off and begins again."""

import json

import numpy as np
import pytest

from wildrobot_eqx.view.curves import _MOST, Curves


def _line(steps: int, **figures: float) -> str:
    return json.dumps({"steps": steps, **figures}) + "\n"


def test_new_lines_are_taken_up_and_half_ones_wait(tmp_path):
    path = tmp_path / "metrics.jsonl"
    curves = Curves(path, ("episode_return", "lin_vel_x_error"))
    assert not curves.poll()  # there is no file yet
    path.write_text(_line(1_000_000, episode_return=1.0) + '{"steps": 2000')
    assert curves.poll()
    with path.open("a") as file:
        file.write('000, "episode_return": 3.0}\nno json\n[1]\n')
    assert curves.poll()
    assert not curves.poll()
    steps, returned, error = curves.series()
    np.testing.assert_allclose(steps, [1.0, 2.0])
    np.testing.assert_allclose(returned, [1.0, 3.0])
    assert np.isnan(error).all()


def test_a_run_that_goes_on_from_earlier_is_read_anew(tmp_path):
    path = tmp_path / "metrics.jsonl"
    curves = Curves(path, ("episode_return",))
    path.write_text("".join(_line(i, episode_return=float(i)) for i in range(100)))
    curves.poll()
    path.write_text(_line(7, episode_return=-1.0))
    assert curves.poll()
    np.testing.assert_allclose(curves.series(), [[7e-6], [-1.0]])


@pytest.mark.parametrize("count", [1, _MOST, _MOST + 1, 5 * _MOST + 3])
def test_many_points_become_means(tmp_path, count):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(_line(i, a=2.0 * i) for i in range(count)))
    curves = Curves(path, ("a",))
    curves.poll()
    steps, figure = curves.series()
    assert len(steps) <= _MOST
    np.testing.assert_allclose(figure, 2e6 * steps)
    group = -(-count // _MOST)
    assert steps[0] == pytest.approx(np.arange(min(group, count)).mean() / 1e6)
