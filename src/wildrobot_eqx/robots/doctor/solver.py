"""Solver settings that are meant for another engine, and switches that take physics away."""

from collections.abc import Iterator

import mujoco

from ..solver import FEWEST_ITERATIONS, FEWEST_LINE_STEPS
from .finding import Finding
from .subject import Subject

_ALWAYS = ("ACTUATION", "CLAMPCTRL", "LIMIT")
_ON_FEET = ("CONTACT", "CONSTRAINT", "GRAVITY", "FRICTIONLOSS", "REFSAFE")  # of a robot that stands on something


def check_solver(subject: Subject) -> Iterator[Finding]:
    """Iterations and disabled parts."""
    opt = subject.mj.opt
    if opt.iterations < FEWEST_ITERATIONS or opt.ls_iterations < FEWEST_LINE_STEPS:
        yield Finding(
            "solver",
            "note",
            "The solver's iterations are those of MJX: MuJoCo's C engine does not converge in so few, and feet sink.",
            "<option iterations ls_iterations>",
            f"{opt.iterations} and {opt.ls_iterations}; at least {FEWEST_ITERATIONS} and {FEWEST_LINE_STEPS} converge",
            "nothing: the native engine takes MuJoCo's own 100 and 50, mjx what the file says",
        )
    needed = (*_ALWAYS, *(_ON_FEET if subject.floating or subject.feet else ()))
    off = [name for name in needed if opt.disableflags & int(getattr(mujoco.mjtDisableBit, f"mjDSBL_{name}"))]
    if off:
        yield Finding(
            "solver",
            "fault",
            "A part of physics is switched off.",
            "<option><flag>",
            ", ".join(name.lower() for name in off),
            "take the flag out",
        )
