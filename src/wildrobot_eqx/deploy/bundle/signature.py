"""A bundle's signature, by an Ed25519 SSH key, over its contract, which holds the hashes of all other files.

The format is OpenSSH's (PROTOCOL.sshsig in its sources), so that `ssh-keygen -Y verify -n wildrobot-eqx-bundle`
checks it, too. Keys are read and used by the library `cryptography`.
"""

import base64
import binascii
import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import WildRobotError, first_line
from .archive import damaged
from .contract import FILE
from .extra import require

SIGNATURE = f"{FILE}.sig"
NAMESPACE = b"wildrobot-eqx-bundle"
_KIND = b"ssh-ed25519"
_BEGIN, _END = b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----"
_MAX_KEYS = 2**20  # bytes of a file of public keys
_NEW_KEY = "make one by: ssh-keygen -t ed25519 -f bundle_key"


def is_signature(data: bytes) -> bool:
    """Whether a file looks like a signature of this format."""
    return data.startswith(_BEGIN) and data.rstrip().endswith(_END)


class Signer:
    """A private key, ready to sign.

    Args:
        path: an Ed25519 key in OpenSSH's format, as `ssh-keygen -t ed25519` makes it.
        passphrase: asked for it where the key has one.

    Raises:
        WildRobotError: it cannot be read, is of another kind, or `cryptography` is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], passphrase: Callable[[], str] | None = None):
        keys = _keys()
        where = os.fspath(path)
        try:
            data = Path(path).read_bytes()
            try:
                key = keys.load_ssh_private_key(data, None)
            except TypeError:  # it has a passphrase
                if passphrase is None:
                    raise ValueError("it has a passphrase") from None
                key = keys.load_ssh_private_key(data, passphrase().encode())
        except Exception as error:  # what is no key raises errors of many types
            why = error.strerror if isinstance(error, OSError) else first_line(error)
            raise WildRobotError(f"The key cannot be read: {why}", where=where, hint=_NEW_KEY) from error
        if not isinstance(key, _ed25519().Ed25519PrivateKey):
            raise WildRobotError("The key is no Ed25519 key.", where=where, hint=_NEW_KEY)
        self._key = key

    def sign(self, contract: bytes) -> bytes:
        """The signature of a contract's bytes, in OpenSSH's armour. Equal bytes give equal signatures."""
        raw = _keys()
        public = self._key.public_key().public_bytes(raw.Encoding.Raw, raw.PublicFormat.Raw)
        parts = [_string(_KIND) + _string(public), NAMESPACE, b"", b"sha512"]
        parts.append(_string(_KIND) + _string(self._key.sign(_signed(contract))))
        body = b"SSHSIG" + struct.pack(">I", 1) + b"".join(map(_string, parts))
        text = base64.b64encode(body)
        lines = [text[i : i + 70] for i in range(0, len(text), 70)]
        return b"\n".join([_BEGIN, *lines, _END, b""])


def check_signature(contract: bytes, signature: bytes | None, signer: str | os.PathLike[str], where: str) -> None:
    """Hold a contract's bytes and their signature against those who may sign.

    Args:
        contract: the bytes of contract.json.
        signature: the bytes of its signature, None where there is none.
        signer: a file of public keys, one a line as in an `id_ed25519.pub`; or such a line itself.
        where: the bundle, for messages.

    Raises:
        WildRobotError: there is no signature, it is of another key or of other bytes, or no key can be read.
    """
    trusted = _public_keys(signer)
    if signature is None:
        raise damaged("The bundle is not signed.", where, "ask for a signed one: wildrobot-eqx export RUN --sign KEY")
    where = f"{where}, {SIGNATURE}"
    try:
        public, signed = _parse(signature)
    except (ValueError, struct.error, binascii.Error) as error:
        raise damaged(f"The signature cannot be read: {error}", where) from error
    if public not in trusted:
        raise damaged("The bundle is signed by another key.", where, "name the right key, or do not run the bundle")
    from cryptography.exceptions import InvalidSignature

    try:
        _ed25519().Ed25519PublicKey.from_public_bytes(public).verify(signed, _signed(contract))
    except InvalidSignature as error:
        raise damaged(
            "The signature is not of this bundle: it was changed after it was signed.", where, "do not run it"
        ) from error


def _public_keys(signer: str | os.PathLike[str]) -> set[bytes]:
    """The raw Ed25519 keys of a file, or of a line."""
    keys = _keys()
    text = os.fspath(signer)
    if text.startswith(_KIND.decode() + " "):
        where, lines = "signer", [text]
    else:
        where = text
        try:
            with Path(signer).open("rb") as file:
                lines = file.read(_MAX_KEYS).decode("utf-8", "replace").splitlines()
        except OSError as error:
            raise WildRobotError(
                f"The public key cannot be read: {error.strerror}", where=where, hint="name an id_ed25519.pub"
            ) from error
    found = set()
    for line in lines:
        try:
            key = keys.load_ssh_public_key(line.strip().encode())
        except Exception:  # a comment, or a key of a kind that the library does not know
            continue
        if isinstance(key, _ed25519().Ed25519PublicKey):
            found.add(key.public_bytes(keys.Encoding.Raw, keys.PublicFormat.Raw))
    if not found:
        raise WildRobotError(
            "There is no Ed25519 public key in it.", where=where, hint="it is a line such as: ssh-ed25519 AAAA... name"
        )
    return found


def _parse(signature: bytes) -> tuple[bytes, bytes]:
    """The public key and the signature proper, both raw."""
    if not is_signature(signature):
        raise ValueError("it is none of OpenSSH's format")
    body = base64.b64decode(b"".join(signature.strip().splitlines()[1:-1]), validate=True)
    if body[:10] != b"SSHSIG" + struct.pack(">I", 1):
        raise ValueError("it is of another version")
    public, namespace, _, algorithm, signed = _strings(body[10:], 5)
    if namespace != NAMESPACE:
        raise ValueError(f"it was made for another purpose, {namespace.decode('ascii', 'replace')!r}")
    (kind, key), (signed_kind, raw) = _strings(public, 2), _strings(signed, 2)
    if (kind, signed_kind, algorithm) != (_KIND, _KIND, b"sha512") or len(key) != 32:
        raise ValueError("it is by no Ed25519 key with SHA-512")
    return key, raw


def _signed(contract: bytes) -> bytes:
    """What is signed of a contract: purpose, hash function, hash."""
    parts = (NAMESPACE, b"", b"sha512", hashlib.sha512(contract).digest())
    return b"SSHSIG" + b"".join(map(_string, parts))


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _strings(data: bytes, count: int) -> list[bytes]:
    """So many strings, and nothing after them."""
    found = []
    for _ in range(count):
        (size,) = struct.unpack_from(">I", data)
        found.append(data[4 : 4 + size])
        if len(found[-1]) != size:
            raise ValueError("it is cut short")
        data = data[4 + size :]
    if data:
        raise ValueError("something follows it")
    return found


def _keys() -> Any:
    require("cryptography", "sign", "Signatures")
    from cryptography.hazmat.primitives import serialization

    return serialization


def _ed25519() -> Any:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    return ed25519
