"""Solver settings of an MJCF that are meant for MJX, put right for MuJoCo's C engine.

MJX pays for every iteration that is allowed, so files made for it say `iterations="1"` or so and are tuned to run with
that. MuJoCo's C engine stops by itself where it has converged; with so few iterations it does not get there.
"""

import mujoco

FEWEST_ITERATIONS, FEWEST_LINE_STEPS = 10, 10
ITERATIONS, LINE_STEPS = 100, 50  # MuJoCo's defaults


def starved(mj: mujoco.MjModel) -> bool:
    """Whether the model allows its solver too few iterations to converge."""
    return bool(mj.opt.iterations < FEWEST_ITERATIONS or mj.opt.ls_iterations < FEWEST_LINE_STEPS)


def feed(mj: mujoco.MjModel) -> None:
    """Give a model whose solver is starved MuJoCo's default iterations, in place."""
    if mj.opt.iterations < FEWEST_ITERATIONS:
        mj.opt.iterations = ITERATIONS
    if mj.opt.ls_iterations < FEWEST_LINE_STEPS:
        mj.opt.ls_iterations = LINE_STEPS
