"""What the surroundings of a command refuse, said as an error with a place and a cure, not as a traceback."""

import os
import sys

from ..errors import WildRobotError


def refusal(error: Exception) -> WildRobotError | None:
    """An error of the surroundings: a renderer, a platform or a file system; None: it is a mistake of the program's.

    A `BrokenPipeError` is none: whoever read the output has gone.
    """
    if os.environ.get("MUJOCO_GL") and "mujoco" not in sys.modules:  # it fails while it is imported
        return WildRobotError(
            f"MuJoCo cannot start: {_line(error)}",
            where=f"MUJOCO_GL={os.environ['MUJOCO_GL']}",
            hint="unset it, or install what it names (egl on Debian and Ubuntu: apt install libegl1 libgl1)",
        )
    platforms = os.environ.get("JAX_PLATFORMS")
    if platforms and isinstance(error, RuntimeError) and "backend" in str(error):
        return WildRobotError(
            f"JAX cannot start: {_line(error)}",
            where=f"JAX_PLATFORMS={platforms}",
            hint="unset it, or say cpu or cuda, whichever jaxlib is installed for",
        )
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        return _of_system(error)
    return None


def _of_system(error: OSError) -> WildRobotError | None:
    why = error.strerror or _line(error)
    if isinstance(error.filename, str | bytes):
        return WildRobotError(
            f"The system refuses a file: {why}.",
            where=os.fsdecode(error.filename)[:300],
            hint="see that it may be read and written, that there is space, and that its name is not too long",
            exit_code=1,
        )
    if error.filename is None and error.errno is not None:  # a stream's, such as standard output's
        return WildRobotError(
            f"The output could not be written: {why}.",
            where="standard output",
            hint="free some space, or send it elsewhere",
            exit_code=1,
        )
    return None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
