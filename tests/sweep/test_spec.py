"""What a sweep varies is read strictly, and drawn within its bounds."""

import math

import numpy as np
import pytest

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.sweep.spec import parse_grid, parse_sample, parse_seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0:4", (0, 1, 2, 3)), ("7", (7,)), ("0:2,10", (0, 1, 10)), (" 3 , 5:7", (3, 5, 6)), ("4294967295", (2**32 - 1,))],
)
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "a", "1.5", "-1", "4:4", "5:4", "0:", ":4", "0:4:2", "1,1", "0:3,2", "4294967296", "0:200000", "0:2,"]
)
def test_what_is_no_range_of_seeds_is_refused(text):
    with pytest.raises(WildRobotError) as caught:
        parse_seeds(text)
    assert caught.value.where == f"--seeds {text}"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("learner.learning_rate=1e-4,3e-4", "learner.learning_rate", ("1e-4", "3e-4")),
        ("learner.hidden=[64,64],[128]", "learner.hidden", ("[64,64]", "[128]")),
        ("gait=trot, pace", "gait", ("trot", "pace")),
        ('x="a,b","c"', "x", ('"a,b"', '"c"')),
        ("x=a=b", "x", ("a=b",)),
    ],
)
def test_a_grid(text, key, values):
    assert parse_grid(text) == (key, values)


@pytest.mark.parametrize("text", ["x", "=1", "x=", "x=1,,2", "x=1,1", "x=[1,2", 'x="a', "x=1]"])
def test_what_is_no_grid_is_refused(text):
    with pytest.raises(WildRobotError) as caught:
        parse_grid(text)
    assert caught.value.where.startswith("--grid")


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("uniform(-0.05,0)", -0.05, 0.0), ("loguniform(1e-4,1e-2)", 1e-4, 1e-2), ("randint(2,8)", 2, 7)],
)
def test_draws_lie_within_their_bounds(text, low, high):
    key, distribution = parse_sample(f"env.x={text}")
    assert key == "env.x"
    rng = np.random.default_rng(0)
    drawn = [float(distribution.draw(rng)) for _ in range(500)]
    assert low <= min(drawn) < max(drawn) <= high
    assert [float(end) for end in distribution.ends] == [low, high]
    middle = math.sqrt(low * high) if text.startswith("log") else 0.5 * (low + high)
    assert 0.4 < np.mean([value <= middle for value in drawn]) < 0.7  # randint's middle belongs to its lower half


def test_a_choice_draws_each_of_its_values():
    _, distribution = parse_sample("hidden=choice([64,64],[128])")
    rng = np.random.default_rng(0)
    assert {distribution.draw(rng) for _ in range(50)} == {"[64,64]", "[128]"}


@pytest.mark.parametrize("text", ["uniform(-0.05,0)", "loguniform(0.0001,0.01)", "randint(2,8)", "choice(a,b)"])
def test_a_distribution_is_written_as_it_is_read(text):
    _, distribution = parse_sample(f"x={text}")
    assert parse_sample(f"x={distribution.text}") == ("x", distribution)


@pytest.mark.parametrize(
    "text",
    [
        "x=0.5",
        "x=uniform",
        "x=uniform()",
        "x=uniform(1)",
        "x=uniform(1,2,3)",
        "x=uniform(2,1)",
        "x=uniform(1,1)",
        "x=uniform(a,b)",
        "x=uniform(0,inf)",
        "x=uniform(nan,1)",
        "x=loguniform(0,1)",
        "x=loguniform(-1,1)",
        "x=randint(0.5,2)",
        "x=choice()",
        "x=choice(a,,b)",
        "x=unifrom(0,1)",
        "x=__import__('os').system('true')",
        "=uniform(0,1)",
    ],
)
def test_what_is_no_distribution_is_refused(text):
    with pytest.raises(WildRobotError) as caught:
        parse_sample(text)
    assert caught.value.where.startswith("--sample")
    assert caught.value.hint
