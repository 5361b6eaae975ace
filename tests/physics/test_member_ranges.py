import jax
import numpy as np
import pytest

import wildrobot_eqx as we
from wildrobot_eqx.errors import WildRobotError
from wildrobot_eqx.physics.params import nominal_params

JOINT = "left_knee_pitch"


def test_each_member_is_drawn_from_its_own_range(robot):
    i, dof = robot.joint_names.index(JOINT), robot.joint_dof[robot.joint_names.index(JOINT)]
    body = robot.model.mj.body("waist").id
    ranges = we.randomise.MemberRanges(
        robot,
        stiffness={JOINT: (0.5, 0.7)},
        strength=(0.8, 0.8),
        damping={JOINT: (2.0, 2.0)},
        friction={JOINT: (3.0, 4.0)},
        armature=(1.5, 1.5),
        mass={"waist": (1.1, 1.2)},
        shift={"waist.y": (0.002, 0.004)},
        sole_friction=(0.6, 0.9),
    )
    nominal = nominal_params(robot.model)
    drawn = jax.vmap(lambda key: ranges(key, nominal))(jax.random.split(jax.random.key(0), 64))
    gain = np.asarray(drawn.actuator_gainprm[:, :, 0] / nominal.actuator_gainprm[:, 0])
    bias = np.asarray(drawn.actuator_biasprm[:, :, 1] / nominal.actuator_biasprm[:, 1])
    np.testing.assert_allclose(gain, bias, rtol=1e-6)
    assert gain[:, i].min() >= 0.5
    assert gain[:, i].max() <= 0.7
    assert np.ptp(gain[:, i]) > 0.1
    np.testing.assert_allclose(np.delete(gain, i, axis=1), 1.0)
    limits = np.broadcast_to(0.8 * nominal.actuator_forcerange, (64, robot.nu, 2))
    np.testing.assert_allclose(drawn.actuator_forcerange, limits, rtol=1e-6)
    np.testing.assert_allclose(drawn.dof_damping[:, dof], 2.0 * nominal.dof_damping[dof], rtol=1e-6)
    friction = np.asarray(drawn.dof_frictionloss[:, dof] / nominal.dof_frictionloss[dof])
    assert 3.0 <= friction.min() < friction.max() <= 4.0
    mass = np.asarray(drawn.body_mass[:, body] / nominal.body_mass[body])
    assert 1.1 <= mass.min() < mass.max() <= 1.2 + 1e-6
    np.testing.assert_allclose(drawn.body_inertia[:, body], mass[:, None] * nominal.body_inertia[body], rtol=1e-5)
    shift = np.asarray(drawn.body_ipos - nominal.body_ipos)
    assert 0.002 - 1e-6 <= shift[:, body, 1].min() < shift[:, body, 1].max() <= 0.004 + 1e-6
    assert np.abs(shift).sum() == pytest.approx(np.abs(shift[:, body, 1]).sum())
    assert np.corrcoef(gain[:, i], friction)[0, 1] < 0.5  # draws are independent


def test_who_is_not_there_is_named(robot):
    with pytest.raises(WildRobotError, match="knie") as error:
        we.randomise.MemberRanges(robot, friction={"knie": (1.0, 1.0)})
    assert "MemberRanges" in error.value.where
    with pytest.raises(WildRobotError, match=r"x, y or z"):
        we.randomise.MemberRanges(robot, shift={"waist": (0.0, 0.0)})
