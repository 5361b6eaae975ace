"""Checkpoints of the whole training state: named arrays, written atomically by Orbax, checked by a digest."""

import errno
import functools
import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree, Shaped

from .. import jax_compat
from ..errors import WildRobotError, first_line
from . import digest

_log = logging.getLogger(__name__)

KEEP = 3  # checkpoints per run
_OVERHEAD = 2**16  # bytes of a checkpoint beside its arrays
_NAME = re.compile(r"[0-9]{8}")


def flatten(state: PyTree) -> dict[str, Shaped[np.ndarray, "..."] | Shaped[jax.Array, "..."]]:
    """Every array of `state` on the host, by its path; typed PRNG keys as their words.

    Arrays that lie in several processes stay where they are. Leaves without elements are left out: there is nothing to
    keep, and Orbax refuses them.
    """
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(state, eqx.is_array))
    data = [jax.random.key_data(leaf) if _is_key(leaf) else leaf for _, leaf in leaves]
    named = {jax.tree_util.keystr(path): leaf for (path, _), leaf in zip(leaves, data) if leaf.size}
    here = {name: leaf for name, leaf in named.items() if not digest.is_cut(leaf)}
    return named | {name: np.asarray(leaf) for name, leaf in jax.device_get(here).items()}


def unflatten(template: PyTree, flat: dict[str, Shaped[np.ndarray, "..."]]) -> PyTree:
    """The state of `flat`, in the structure of `template` (arrays, or their ShapeDtypeStructs).

    Raises:
        WildRobotError: leaves are missing, left over, or differ in shape or dtype; all are named.
    """
    paths, tree = jax.tree_util.tree_flatten_with_path(template)
    leaves, wrong, known = [], [], set()
    for path, like in paths:
        name = jax.tree_util.keystr(path)
        known.add(name)
        if not isinstance(like, (jax.Array, jax.ShapeDtypeStruct)):
            leaves.append(like)
            continue
        words = jax.eval_shape(jax.random.key_data, like) if _is_key(like) else like
        if not words.size:
            leaves.append(jax.numpy.zeros(words.shape, words.dtype))
            continue
        if name not in flat:
            wrong.append(f"{name}: the recipe has it, the checkpoint lacks it")
            continue
        value = flat[name]
        if value.shape != words.shape or value.dtype != words.dtype:
            wrong.append(
                f"{name}: the checkpoint has {value.dtype}{list(value.shape)}, "
                f"the recipe {words.dtype}{list(words.shape)}"
            )
            continue
        array = jax.numpy.asarray(value)
        leaves.append(jax.random.wrap_key_data(array, impl=jax_compat.key_impl(like)) if _is_key(like) else array)
    wrong += [f"{name}: the checkpoint has it, the recipe lacks it" for name in flat if name not in known]
    if wrong:
        shown = "\n".join(f"    {line}" for line in wrong[:8])
        more = f"\n    ... and {len(wrong) - 8} more" if len(wrong) > 8 else ""
        raise WildRobotError(
            f"The checkpoint does not fit the recipe, {len(wrong)} leaves differ:\n{shown}{more}",
            where="the training state built from the recipe, against the checkpoint",
            hint="use the recipe, the options and the --set values that the run was made with",
        )
    return jax.tree_util.tree_unflatten(tree, leaves)


def non_finite(flat: dict[str, Shaped[np.ndarray, "..."] | Shaped[jax.Array, "..."]]) -> list[str]:
    """The names of the leaves that hold a NaN or an infinity."""
    return [name for name, leaf in flat.items() if leaf.dtype.kind == "f" and not np.isfinite(leaf).all()]


def _is_key(leaf: Any) -> bool:
    return jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)


@functools.cache
def _checkpointer() -> Any:
    import absl.logging
    import orbax.checkpoint as ocp

    absl.logging.set_verbosity(absl.logging.FATAL)  # what goes wrong is raised, and reported where it is caught
    return ocp.Checkpointer(ocp.PyTreeCheckpointHandler())


@functools.cache
def _reader() -> Any:
    """Reads in this process, whatever others do."""
    import orbax.checkpoint as ocp

    own = jax.process_index()
    if jax.process_count() == 1:
        return _checkpointer()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process{own}"
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


