"""An export writes over what an export wrote, and over nothing else: a user's files are sacred."""

import os

import pytest
from bundles import Files, tampered

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.bundle.archive import STAGING, read_files, write_zip
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.bundle.contract import FILE
from wildrobot_eqx.deploy.export import place as placing
from wildrobot_eqx.deploy.export.place import place


@pytest.fixture
def older(hop_files) -> Files:
    """A bundle of another policy, with a file that the newer one lacks."""

    def change(document, files):
        document["training"] = {"iteration": 1}
        files["robot/old.xml"] = b"<mujoco/>"

    return tampered(hop_files, change)


@pytest.fixture
def there(tmp_path, older):
    """The older bundle, written."""
    place(older, tmp_path / "bundle", tmp_path / "bundle.zip", False)
    return tmp_path / "bundle"


def _write(files, folder, force=False):
    return place(files, folder, folder.with_name("bundle.zip"), force)


def test_notes_beside_a_bundle_stay(there, hop_files):
    notes = {"notes.md": "dear", "hardware/zeros.toml": "left_knee = 512", "robot/notes.txt": "mine"}
    for name, text in notes.items():
        (there / name).parent.mkdir(exist_ok=True)
        (there / name).write_text(text)
    assert _write(hop_files, there) == sorted(notes)
    assert {name: (there / name).read_text() for name in notes} == notes
    assert not (there / "robot" / "old.xml").exists()
    assert {name: (there / name).read_bytes() for name in hop_files} == hop_files
    with pytest.raises(WildRobotError, match=r"holds 'hardware/zeros.toml'") as caught:  # the folder is no bundle
        Bundle.open(there)
    assert "zip" in caught.value.hint
    assert read_files(there.with_name("bundle.zip")) == hop_files  # the zip is


def test_neighbours_of_likely_names_stay(tmp_path, hop_files):
    for name in ("bundle.partial", ".bundle.partial", "bundle.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.tex").write_text("dear")
    (tmp_path / "bundle.zip.partial").write_text("mine")
    _write(hop_files, tmp_path / "bundle")
    _write(hop_files, tmp_path / "bundle")
    kept = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.tex")}
    assert kept == {f"{name}/thesis.tex" for name in ("bundle.partial", ".bundle.partial", "bundle.tmp")}
    assert (tmp_path / "bundle.zip.partial").read_text() == "mine"


def _foreign_contract(folder, older):
    for path in folder.rglob("*.*"):
        path.unlink()
    (folder / FILE).write_text('{"parties": ["the tenant", "the landlord"]}')
    return folder / FILE


def _edited_readme(folder, older):
    (folder / "README.md").write_text("my notes on this policy")
    return folder / "README.md"


def _edited_contract(folder, older):
    (folder / FILE).write_text((folder / FILE).read_text().replace('"training": {', '"training": {"note": "mine", '))
    return folder / FILE


def _zip_with_notes(folder, older):
    write_zip({**older, "notes.md": b"dear"}, folder.with_name("bundle.zip"))
    return folder.with_name("bundle.zip")


def _zip_of_theirs(folder, older):
    folder.with_name("bundle.zip").write_bytes(b"a photo album")
    return folder.with_name("bundle.zip")


def _link_out(folder, older):
    target = folder.with_name("policy.onnx")
    os.replace(folder / "policy.onnx", target)
    (folder / "policy.onnx").symlink_to(target)
    return target


@pytest.mark.parametrize(
    "spoil", [_foreign_contract, _edited_readme, _edited_contract, _zip_with_notes, _zip_of_theirs, _link_out]
)
def test_what_no_export_wrote_is_overwritten_on_request_only(spoil, there, older, hop_files):
    theirs = spoil(there, older)
    before = theirs.read_bytes()
    with pytest.raises(WildRobotError, match="not overwritten") as caught:
        _write(hop_files, there)
    assert (caught.value.where, caught.value.exit_code) == ("--out", 2)
    assert "--force" in caught.value.hint
    assert theirs.read_bytes() == before
    _write(hop_files, there, force=True)
    assert read_files(there.with_name("bundle.zip")) == hop_files
    assert {name: (there / name).read_bytes() for name in hop_files} == hop_files
    if spoil is _link_out:
        assert theirs.read_bytes() == before  # the link is replaced, not what it points to


def test_nothing_is_written_through_a_link_to_a_folder(there, hop_files, tmp_path):
    os.rename(there / "robot", tmp_path / "my_robot")
    (there / "robot").symlink_to(tmp_path / "my_robot")
    before = {path.name: path.read_bytes() for path in (tmp_path / "my_robot").iterdir()}
    for force in (False, True):
        with pytest.raises(WildRobotError):
            _write(hop_files, there, force)
    assert {path.name: path.read_bytes() for path in (tmp_path / "my_robot").iterdir()} == before


@pytest.mark.parametrize("after", range(9))
def test_a_kill_leaves_one_policy_or_a_folder_that_is_refused(after, there, older, hop_files, monkeypatch):
    """Whenever it comes; and the next export needs no --force."""
    calls, replace = [0], os.replace

    def dying(source, target):
        calls[0] += 1
        if calls[0] > after + 1:  # the first is the journal's
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(placing.os, "replace", dying)
    try:
        _write(hop_files, there)
        ended = True
    except KeyboardInterrupt:
        ended = False
    monkeypatch.undo()
    assert ended is (after > len(hop_files))
    packed = read_files(there.with_name("bundle.zip"))
    assert packed in (older, hop_files)
    if ended:
        assert read_files(there) == packed
    else:
        with pytest.raises(WildRobotError, match="has not come to its end"):
            Bundle.open(there)
    assert _write(hop_files, there) == []
    assert read_files(there) == read_files(there.with_name("bundle.zip")) == hop_files
    assert not (there / STAGING).exists()
    assert sorted(path.name for path in there.parent.iterdir()) == ["bundle", "bundle.zip"]
