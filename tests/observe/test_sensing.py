"""Sensing modules against what they promise, one by one, and the stack that keeps their state."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import policy_terms, random_signals, shifted

import wildrobot_eqx as we
from wildrobot_eqx.observe import ObservationStack

DT = 0.02


@pytest.fixture(scope="module")
def signals(hopper):
    calibration = we.Calibration(jnp.asarray([0.01, -0.02, 0.03]), jnp.asarray([0.0, 0.1, 0.0]))
    return dataclasses.replace(random_signals(hopper), calibration=calibration)


def run(part, values, signals, seed=0):
    """What becomes of `values` (steps x n), the first of which is the episode's first reading."""
    key_init, key_steps = jax.random.split(jax.random.key(shifted(seed)))
    first = part.init(key_init, values[0], signals, DT)

    def step(state, given):
        key, value = given
        value, state = part(key, state, value, signals)
        return state, value

    keys = jax.random.split(key_steps, len(values))
    return np.asarray(jax.jit(lambda: jax.lax.scan(step, first, (keys, values))[1])())


def ramp(steps: int, n: int = 3):
    """Readings that encode their time: entry i of step k is k + 100 i."""
    return jnp.arange(steps, dtype=jnp.float32)[:, None] + 100.0 * jnp.arange(n, dtype=jnp.float32)


def test_noise_is_white_with_its_standard_deviation(signals):
    out = run(we.sensing.Noise((0.1, 0.2, 0.0)), jnp.ones((4000, 3), jnp.float32), signals)
    np.testing.assert_allclose(out.std(axis=0), [0.1, 0.2, 0.0], rtol=0.05)
    np.testing.assert_allclose(out.mean(axis=0), 1.0, atol=0.02)
    ahead = out[:-1, 0] - 1.0
    assert abs(np.mean(ahead * (out[1:, 0] - 1.0))) < 0.05 * 0.01, "one step does not predict the next"
    assert abs(np.corrcoef(out[:, 0], out[:, 1])[0, 1]) < 0.05


def test_bias_stays_for_the_episode_and_differs_between_episodes(signals):
    part = we.sensing.Bias(0.3)
    outs = np.stack([run(part, jnp.zeros((5, 3), jnp.float32), signals, seed) for seed in range(3)])
    assert (outs == outs[:, :1]).all()
    assert len(np.unique(outs[:, 0])) == 9
    keys = jax.random.split(jax.random.key(0), 4000)
    drawn = jax.vmap(lambda key: part.init(key, jnp.zeros(3, jnp.float32), signals, DT))(keys)
    np.testing.assert_allclose(np.asarray(drawn).std(axis=0), 0.3, rtol=0.05)


def test_readings_are_whole_steps(signals):
    out = run(we.sensing.ReadingResolution(0.25), jnp.asarray([[0.3, -0.1, 1.13]], jnp.float32), signals)
    np.testing.assert_allclose(out[0], [0.25, 0.0, 1.25])


def test_encoders_read_their_offset_too_much(signals):
    out = run(we.sensing.EncoderOffset(), ramp(2), signals)
    np.testing.assert_allclose(out - ramp(2), np.tile([0.01, -0.02, 0.03], (2, 1)), atol=1e-5)


def test_a_hinge_seen_as_sine_and_cosine_reads_its_encoders_offset(signals, hopper):
    """One without an actuator, as the pitch of the hopper's base, has none."""
    hinges = ("root_pitch", *reversed(hopper.joint_names))
    angles = jnp.linspace(-3.0, 3.0, 8 * len(hinges), dtype=jnp.float32).reshape(8, len(hinges))
    read = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)
    out = run(we.sensing.HingeOffset(hopper, hinges), read, signals)
    wanted = np.asarray(angles) + np.array([0.0, 0.03, -0.02, 0.01])
    np.testing.assert_allclose(out, np.concatenate([np.sin(wanted), np.cos(wanted)], axis=1), atol=1e-6)


def test_an_imu_askew_sees_vectors_turned_back(signals):
    """Pitched by 0.1 rad about y, it sees gravity lean by that angle."""
    out = run(we.sensing.MountingError(), jnp.asarray([[0.0, 0.0, -1.0], [0.0, 2.0, 0.0]], jnp.float32), signals)
    np.testing.assert_allclose(out, [[np.sin(0.1), 0.0, -np.cos(0.1)], [0.0, 2.0, 0.0]], atol=1e-6)


