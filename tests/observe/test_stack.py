"""The stack and its layout: counted, ordered, refused."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import critic_terms, policy_terms, random_signals, replace

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.observe import ObservationStack
from wildrobot_eqx.robots import Mirror


@pytest.mark.parametrize("name", ["robot", "hopper"])
@pytest.mark.parametrize("role", ["policy", "critic"])
def test_the_layout_counts_every_entry(request, name, role):
    robot = request.getfixturevalue(name)
    terms = policy_terms(robot) if role == "policy" else critic_terms(robot)
    stack = ObservationStack(terms, policy=role == "policy")
    signals = random_signals(robot)
    vector = np.asarray(stack(signals))
    assert vector.shape == (stack.size,)
    assert [s.name for s in stack.layout] == list(terms)
    assert stack.layout[0].start == 0
    assert stack.layout[-1].stop == stack.size
    for before, after in zip(stack.layout, stack.layout[1:]):
        assert before.stop == after.start
    for part in stack.layout:
        np.testing.assert_array_equal(vector[part.start : part.stop], terms[part.name](signals), err_msg=part.name)
        assert part.unit
        assert part.frame
        assert part.source
    assert len(stack.mirror.source) == stack.size


def test_the_biped_policy_observes_43_numbers(robot):
    """3 gravity, 3 gyro, 11 angles, 11 velocities, 11 actions, 2 of the clock, 2 of the command."""
    assert ObservationStack(policy_terms(robot)).size == 43


def test_the_order_is_that_of_the_mapping(hopper):
    terms = policy_terms(hopper)
    backwards = dict(reversed(terms.items()))
    signals = random_signals(hopper)
    parts = [np.asarray(term(signals)) for term in backwards.values()]
    np.testing.assert_array_equal(ObservationStack(backwards)(signals), np.concatenate(parts))


@pytest.mark.parametrize("name", ["linear_velocity", "height", "foot_contacts"])
def test_the_policy_refuses_what_the_robot_cannot_measure(robot, name):
    terms = policy_terms(robot) | {name: critic_terms(robot)[name]}
    with pytest.raises(WildRobotError, match=f"'{name}', which the robot cannot measure") as error:
        ObservationStack(terms)
    assert "critic" in error.value.hint
    assert ObservationStack(terms, policy=False).names[-1] == name


def test_a_term_that_disagrees_with_its_layout_is_named(hopper):
    stack = ObservationStack(policy_terms(hopper))
    signals = dataclasses.replace(random_signals(hopper))
    wrong = replace(signals, action=jnp.zeros((hopper.nu + 1,), jnp.float32))
    with pytest.raises(ValueError, match=r"'last_action' \(LastAction\) has shape \(4,\), its layout says \(3,\)"):
        stack(wrong)


def test_an_empty_stack_has_no_entries():
    assert ObservationStack({}).size == 0


def test_mirrors_concatenate():
    swap, flip = Mirror((1, 0), (1.0, -1.0)), Mirror((0,), (-1.0,))
    joined = Mirror.concatenate([flip, swap])
    np.testing.assert_array_equal(joined(jnp.asarray([1.0, 2.0, 3.0])), [-1.0, 3.0, -2.0])
