"""Conformance tests that ship: what a part of each kind must keep to, for parts written elsewhere, too.

Each is a function that raises AssertionError with what is wrong, to be called from a test of
your own: `check_reward(MyReward(robot), robot)`. It traces the part in a small env, as `check`
does, and then runs it for a few steps.
"""

from .parts import check_controller, check_robot, check_sensing, check_servo, check_term, check_terms
from .task import check_command, check_ending, check_event, check_reset, check_reward, check_rewards
from .world import check_gate, check_physics, check_randomiser

__all__ = [
    "check_command",
    "check_controller",
    "check_ending",
    "check_event",
    "check_gate",
    "check_physics",
    "check_randomiser",
    "check_reset",
    "check_reward",
    "check_rewards",
    "check_robot",
    "check_sensing",
    "check_servo",
    "check_term",
    "check_terms",
]
