"""A signature finds what hashes cannot: somebody who changes a bundle and puts all of its hashes right."""

import shutil
import subprocess

import pytest
from bundles import tampered
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.bundle.archive import write_zip
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.bundle.contract import FILE
from wildrobot_eqx.deploy.bundle.signature import NAMESPACE, SIGNATURE, Signer
from wildrobot_eqx.deploy.player.player import Player

OPENSSH = serialization.PrivateFormat.OpenSSH


def _key(path, seed=1, passphrase=None, key=None):
    """A key pair in files, as ssh-keygen writes them; the private one's path."""
    key = key or ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, OPENSSH, encryption))
    path.chmod(0o600)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    path.with_suffix(".pub").write_bytes(public + b" somebody\n")
    return path


@pytest.fixture
def key(tmp_path):
    return _key(tmp_path / "mine")


@pytest.fixture
def packed(tmp_path, hop_files, key):
    """A signed bundle."""
    path = tmp_path / "signed.zip"
    write_zip({**hop_files, SIGNATURE: Signer(key).sign(hop_files[FILE])}, path)
    return path


def test_a_signed_bundle_is_taken_from_its_signer(packed, key, tmp_path):
    public = key.with_suffix(".pub")
    several = tmp_path / "keys"
    other = _key(tmp_path / "other", 2).with_suffix(".pub")
    several.write_text(f"# who may sign\n{other.read_text()}ssh-rsa AAAA nobody\n{public.read_text()}")
    for signer in (public, str(public), public.read_text().strip(), several):
        assert Bundle.open(packed, signer).signed
    assert Player(packed, signer=public).bundle.signed
    assert Bundle.open(packed).signed  # without a key it only says that there is one


def test_what_its_signer_has_not_signed_is_refused(packed, hop_files, key, tmp_path):
    public = key.with_suffix(".pub")
    unsigned, edited = tmp_path / "unsigned.zip", tmp_path / "edited.zip"
    write_zip(hop_files, unsigned)
    changed = tampered(hop_files, lambda document, files: files.update({"README.md": b"# mine"}))
    write_zip({**changed, SIGNATURE: Signer(key).sign(hop_files[FILE])}, edited)
    assert Bundle.open(edited).files["README.md"] == b"# mine"  # its hashes are all right
    for path, signer, message in (
        (unsigned, public, "is not signed"),
        (edited, public, "changed after it was signed"),
        (packed, _key(tmp_path / "other", 2).with_suffix(".pub"), "by another key"),
    ):
        with pytest.raises(WildRobotError, match=message) as caught:
            Bundle.open(path, signer)
        assert caught.value.exit_code == 1
        assert str(path) in caught.value.where


@pytest.mark.parametrize("place", range(0, 300, 23))
def test_a_spoilt_signature_is_refused(place, hop_files, key, tmp_path):
    signature = bytearray(Signer(key).sign(hop_files[FILE]))
    signature[place] ^= 1
    write_zip({**hop_files, SIGNATURE: bytes(signature)}, tmp_path / "spoilt.zip")
    with pytest.raises(WildRobotError):
        Bundle.open(tmp_path / "spoilt.zip", key.with_suffix(".pub"))


def test_what_is_no_key_is_reported(packed, key, tmp_path):
    (tmp_path / "text").write_text("no key")
    elliptic = _key(tmp_path / "elliptic", key=ec.generate_private_key(ec.SECP256R1()))
    for path in (tmp_path / "nowhere", tmp_path, tmp_path / "text", elliptic, key.with_suffix(".pub")):
        with pytest.raises(WildRobotError) as caught:
            Signer(path)
        assert caught.value.where == str(path)
    for path in (tmp_path / "nowhere", tmp_path, tmp_path / "text", elliptic.with_suffix(".pub")):
        with pytest.raises(WildRobotError) as caught:
            Bundle.open(packed, path)
        assert caught.value.where == str(path)


def test_a_passphrase_is_asked_for(tmp_path, hop_files):
    pytest.importorskip("bcrypt")
    locked = _key(tmp_path / "locked", passphrase=b"secret")
    assert Signer(locked, lambda: "secret").sign(b"x") == Signer(_key(tmp_path / "open")).sign(b"x")
    for passphrase in (None, lambda: "wrong"):
        with pytest.raises(WildRobotError, match="cannot be read"):
            Signer(locked, passphrase)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")
def test_openssh_and_we_take_each_others_signatures(hop_files, key, tmp_path):
    name = NAMESPACE.decode()
    (tmp_path / "ours.sig").write_bytes(Signer(key).sign(hop_files[FILE]))
    (tmp_path / "allowed").write_text(f"me {key.with_suffix('.pub').read_text()}")
    verify = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "me", "-n", name, "-s", "ours.sig"]
    for contract, status in ((hop_files[FILE], 0), (hop_files[FILE] + b" ", 255)):
        done = subprocess.run(verify, cwd=tmp_path, input=contract, capture_output=True, check=False)
        assert done.returncode == status, done.stderr
    (tmp_path / FILE).write_bytes(hop_files[FILE])
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", name, FILE]
    subprocess.run(sign, cwd=tmp_path, check=True, capture_output=True)
    theirs = (tmp_path / SIGNATURE).read_bytes()
    write_zip({**hop_files, SIGNATURE: theirs}, tmp_path / "theirs.zip")
    assert Bundle.open(tmp_path / "theirs.zip", key.with_suffix(".pub")).signed
    (tmp_path / FILE).unlink()
    write_zip({**hop_files, SIGNATURE: theirs.replace(b"U1NIU0lH", b"U1NIU0lI", 1)}, tmp_path / "spoilt.zip")
    with pytest.raises(WildRobotError, match="another version"):
        Bundle.open(tmp_path / "spoilt.zip", key.with_suffix(".pub"))
