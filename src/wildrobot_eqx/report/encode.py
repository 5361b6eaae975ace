"""Films: pictures, one after the other, into an H.264 file."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import imageio_ffmpeg
from jaxtyping import UInt8
from numpy import ndarray

from ..atomic import replacing
from ..errors import WildRobotError
from ..physics.mujoco_tools.render import NoRenderer

SIZE = (640, 480)


def frames_apart(dt: float) -> int:
    """How many control steps of `dt` s lie between two pictures: 25 per second, or as near as may be."""
    return max(1, round(0.04 / dt))


def write_film(frames: Iterable[UInt8[ndarray, "height width 3"]], rate: float, path: Path) -> None:
    """An H.264 film of pictures of `SIZE`, `rate` per second, whole or not at all.

    Raises:
        NoRenderer: there is no ffmpeg.
        WildRobotError: it cannot be written.
    """
    with replacing(path) as partial:
        _encode(frames, rate, partial, path)


def _encode(frames: Iterable[UInt8[ndarray, "height width 3"]], rate: float, path: Path, target: Path) -> None:
    """Write the film to `path`; errors name `target`, where it is to be in the end."""
    try:
        ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise NoRenderer("there is no ffmpeg.", "install it, or reinstall imageio-ffmpeg") from error
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIZE[0]}x{SIZE[1]}"]
    source += ["-r", f"{rate:g}", "-i", "-"]
    film = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "26", "-preset", "fast", "-movflags", "+faststart"]
    with tempfile.TemporaryFile() as errors:
        command = [ffmpeg, "-y", "-loglevel", "error", *source, *film, str(path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors)
        with process as encoder, contextlib.suppress(BrokenPipeError):  # its exit status says why
            assert encoder.stdin is not None  # it was asked for
            for frame in frames:
                encoder.stdin.write(frame.tobytes())
        if process.returncode:
            errors.seek(0)
            why = errors.read().decode(errors="replace").strip()[-300:]
            raise WildRobotError(
                f"The video could not be written: {why}", where=str(target), hint="is the disk full?", exit_code=1
            )