@pytest.mark.parametrize(
    "part", [we.sensing.EncoderOffset(), we.sensing.MountingError()], ids=lambda part: type(part).__name__
)
def test_sensing_that_needs_calibration_says_so(hopper, part):
    blind = dataclasses.replace(random_signals(hopper), calibration=None)
    with pytest.raises(we.WildRobotError, match="the env draws none"):
        part(jax.random.key(0), (), jnp.zeros(3, jnp.float32), blind)


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.02, 0.033])
def test_a_delayed_ramp_is_late_by_that_time(signals, delay):
    """On the straight line between readings a ramp is exact; before the first reading, it stands."""
    out = run(we.sensing.ReadingDelay((delay, delay)), ramp(20), signals)
    np.testing.assert_allclose(out, np.maximum(np.asarray(ramp(20)) - delay / DT, ramp(1)), atol=1e-4)


def test_a_delayed_curve_is_off_by_its_curvature_at_most(signals):
    time = np.arange(60) * DT
    out = run(we.sensing.ReadingDelay((0.031, 0.031)), jnp.asarray(np.sin(9.0 * time)[:, None], jnp.float32), signals)
    error = out[3:, 0] - np.sin(9.0 * (time[3:] - 0.031))
    assert np.abs(error).max() < 9.0**2 * DT**2 / 8.0


def test_a_held_sample_is_renewed_once_per_period(signals):
    out = run(we.sensing.SampleHold((0.05, 0.05)), ramp(200, 1), signals)[:, 0]
    age = np.arange(200) - out
    assert age.min() >= 0
    assert age.max() <= 2
    renewed = np.flatnonzero(np.diff(out) > 0)
    assert len(renewed) == pytest.approx(200 * DT / 0.05, abs=1)
    np.testing.assert_allclose(run(we.sensing.SampleHold((0.01, 0.02)), ramp(9, 1), signals), ramp(9, 1))
    starts = {run(we.sensing.SampleHold((0.1, 0.1)), ramp(6, 1), signals, seed).tobytes() for seed in range(8)}
    assert len(starts) > 2, "the first reading falls anywhere in the period"


def test_a_dropped_packet_leaves_the_reading_before(signals):
    out = run(we.sensing.DroppedPackets(0.25), ramp(2000, 2), signals)
    lost = np.diff(out[:, 0]) == 0
    assert lost.mean() == pytest.approx(0.25, abs=0.04)
    np.testing.assert_array_equal(out[:, 0] + 100.0, out[:, 1])
    kept = np.flatnonzero(~lost) + 1
    np.testing.assert_array_equal(out[kept, 0], kept)


# --- the stack ---------------------------------------------------------------------------------------------


def test_history_stacks_the_last_moments_newest_first(hopper):
    terms = {name: policy_terms(hopper)[name] for name in ("gravity", "joint_positions")}
    stack = ObservationStack(terms, history=3)
    frames = [random_signals(hopper, seed) for seed in range(5)]
    obs, state = stack.init(jax.random.key(0), frames[0], DT)
    np.testing.assert_array_equal(obs, np.tile(stack(frames[0]), 3))
    for frame in frames[1:]:
        obs, state = stack.step(jax.random.key(1), state, frame)
    np.testing.assert_array_equal(obs, np.concatenate([stack(frame) for frame in frames[:1:-1]]))
    assert stack.size == 3 * 6
    assert [(s.name, s.age, s.start) for s in stack.layout[1:4]] == [
        ("joint_positions", 0, 3),
        ("gravity", 1, 6),
        ("joint_positions", 1, 9),
    ]


def test_the_mirror_of_a_history_mirrors_each_moment(robot):
    terms = policy_terms(robot)
    one, three = ObservationStack(terms), ObservationStack(terms, history=3)
    frames = np.random.default_rng(0).normal(size=(3, one.size)).astype(np.float32)
    np.testing.assert_array_equal(three.mirror(jnp.asarray(frames.ravel())), one.mirror(jnp.asarray(frames)).ravel())


def test_sensing_touches_its_term_alone_and_in_order(hopper, signals):
    terms = policy_terms(hopper)
    sensing = {
        "joint_positions": (we.sensing.EncoderOffset(), we.sensing.ReadingResolution(0.1)),
        "gravity": (we.sensing.MountingError(),),
    }
    stack = ObservationStack(terms, sensing=sensing)
    plain = ObservationStack(terms)
    assert stack.layout == plain.layout
    truth, (obs, _) = plain(signals), stack.init(jax.random.key(0), signals, DT)
    np.testing.assert_array_equal(stack(signals), truth)
    for part in stack.layout:
        here = slice(part.start, part.stop)
        if part.name not in sensing:
            np.testing.assert_array_equal(obs[here], truth[here])
    joints = next(slice(s.start, s.stop) for s in stack.layout if s.name == "joint_positions")
    moved = np.asarray(truth[joints]) + np.asarray(signals.calibration.joint_offset)
    np.testing.assert_allclose(obs[joints], 0.1 * np.round(moved / 0.1), atol=1e-6)


