"""What was drawn, as the critic sees it: against the randomisers, servos and calibration that drew it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import drawn_terms, random_signals, replace

import wildrobot_eqx as we
from wildrobot_eqx.observe import ObservationStack
from wildrobot_eqx.physics.params import nominal_params


def _with_params(robot, *randomisers):
    """Signals of an episode whose parameters these randomisers have drawn."""
    params = nominal_params(robot.model)
    for i, randomiser in enumerate(randomisers):
        params = randomiser(jax.random.key(i), params)
    return dataclasses.replace(random_signals(robot), params=params)


@pytest.mark.parametrize(
    ("name", "randomiser"),
    [
        ("mass", we.randomise.ScaleMass((1.2, 1.2))),
        ("friction", we.randomise.ScaleFriction((1.2, 1.2))),
        ("stiffness", we.randomise.ScaleGains((1.2, 1.2))),
        ("torque_limit", we.randomise.ScaleStrength((1.2, 1.2))),
        ("armature", we.randomise.ScaleArmature((1.2, 1.2))),
        ("damping", we.randomise.ScaleDamping((1.2, 1.2))),
        ("friction_loss", we.randomise.ScaleFrictionLoss((1.2, 1.2))),
    ],
)
def test_a_ratio_tells_its_own_randomiser_and_no_other(robot, name, randomiser):
    signals = _with_params(robot, randomiser)
    for other, term in drawn_terms(robot).items():
        if other in ("centre_of_mass", "floor_tilt") or term.source.startswith(("servos", "calibration")):
            continue
        np.testing.assert_allclose(term(signals), 1.2 if other == name else 1.0, rtol=1e-5, err_msg=other)


def test_a_joint_without_the_figure_has_the_ratio_1(hopper):
    """0 / 0 is no observation."""
    term = drawn_terms(hopper)["friction_loss"]
    bare = replace(term, nominal=jnp.zeros_like(term.nominal))
    np.testing.assert_array_equal(bare(random_signals(hopper)), np.ones(hopper.nu))


def test_the_base_shifts_by_what_is_drawn(robot):
    shift = we.randomise.ShiftCentreOfMass(robot, (0.01, 0.01))
    np.testing.assert_allclose(drawn_terms(robot)["centre_of_mass"](_with_params(robot, shift)), 0.01, atol=1e-6)
    load = we.randomise.Payload(robot, mass=(0.3, 0.3), low=(0.0, 0.0, 0.1), high=(0.0, 0.0, 0.1))
    moved = drawn_terms(robot)["centre_of_mass"](_with_params(robot, load))
    own, centre = robot.model.mj.body_mass[robot.base.body], robot.model.mj.body_ipos[robot.base.body]
    np.testing.assert_allclose(moved, 0.3 / (own + 0.3) * (np.array([0.0, 0.0, 0.1]) - centre), atol=1e-6)


def test_the_floor_tilts_in_the_commanded_headings_frame(robot):
    signals = _with_params(robot, we.randomise.TiltGravity((0.1, 0.1)))
    tilt = np.asarray(drawn_terms(robot)["floor_tilt"](signals))
    np.testing.assert_allclose(np.linalg.norm(tilt), np.sin(0.1), rtol=1e-5)
    angle = float(signals.commands["velocity"].origin + signals.commands["velocity"].target)
    x, y = np.asarray(signals.params.gravity)[:2] / 9.81
    np.testing.assert_allclose(
        tilt, [np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x], atol=1e-5
    )


def test_a_mirrored_robot_has_its_draws_on_the_other_side(robot):
    """Reflection by names: left and right change places, directions change sign, sizes do not."""
    terms = drawn_terms(robot)
    signals = random_signals(robot)
    left, right = (robot.joint_names.index(f"{side}_hip_roll") for side in ("left", "right"))
    for name in ("stiffness", "play", "strength"):
        value = np.asarray(terms[name](signals))
        mirrored = np.asarray(terms[name].mirror(jnp.asarray(value)))
        np.testing.assert_array_equal(mirrored[[left, right]], value[[right, left]])
        assert value[left] != value[right]
    mj, mass = robot.model.mj, terms["mass"]
    names = [mj.body(body).name for body in mass.bodies]
    value = np.asarray(mass(signals))
    mirrored = np.asarray(mass.mirror(jnp.asarray(value)))
    assert any(name.startswith("left_") for name in names)
    for i, name in enumerate(names):
        side, _, rest = name.partition("_")
        other = f"{({'left': 'right', 'right': 'left'})[side]}_{rest}" if rest else name
        assert mirrored[i] == value[names.index(other)], name
    stack = ObservationStack(terms, policy=False)
    vector = stack(signals)
    np.testing.assert_array_equal(stack.mirror(stack.mirror(vector)), vector)
    offsets = terms["encoder_offsets"]
    np.testing.assert_array_equal(offsets.mirror(offsets(signals)), robot.mirror(signals.calibration.joint_offset))


def test_a_term_without_its_servo_or_calibration_says_what_to_do(hopper):
    signals = dataclasses.replace(random_signals(hopper), calibration=None, servo=(), params=None)
    terms = drawn_terms(hopper)
    asked = {"voltage": "servos=Servos", "imu_rotation": "RandomCalibrationError", "mass": "Signals.params"}
    for name, message in asked.items():
        with pytest.raises(we.WildRobotError, match=message):
            terms[name](signals)
    with pytest.raises(we.WildRobotError, match="did you mean 'motor'"):
        we.terms.BatteryVoltage("moter")(random_signals(hopper))


def test_a_term_of_another_servo_says_so(hopper):
    """Each term with a part of each other kind, as the parts themselves draw them."""
    servos = {
        **we.servos.xl330(),
        "dc": we.servos.DCMotor(hopper),
        "delay": we.servos.CommandDelay(),
        "step": we.servos.CommandResolution(),
        "play": we.servos.Backlash(),
    }
    zero = jnp.zeros((hopper.nu,), jnp.float32)
    joints = we.servos.Joints(zero, zero, zero, zero)
    states = {name: part.init(jax.random.key(0), joints, zero, 0.005) for name, part in servos.items()}
    signals = dataclasses.replace(random_signals(hopper), servo=states)
    terms = {
        we.terms.BatteryVoltage: ("motor", "dc"),
        lambda part: we.terms.MotorStrengths(hopper, part): ("dc",),
        lambda part: we.terms.CommandLag(hopper, part): ("delay",),
        lambda part: we.terms.GearPlay(hopper, part): ("play",),
    }
    for make, fitting in terms.items():
        for name in servos:
            term = make(name)
            if name in fitting:
                assert term(signals).shape == (term.size,)
                continue
            with pytest.raises(we.WildRobotError, match=f"the servos' part '{name}' is another servo"):
                term(signals)
