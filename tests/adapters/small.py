"""A hopper env with few terms, quick to compile."""

from typing import Any

from helpers import make_env

from wildrobot_eqx import Env, Robot, locomotion, observe, task
from wildrobot_eqx.observe import ObservationStack


def small_env(robot: Robot, **changes: Any) -> Env:
    """Few terms, quick to compile; keyword arguments replace those of `make_env`."""
    measured = {"gyro": observe.AngularVelocity(robot), "joints": observe.JointPositions(robot)}
    measured["command"] = observe.CommandTerm("velocity", locomotion.VelocityCommand(robot).observed)
    observations = {
        "policy": ObservationStack(measured),
        "critic": ObservationStack({**measured, "height": observe.BaseHeight(robot)}, policy=False),
    }
    rewards = {"track": locomotion.TrackLinVelX(robot), "alive": task.Alive()}
    return make_env(robot, **{"observations": observations, "rewards": rewards, **changes})
