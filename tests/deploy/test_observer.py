"""The robot's arithmetic against that of training: the very bits of the clock, and rotations by JAX."""

import copy

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bundles import sealed
from helpers import random_physics

from wildrobot_eqx import rotation
from wildrobot_eqx.deploy.bundle.contract import FILE, read_contract
from wildrobot_eqx.deploy.player.observer import Observer, projected_gravity, wrap_angle, yaw
from wildrobot_eqx.locomotion import HeadingController, VelocityState, gaits

PERIODS = [0.4, 0.5, 0.6, 0.64, 0.7, 0.72, 0.8, 1.0]  # s; with most of them a half cycle is a whole number of steps


@pytest.fixture(scope="module")
def speeds() -> np.ndarray:
    """Commands that start and stop all the time."""
    rng = np.random.default_rng(0)
    return np.repeat(rng.choice([0.0, 0.0, 0.3], 400), rng.integers(1, 60, 400)).astype(np.float32)


@pytest.fixture(scope="module")
def trained(speeds, robot) -> np.ndarray:
    """The clock's phases in training, by period."""

    clock, physics, zero = gaits.two_beat(robot), random_physics(robot), jnp.zeros((), jnp.float32)

    @eqx.filter_jit
    def roll(periods, speeds):
        def one(period, state, speed):
            told = {"velocity": VelocityState(speed, zero, zero, zero, zero)}
            own = eqx.tree_at(lambda c: c.period, clock, period)
            return own.step(jax.random.key(0), state, physics, 0.02, told)

        def step(states, speed):
            states = jax.vmap(lambda period, state: one(period, state, speed))(periods, states)
            return states, states.phase

        first = jax.vmap(lambda _: clock.sample(jax.random.key(0)))(periods)
        return jax.lax.scan(step, first, speeds)[1]

    return np.asarray(roll(jnp.asarray(PERIODS, jnp.float32), jnp.asarray(speeds)))


@pytest.mark.parametrize("place", range(len(PERIODS)), ids=PERIODS)
def test_the_clock_is_trainings_to_the_bit(place, walk, speeds, trained):
    document = copy.deepcopy(walk.contract.document)
    document["clock"]["period"] = float(np.float32(PERIODS[place]))
    part = next(p for p in document["observation"] if p["kind"] == "gait_phase")
    part["constants"]["period"] = document["clock"]["period"]
    observer = Observer(read_contract(sealed(document)))
    level = np.array([1.0, 0.0, 0.0, 0.0], np.float32)
    observer._advance_command(level, 0.0)
    found = np.empty_like(trained[:, place])
    for k, speed in enumerate(speeds):
        observer._advance_command(level, float(speed))
        found[k] = observer.phase
    assert np.array_equal(found.view(np.int32), trained[:, place].view(np.int32))
    assert (found == 0.0).any()
    assert len(np.unique(found)) > 15
    assert FILE == "contract.json"


def test_an_episode_begins_at_phase_zero(walk):
    """As `Env.reset` does, whatever the command; the clock runs from the second observation on."""
    observer = Observer(walk.contract)
    level = np.array([1.0, 0.0, 0.0, 0.0], np.float32)
    phases = []
    for _ in range(2):
        observer._advance_command(level, 0.3)
        phases.append(float(observer.phase))
    assert phases == [0.0, pytest.approx(2.0 * np.pi * 0.02 / 0.7)]
    observer.start()
    observer._advance_command(level, 0.3)
    assert observer.phase == 0.0


@pytest.fixture(scope="module")
def quats() -> np.ndarray:
    quats = np.random.default_rng(1).normal(size=(500, 4))
    return (quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float32)


def test_rotations_are_trainings(quats):
    down = jnp.asarray([0.0, 0.0, -1.0], jnp.float32)
    gravity = jax.vmap(lambda q: rotation.rotate_inverse(q, down))(quats)
    heading = jax.vmap(rotation.yaw)(quats)
    np.testing.assert_allclose([projected_gravity(q) for q in quats], gravity, atol=5e-7)
    np.testing.assert_allclose([yaw(q) for q in quats], heading, atol=2e-6)
    angles = np.linspace(-20.0, 20.0, 401).astype(np.float32)
    np.testing.assert_allclose([wrap_angle(a) for a in angles], rotation.wrap_angle(jnp.asarray(angles)), atol=1e-6)


def test_the_heading_hold_is_trainings(walk, quats):
    """Limit, gain, wrap and the origin of the first reading."""
    observer, hold = Observer(walk.contract), HeadingController()
    turns = [np.array([np.cos(a / 2), 0, 0, np.sin(a / 2)], np.float32) for a in np.linspace(2.5, 9.0, 60)]
    observer._advance_command(turns[0], 0.3)
    assert observer.yaw_rate == 0.0
    for turn in turns[1:]:
        observer._advance_command(turn, 0.3)
        heading = rotation.wrap_angle(rotation.yaw(jnp.asarray(turn)) - rotation.yaw(jnp.asarray(turns[0])))
        wanted = hold(jnp.zeros(()), heading)
        assert observer.yaw_rate == pytest.approx(float(wanted), abs=2e-6)
