"""Rewards of balance on a robot that stands, tips over, steps or slides; formulas are in test_rewards.py."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_signals

from wildrobot_eqx import locomotion


def CapturePoint(robot):  # noqa: N802
    return locomotion.CapturePoint(robot, margin=0.03, time=0.175)


def IdleFeet(robot):  # noqa: N802
    return locomotion.IdleFeet(robot, speed=1.5, near=0.03, load=3.0, margin=0.03, time=0.175)


def moment(robot, velocity=(0.0, 0.0), heading=0.0, feet=((0.0, 0.0), (0.0, 0.0)), loads=(17.0, 17.0)):
    """Signals with the base over the middle of feet that stand 0.18 m apart; velocities along the heading, m/s."""
    signals = random_signals(robot, speed=0.0)
    c, s = math.cos(heading), math.sin(heading)
    turn = np.array([[c, -s], [s, c]])
    physics = signals.physics
    xpos, soles, sensordata = (np.array(a) for a in (physics.xpos, physics.site_xpos, physics.sensordata))
    xpos[robot.base.body, :2] = (0.7, -0.4)
    sensordata[robot.base.linvel.address :][:2] = turn @ velocity
    for foot, side, moving in zip(robot.feet, (1.0, -1.0), feet):
        soles[foot.site, :2] = xpos[robot.base.body, :2] + turn @ (0.0, 0.09 * side)
        sensordata[foot.linvel.address :][:2] = turn @ moving
    changes = {"xpos": xpos, "site_xpos": soles, "sensordata": sensordata}
    force = np.array(physics.foot_force)
    force[:, 2] = loads
    arrays = {name: jnp.asarray(value, jnp.float32) for name, value in {**changes, "foot_force": force}.items()}
    turned = dataclasses.replace(
        signals.commands["velocity"], origin=jnp.float32(heading - 0.3), target=jnp.float32(0.3)
    )
    return dataclasses.replace(
        signals, physics=dataclasses.replace(physics, **arrays), commands={**signals.commands, "velocity": turned}
    )


def test_a_robot_at_rest_over_its_feet_is_charged_nothing(robot):
    signals = moment(robot)
    assert float(CapturePoint(robot)(signals)) < 2e-4
    assert float(IdleFeet(robot)(signals)) < 5e-3


@pytest.mark.parametrize("heading", [0.0, 2.0])
@pytest.mark.parametrize(
    ("velocity", "distance"),
    [
        ((0.8, 0.0), 0.8 * 0.175 - 0.03),
        ((-0.8, 0.0), 0.8 * 0.175 - 0.03),
        ((0.0, 0.8), 0.8 * 0.175 - 0.03 - 0.09),  # the feet stand apart
        ((0.0, -0.5), 0.0),
        ((0.1, 0.0), 0.0),
    ],
)
def test_the_capture_point_is_as_far_as_the_kick_takes_it(robot, velocity, distance, heading):
    np.testing.assert_allclose(CapturePoint(robot)(moment(robot, velocity, heading)), distance, atol=2e-4)


STEPS = {
    "both stand": ({}, 1.0),
    "left swings there": ({"feet": ((1.6, 0.0), (0.0, 0.0)), "loads": (0.0, 35.0)}, 0.0),
    "right swings there": ({"feet": ((0.0, 0.0), (2.0, 0.5)), "loads": (35.0, 0.0)}, 0.0),
    "slowly": ({"feet": ((0.75, 0.0), (0.0, 0.0)), "loads": (0.0, 35.0)}, 0.5),
    "it only lifts": ({"loads": (0.0, 35.0)}, 1.0),
    "it swings away": ({"feet": ((-1.5, 0.0), (0.0, 0.0)), "loads": (0.0, 35.0)}, 1.0),
    "it slides": ({"feet": ((1.5, 0.0), (0.0, 0.0))}, 1.0),
    "both fly, one stays back": ({"feet": ((1.5, 0.0), (-1.0, 0.0)), "loads": (0.0, 0.0)}, 0.0),
}


@pytest.mark.parametrize("heading", [0.0, -1.0])
@pytest.mark.parametrize("step", STEPS)
def test_a_robot_that_tips_over_is_charged_until_a_foot_is_on_its_way(robot, step, heading):
    moving, charged = STEPS[step]
    signals = moment(robot, (0.8, 0.0), heading, **moving)
    np.testing.assert_allclose(IdleFeet(robot)(signals), charged, atol=2e-3)


def test_close_to_the_feet_the_charge_fades(robot):
    velocity = ((0.03 + 0.015) / 0.175, 0.0)
    np.testing.assert_allclose(IdleFeet(robot)(moment(robot, velocity)), 0.5, atol=2e-3)


@pytest.mark.parametrize("kind", [CapturePoint, IdleFeet])
def test_slopes_are_finite_at_rest_too(robot, kind):
    def value(velocity):
        signals = moment(robot)
        address = robot.base.linvel.address
        sensordata = signals.physics.sensordata.at[address : address + 2].set(velocity)
        return kind(robot)(
            dataclasses.replace(signals, physics=dataclasses.replace(signals.physics, sensordata=sensordata))
        )

    assert np.isfinite(jax.grad(value)(jnp.zeros(2))).all()
    assert np.isfinite(jax.grad(value)(jnp.asarray([0.8, 0.0]))).all()
