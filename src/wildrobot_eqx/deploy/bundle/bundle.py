"""A policy bundle in memory: its contract and its files, each as it was exported, or it is refused."""

import dataclasses
import hashlib
import io
import os
import zipfile

import numpy as np
from numpy.typing import NDArray

from ...errors import WildRobotError
from .archive import MAX_TOTAL, damaged, read_files
from .contract import FILE, Contract, read_contract

GOLDEN = "golden.npz"


@dataclasses.dataclass(frozen=True)
class Bundle:
    """The contract and the bytes of every other file, by name."""

    contract: Contract
    files: dict[str, bytes]
    path: str

    @staticmethod
    def open(path: str | os.PathLike) -> "Bundle":
        """Read a bundle from a folder or a zip, and hold every file against the contract.

        Raises:
            WildRobotError: it is damaged, was edited, has another version, or is no bundle; the
                reason is told.
        """
        where = os.fspath(path)
        files = read_files(path)
        if FILE not in files:
            raise damaged(
                f"There is no {FILE}: this is no policy bundle.", where, "make one by: wildrobot-eqx export RUN"
            )
        contract = read_contract(files.pop(FILE))
        listed = contract.document["files"]
        for name in sorted(set(files) - set(listed)):
            raise damaged(f"The bundle holds {name!r}, which its contract does not know.", where, "remove that file")
        for name, entry in listed.items():
            if name not in files:
                raise damaged(f"The bundle lacks {name!r}.", where)
            if hashlib.sha256(files[name]).hexdigest() != entry["sha256"] or len(files[name]) != entry["bytes"]:
                raise damaged(f"{name!r} is not the file that was exported: its hash is another.", where)
        if contract.document["policy"]["file"] not in files:
            raise damaged(f"The contract does not list the policy {contract.document['policy']['file']!r}.", where)
        return Bundle(contract, files, where)

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
        try:
            with zipfile.ZipFile(io.BytesIO(self.files[GOLDEN])) as archive:
                if sum(member.file_size for member in archive.infolist()) > MAX_TOTAL:
                    raise ValueError("they are too large")
            with np.load(io.BytesIO(self.files[GOLDEN]), allow_pickle=False) as arrays:
                return {name: np.asarray(arrays[name], np.float32) for name in arrays.files}
        except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile) as error:
            raise damaged(f"The golden vectors cannot be read: {error}", f"{self.path}, {GOLDEN}") from error

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
