"""A policy bundle in memory: its contract and its files, each as it was exported, or it is refused."""

import dataclasses
import hashlib
import io
import os

import numpy as np
from numpy.typing import NDArray

from ...errors import WildRobotError
from .archive import damaged, read_files, read_zip
from .contract import FILE, Contract
from .read import read_contract
from .signature import SIGNATURE, check_signature

GOLDEN = "golden.npz"
_MAX_HEADER = 10_000  # bytes


@dataclasses.dataclass(frozen=True)
class Bundle:
    """The contract and the bytes of every other file, by name."""

    contract: Contract
    files: dict[str, bytes]
    path: str
    signed: bool = False  # whether there is a signature, checked or not

    @staticmethod
    def open(path: str | os.PathLike[str], signer: str | os.PathLike[str] | None = None) -> "Bundle":
        """Read a bundle from a folder or a zip, and hold every file against the contract.

        The contract's hashes find accidents. Only a signature finds malice: whoever can change a file
        can change its hash, too.

        Args:
            path: the folder or the zip.
            signer: who must have signed it: a file of Ed25519 SSH public keys, or one such line; None: no one has to.

        Raises:
            WildRobotError: it is damaged, was edited, has another version, is not signed by the
                signer, or is no bundle; the error says which.
        """
        where = os.fspath(path)
        files = read_files(path)
        if FILE not in files:
            raise damaged(
                f"There is no {FILE}: this is no policy bundle.", where, "make one by: wildrobot-eqx export RUN"
            )
        text, signature = files.pop(FILE), files.pop(SIGNATURE, None)
        if signer is not None:
            check_signature(text, signature, signer, where)
        contract = read_contract(text)
        listed = contract.document["files"]
        for name in sorted(set(files) - set(listed)):
            raise damaged(
                f"The bundle holds {name!r}, which its contract does not know.",
                where,
                "move that file out of the folder, or take the zip beside it",
            )
        for name, entry in listed.items():
            if name not in files:
                raise damaged(f"The bundle lacks {name!r}.", where)
            if hashlib.sha256(files[name]).hexdigest() != entry["sha256"] or len(files[name]) != entry["bytes"]:
                raise damaged(f"{name!r} is not the file that was exported: its hash is another.", where)
        if contract.document["policy"]["file"] not in files:
            raise damaged(f"The contract does not list the policy {contract.document['policy']['file']!r}.", where)
        return Bundle(contract, files, where, signature is not None)

    @property
    def policy(self) -> bytes:
        """The ONNX model."""
        return self.files[self.contract.document["policy"]["file"]]

    def golden(self) -> dict[str, NDArray[np.float32]]:
        """The golden vectors by name, a row per control step.

        Raises:
            WildRobotError: there are none, or they are no plain arrays.
        """
        if GOLDEN not in self.files:
            raise damaged("The bundle holds no golden vectors.", f"{self.path}, {GOLDEN}")
        where = f"{self.path}, {GOLDEN}"
        packed = read_zip(io.BytesIO(self.files[GOLDEN]), where)
        try:
            return {name.removesuffix(".npy"): _array(data) for name, data in packed.items()}
        except Exception as error:  # NumPy's reader raises whatever a spoilt header makes of it
            raise damaged(f"The golden vectors cannot be read: {error}", where) from error

    def text(self, name: str) -> str:
        """One of its files as text.

        Raises:
            WildRobotError: it lacks that file, or that is no text.
        """
        try:
            return self.files[name].decode("utf-8")
        except (KeyError, UnicodeDecodeError) as error:
            raise WildRobotError(
                f"The bundle has no text {name!r}.", where=self.path, hint="export it anew", exit_code=1
            ) from error


def _array(data: bytes) -> NDArray[np.float32]:
    """An array of an .npy, no larger than its bytes: what its header says is not to be trusted."""
    array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False, max_header_size=_MAX_HEADER)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"they hold {array.dtype}")
    with np.errstate(over="ignore"):  # an infinity is an error where the number is used
        return np.asarray(array, np.float32)
