"""Foot switches: on or off, which is what many small robots know of the floor."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..arrays import Number, f32
from ..errors import WildRobotError
from ..physics import PhysicsState
from ..physics.mujoco_tools.kinematics import feet_mirror
from ..robots import Foot, Mirror, Robot
from .signals import Signals
from .terms import AbstractStatelessTerm


class FootSwitches(AbstractStatelessTerm):
    """Whether each foot's switch is closed: 1 while the floor bears it with more than the threshold, else 0.

    Feet are in the order of the robot's.

    Args:
        robot: each of its feet has a switch (`switch = true` in robot.toml).
        threshold: the vertical force that closes a switch, as a fraction of the body's weight.

    Raises:
        WildRobotError: a foot has no switch, or the threshold is no fraction of a weight.
    """

    feet: tuple[Foot, ...]
    threshold: Float[Array, ""]  # N
    reflection: Mirror
    unit = "1"
    frame = "foot"
    measurable = True

    def __init__(self, robot: Robot, threshold: Number = 0.1):
        for foot in robot.feet:
            if not foot.switch:
                raise WildRobotError(
                    f"The foot {foot.name!r} of robot {robot.name!r} has no switch.",
                    where=f"robot.toml, [feet.{foot.name}]",
                    hint="write switch = true there, if the robot carries one",
                )
        if not 0.0 < threshold < 1.0:
            raise WildRobotError(
                f"A foot switch that closes at {threshold:g} of the body's weight says nothing.",
                where="FootSwitches, threshold",
                hint="between 0 and 1, such as 0.1",
            )
        mj = robot.model.mj
        self.feet, self.reflection = robot.feet, feet_mirror(robot)
        self.threshold = f32(threshold * mj.body_subtreemass[0] * -mj.opt.gravity[2])

    @property
    def size(self) -> int:
        """One entry per foot."""
        return len(self.feet)

    @property
    def mirror(self) -> Mirror:
        return self.reflection

    @property
    def source(self) -> str:
        return "foot switches"

    def closed(self, physics: PhysicsState) -> Float[Array, " nfoot"]:
        """1 for each foot whose switch is closed, else 0."""
        return (physics.foot_force[:, 2] > self.threshold).astype(jnp.float32)

    def __call__(self, signals: Signals) -> Float[Array, " nfoot"]:
        return self.closed(signals.physics)
