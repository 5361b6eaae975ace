"""`eval --long`: what is measured of minutes, the world that lasts, and the command line."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import make_env
from scipy.spatial.transform import Rotation

import wildrobot_eqx as we
from wildrobot_eqx.evaluate.gate import Case
from wildrobot_eqx.evaluate.lasting.evaluate import HoldHome, Lasting, Trial, evaluate_lasting
from wildrobot_eqx.evaluate.lasting.meter import LongMeter
from wildrobot_eqx.evaluate.lasting.world import lasting_world
from wildrobot_eqx.observe import EncoderOffset, MountingError


def test_slopes_and_the_final_tilt_are_those_of_the_trunk(hopper, batched_hopper):
    """A trunk that pitches by 0.1 degrees a second for 20 s, against the same by NumPy; another falls on the way."""
    states, timesteps = jax.tree.map(lambda leaf: leaf[0], batched_hopper.reset(0))
    meter = LongMeter(hopper, 20.0)
    n, sensor = meter.steps, hopper.imu().quat
    time = hopper.control_dt * np.arange(1, n + 1)
    rng = np.random.default_rng(0)
    pitch = np.radians(1.0 + 0.1 * time + rng.normal(0.0, 0.05, n))
    heading = 3.0 + np.radians(5.0 * time)  # beyond half a turn
    quats = Rotation.from_euler("ZY", np.stack([heading, pitch], axis=1)).as_quat()[:, [3, 0, 1, 2]]
    place = slice(sensor.address, sensor.address + 4)

    @eqx.filter_jit
    def tallied(quats, terminated):
        def step(tally, now):
            quat, ended = now
            data = states.physics.sensordata.at[place].set(quat)
            state = eqx.tree_at(lambda s: s.physics.sensordata, states, data)
            timestep = eqx.tree_at(lambda t: t.terminated, timesteps, ended)
            return meter.step(tally, state, timestep), None

        return jax.lax.scan(step, meter.init(states, timesteps), (quats, terminated))[0]

    never = jnp.zeros(n, timesteps.terminated.dtype)
    rows = [tallied(jnp.asarray(quats, jnp.float32), ended) for ended in (never, never.at[n // 2].set(True))]
    tally = jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
    found = meter.figures(tally, Case("0"))
    counted = time > 5.0
    assert found["survival"] == 0.5
    assert found["recovered"] == 0.5
    assert found["fell_after"] == pytest.approx(10.0, abs=0.05)
    expected = np.polyfit(time[counted], np.degrees(pitch[counted]), 1)[0]
    assert found["pitch_slope_median"] == pytest.approx(expected, abs=2e-3)
    assert found["heading_slope_median"] == pytest.approx(5.0, abs=0.02)
    assert found["roll_slope_median"] == pytest.approx(0.0, abs=1e-3)
    assert found["tilt_median"] == pytest.approx(np.degrees(pitch[-100:].mean()), abs=0.02)
    for tilt, level in ((2.9, 0.5), (3.1, 0.0)):  # degrees, of both; one has fallen
        leaning = eqx.tree_at(lambda t: t.tilt, tally, np.array([[100.0 * np.radians(tilt), 100.0]] * 2))
        assert meter.figures(leaning, Case("0"))["recovered"] == level


def test_the_world_has_errors_that_the_sensors_feel(robot):
    env = make_env(robot)
    world = lasting_world(env, 0.005)
    assert world.source == "standard"
    sensing = world.env.observations["policy"].sensing
    kinds = {type(part) for parts in sensing.values() for part in parts}
    assert {MountingError, EncoderOffset} <= kinds
    (bias,) = world.env.disturbances.randomisers
    own = eqx.tree_at(lambda one: one.weak, bias, jnp.array([0.9, 1.0], jnp.float32))
    mine = lasting_world(make_env(robot, disturbances=own.added_to()), 0.005)
    assert mine.source == "recipe"
    np.testing.assert_allclose(mine.env.disturbances.randomisers[0].weak, [0.89, 1.01], rtol=1e-5)
    np.testing.assert_allclose(mine.env.disturbances.calibration.imu_angle, [0.0, 0.0312], rtol=1e-3)


def test_a_verdict_is_that_of_the_policys_minute():
    good, bad = {"recovered": 0.98}, {"recovered": 0.9}
    trials = (Trial("stand", 60.0, "policy", 256, good), Trial("stand", 60.0, "hold home", 256, bad))
    assert Lasting("standard", (), trials, "").passed
    longer = Trial("stand", 180.0, "policy", 64, bad)
    assert Lasting("standard", (), (*trials, longer), "").passed
    assert not Lasting("standard", (), (Trial("stand", 60.0, "policy", 256, bad),), "").passed


@pytest.mark.slow
def test_the_same_world_under_a_policy_and_under_home(robot):
    """ "Hold home" as the policy: both trials have the same errors, so they are equal, and most of them stand."""
    found = evaluate_lasting(make_env(robot), we.gates.StandGate(), HoldHome(robot.nu), episodes=8, seconds=8.0)
    mine, home = found.trials
    assert (mine.who, home.who) == ("policy", "hold home")
    np.testing.assert_equal(mine.figures, home.figures)  # nobody fell: that time is NaN in both
    assert mine.figures["survival"] > 0.5
    assert found.provisional == "8 episodes of 8 s"
