"""A quick start: JAX's compilation cache on disk, and slow imports behind the first compile."""

import contextlib
import importlib
import logging
import os
import threading
import time
from pathlib import Path

_log = logging.getLogger(__name__)

CACHE_VARIABLE = "WILDROBOT_EQX_CACHE"
_IMPORTED = time.monotonic()


def cache_dir() -> Path:
    """Where compiled functions are kept: `$WILDROBOT_EQX_CACHE`, else the user's cache folder.

    Raises:
        RuntimeError: nobody knows where the user is at home.
    """
    if os.environ.get(CACHE_VARIABLE):
        return Path(os.environ[CACHE_VARIABLE])
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "wildrobot-eqx" / "jax"


def enable_compilation_cache() -> None:
    """Keep every compiled function that holds no host callback on disk, so that the next start is quick.

    Where no folder can be written to they are not kept, and a line says so. No folder that others can write to takes
    the place: what is read from there is executed.
    """
    import jax

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        try:
            folder = cache_dir()
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise PermissionError(f"{folder} cannot be written to")
        except (OSError, RuntimeError) as error:
            _log.info(f"compiled functions are not kept ({error}); name a folder for them: {CACHE_VARIABLE}")
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def import_in_background(*modules: str) -> None:
    """Import modules on a thread: compiles leave Python's lock free, imports fill the gap."""

    def work() -> None:
        for module in modules:
            with contextlib.suppress(
                Exception
            ):  # an import of the module will raise again; the process may end meanwhile
                importlib.import_module(module)

    threading.Thread(target=work, name="imports", daemon=True).start()


def process_age() -> float:
    """Seconds since this process was started (since this module was imported, where /proc is missing)."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return time.monotonic() - _IMPORTED