def test_two_terms_draw_different_noise(hopper):
    terms = policy_terms(hopper)
    noisy = dict.fromkeys(
        ("gravity", "angular_velocity", "joint_positions"), (we.sensing.Noise(1.0), we.sensing.Noise(1.0))
    )
    stack, signals = ObservationStack(terms, sensing=noisy), random_signals(hopper)
    obs, state = stack.init(jax.random.key(0), signals, DT)
    later, _ = stack.step(jax.random.key(1), state, signals)
    noise = np.asarray(jnp.stack([obs, later]) - stack(signals))
    noise = noise[np.abs(noise) > 1e-6]
    assert noise.size == 18
    assert len(np.unique(noise.round(4))) == 18
    assert noise.std() == pytest.approx(np.sqrt(2.0), rel=0.4)


def test_a_perfect_stack_says_so(hopper):
    terms = policy_terms(hopper)
    assert ObservationStack(terms).ideal
    assert not ObservationStack(terms, history=2).ideal
    assert not ObservationStack(terms, sensing={"gravity": (we.sensing.Noise(0.1),)}).ideal


def test_mistakes_are_named(hopper):
    terms = policy_terms(hopper)
    with pytest.raises(we.WildRobotError, match="no term 'gravty'") as caught:
        ObservationStack(terms, sensing={"gravty": (we.sensing.Noise(0.1),)})
    assert "did you mean 'gravity'" in caught.value.hint
    with pytest.raises(we.WildRobotError, match="history of 0"):
        ObservationStack(terms, history=0)


@pytest.mark.parametrize(("n", "reads", "lines"), [(5, 2, 1), (6, 1, 2), (3, 4, 1), (7, 2, 3)])
def test_servos_are_read_in_turn(n, reads, lines, signals):
    """Every servo has its turn once in each round of its line, in their order, and is as old as its turn is ago."""
    out = run(we.sensing.RoundRobin(reads, lines, lost=0.0), ramp(60, n), signals)
    ages = np.arange(60)[:, None] - (out - 100.0 * np.arange(n))
    servos = -(-n // lines)
    settled = ages[servos + 1 :]
    assert settled.max() == -(-servos // reads) - 1
    for line in range(lines):
        heard = (settled[:, line::lines] == 0).sum(axis=1)
        assert heard.max() == min(reads, len(range(line, n, lines)))
    firsts = {run(we.sensing.RoundRobin(1, lost=0.0), ramp(3, 7), signals, seed).tobytes() for seed in range(8)}
    assert len(firsts) > 3, "the first turn is drawn per episode"


def test_a_lost_answer_waits_for_the_next_turn(signals):
    out = run(we.sensing.RoundRobin(3, lost=0.2), ramp(4000), signals)
    ages = np.arange(4000)[:, None] - (out - 100.0 * np.arange(3))
    shares = [np.mean(ages == age) for age in range(3)]
    np.testing.assert_allclose(shares, [0.8, 0.16, 0.032], atol=0.02)


def test_ages_are_those_that_were_measured(signals):
    measured = (0.1, 0.5, 0.0, 0.4)
    out = run(we.sensing.RoundRobin(ages=measured), ramp(6000), signals)
    ages = np.arange(6000)[:, None] - (out - 100.0 * np.arange(3))
    assert ages.min() >= 0.0
    assert np.diff(ages, axis=0).max() <= 1.0, "a reading ages by a step at most"
    assert set(np.unique(ages[10:])) <= {0.0, 1.0, 2.0, 3.0}
    with pytest.raises(we.WildRobotError, match="0 servos at a time"):
        we.sensing.RoundRobin(0)


def test_ranges_are_leaves(signals):
    """A wider range changes what is drawn without another structure, so nothing compiles anew."""
    parts = [
        we.sensing.Noise(0.1),
        we.sensing.Bias(0.1),
        we.sensing.ReadingDelay((0.0, 0.02), longest=0.06),
        we.sensing.SampleHold(),
        we.sensing.DroppedPackets(),
        we.sensing.RoundRobin(),
    ]
    for part in parts:
        leaves = jax.tree.leaves(eqx.filter(part, eqx.is_array))
        assert leaves, type(part).__name__
        assert all(leaf.dtype == jnp.float32 for leaf in leaves)
    late = eqx.tree_at(lambda p: p.seconds, parts[2], jnp.asarray([0.05, 0.05], jnp.float32))
    assert run(late, ramp(10, 1), signals)[-1, 0] == pytest.approx(9.0 - 2.5, abs=1e-4)