class Checkpoints:
    """The numbered checkpoints in one folder, of which the last few are kept.

    Args:
        folder: where they are; made when the first is saved.
        keep: how many to keep.
    """

    folder: Path
    keep: int

    def __init__(self, folder: Path, keep: int = KEEP):
        self.folder, self.keep = Path(folder).absolute(), keep

    def iterations(self) -> list[int]:
        """The iterations of which there is a finished checkpoint, oldest first.

        Raises:
            WildRobotError: the folder cannot be read: a run must not be taken for one without checkpoints.
        """
        try:
            with os.scandir(self.folder) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            names = []
        except OSError as error:
            raise WildRobotError(
                f"The checkpoints cannot be listed: {error.strerror}",
                where=str(self.folder),
                hint="see that the folder may be read",
                exit_code=1,
            ) from error
        return sorted(int(name) for name in names if _NAME.fullmatch(name))  # a folder of another's is none

    def path(self, iteration: int) -> Path:
        """Where the checkpoint of one iteration lies."""
        return self.folder / f"{iteration:08d}"

    def save(self, iteration: int, flat: dict[str, Shaped[np.ndarray, "..."] | Shaped[jax.Array, "..."]]) -> Path:
        """Write one checkpoint under a temporary name, rename it, and drop the oldest.

        Of several processes each writes its rows of the arrays that lie in all of them; all of them call this.

        Raises:
            WildRobotError: it could not be written, as on a full disk; earlier ones are untouched.
        """
        path = self.path(iteration)
        if not self.folder.parent.is_dir():
            raise WildRobotError(
                f"The checkpoint of iteration {iteration} could not be written: its run folder is gone.",
                where=str(self.folder.parent),
                hint="if it was moved or renamed, go on there with --resume",
                exit_code=1,
            )
        try:
            self.folder.mkdir(exist_ok=True)
            _check_space(self.folder, sum(leaf.nbytes for leaf in flat.values()))
            _checkpointer().save(path, {**flat, **digest.digests(flat)}, force=True)
        except (OSError, ValueError, RuntimeError) as error:
            for partial in self.folder.glob(f"{path.name}.orbax*") if jax.process_index() == 0 else ():
                shutil.rmtree(partial, ignore_errors=True)
            kept = self.iterations()
            raise WildRobotError(
                f"The checkpoint of iteration {iteration} could not be written: {_reason(error)}",
                where=str(path),
                hint="free some space and go on with --resume; "
                + (f"the last good checkpoint is of iteration {kept[-1]}" if kept else "no checkpoint exists yet"),
                exit_code=1,
            ) from error
        for old in self.iterations()[: -self.keep] if jax.process_index() == 0 else ():
            shutil.rmtree(self.path(old), ignore_errors=True)
        return path

    def load(self, iteration: int) -> dict[str, Shaped[np.ndarray, "..."]]:
        """Read one checkpoint and check its digest.

        Raises:
            WildRobotError: it is truncated or corrupt.
        """
        path = self.path(iteration)
        try:
            flat = _restore(path)
            intact = digest.intact(flat)
            reason = "its digest does not match its arrays"
        except Exception as error:  # Orbax raises whatever its stores raise
            intact, reason = False, first_line(error)
        if not intact:
            raise WildRobotError(
                f"The checkpoint of iteration {iteration} is damaged: {reason}",
                where=str(path),
                hint="remove that folder to use an earlier checkpoint",
                exit_code=1,
            )
        return flat

    def load_latest(self) -> tuple[int, dict[str, Shaped[np.ndarray, "..."]]]:
        """The newest intact checkpoint and its iteration; a damaged one that is passed over is logged.

        Raises:
            WildRobotError: there is none, or one may not be read: it is no damaged one, which a resume would drop.
        """
        iterations = self.iterations()
        if not iterations:
            raise WildRobotError(
                "There is no checkpoint.",
                where=str(self.folder),
                hint="the run stopped before it saved one; run again with --resume, or start anew",
            )
        for iteration in reversed(iterations):
            _check_rights(iteration, self.path(iteration))
            try:
                return iteration, self.load(iteration)
            except WildRobotError as error:
                before = "; trying the one before" if iteration != iterations[0] else ""
                _log.warning(f"{error.what.splitlines()[0]} ({error.where}){before}")
        raise WildRobotError(
            f"None of the {len(iterations)} checkpoints is intact.",
            where=str(self.folder),
            hint="restore the folder from a backup, or start a new run",
            exit_code=1,
        )

    def remove_after(self, iteration: int) -> None:
        """Drop checkpoints newer than `iteration`, and unfinished ones."""
        for newer in [i for i in self.iterations() if i > iteration]:
            shutil.rmtree(self.path(newer))
        for partial in self.folder.glob("*.orbax-checkpoint-tmp*"):
            shutil.rmtree(partial, ignore_errors=True)


def _restore(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    import orbax.checkpoint as ocp

    checkpointer = _reader()
    stored = checkpointer.metadata(path).item_metadata
    if stored is None:
        raise ValueError("the list of its arrays cannot be read")
    names = stored.tree
    as_numpy = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
    return {name: np.asarray(leaf) for name, leaf in checkpointer.restore(path, restore_args=as_numpy).items()}


def _check_rights(iteration: int, path: Path) -> None:
    """Refuse a checkpoint that this user may not read."""
    for one in (path, *path.rglob("*")):
        if not os.access(one, os.R_OK):
            raise WildRobotError(
                f"The checkpoint of iteration {iteration} may not be read.",
                where=str(one),
                hint="give yourself the right to read it, or move its folder away to use an earlier checkpoint",
                exit_code=1,
            )


def _check_space(folder: Path, size: int) -> None:
    """The disk has room for a checkpoint of `size` bytes: Orbax's threads print tracebacks over one that fills up."""
    needed = size + size // 8 + _OVERHEAD
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OSError(errno.ENOSPC, f"it needs {needed >> 10} KiB, {free >> 10} KiB are free")


def _reason(error: Exception) -> str:
    """Why a checkpoint could not be written; of a full disk in the system's own words."""
    text = str(error)
    if "RESOURCE_EXHAUSTED" in text or "No space left" in text:
        return os.strerror(errno.ENOSPC)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"{os.strerror(errno.ENOSPC)}, {error.strerror}"
    return first_line(error)
