"""Bundles published to a folder, a zip and the Hugging Face Hub, and loaded from there; nothing goes over a network."""

import json
import os
from pathlib import Path
from unittest import mock

import pytest
from bundles import spoilt_rows, tampered

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.cli import main
from wildrobot_eqx.deploy.bundle.archive import read_files, write_zip
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.release import hub
from wildrobot_eqx.release.card import model_card
from wildrobot_eqx.release.publish import load, publish

FILM = b"\0\0\0\x20ftypisom" + bytes(64)
ADDRESS = "hf:someone/walks"


@pytest.fixture
def packed(walk_files, tmp_path) -> Path:
    write_zip(walk_files, tmp_path / "walk.zip")
    return tmp_path / "walk.zip"


@pytest.fixture
def film(tmp_path) -> Path:
    (tmp_path / "film.mp4").write_bytes(FILM)
    return tmp_path / "film.mp4"


@pytest.fixture
def library():
    """Hugging Face's own."""
    return pytest.importorskip("huggingface_hub")


def _in_cache(cache: Path, data: bytes) -> None:
    """A repository as the library keeps it once it was fetched: a link in a snapshot to a blob."""
    repo, commit = cache / "models--someone--walks", "0" * 40
    for folder in (repo / "refs", repo / "blobs", repo / "snapshots" / commit):
        folder.mkdir(parents=True)
    (repo / "refs" / "main").write_text(commit)
    (repo / "blobs" / "one").write_bytes(data)
    os.symlink("../../blobs/one", repo / "snapshots" / commit / "bundle.zip")


@pytest.mark.parametrize("target", ["published", "published.zip"])
def test_what_is_published_is_loaded(packed, film, walk_files, tmp_path, target):
    place = tmp_path / target
    publish(packed, str(place), "Apache-2.0", film)
    files = read_files(place)
    assert set(files) == {"README.md", "bundle.zip", "video.mp4"}
    assert files["video.mp4"] == FILM
    _, found = load(str(place), tmp_path / "mine.zip", 0)
    assert found.passed
    assert found.replay.steps == 100
    assert found.gate is None
    assert read_files(tmp_path / "mine.zip") == walk_files


def test_a_bundle_by_itself_is_loaded_from_its_folder(walk_files, tmp_path):
    for name, data in walk_files.items():
        (tmp_path / "bundle" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bundle" / name).write_bytes(data)
    _, found = load(str(tmp_path / "bundle"), tmp_path / "mine.zip", 0)
    assert found.passed
    assert read_files(tmp_path / "mine.zip") == walk_files


def test_the_card_says_what_it_is(walk, hop):
    card = model_card(walk, "mit", True, ADDRESS)
    head, body = card.removeprefix("---\n").split("---\n", 1)
    entries = {key: json.loads(value) for key, value in (line.split(": ", 1) for line in head.splitlines())}
    assert entries["license"] == "mit"
    assert "wildrobot" in entries["tags"]
    assert "**Passed** all 1 lines" in body
    assert "lin\\_vel\\_x" in body  # what it may be asked for
    assert 'src="video.mp4"' in body
    assert f"load {ADDRESS}" in body
    assert "**Not judged**" in model_card(hop, "mit", False, ADDRESS)
    assert "<video" not in model_card(hop, "mit", False, ADDRESS)


def test_the_hubs_library_reads_the_card(library, walk):
    card = library.ModelCard(model_card(walk, "apache-2.0", False, ADDRESS))
    assert card.data.license == "apache-2.0"
    assert card.data.library_name == "wildrobot-eqx"


def test_a_name_is_neither_html_nor_markdown(walk_files, tmp_path):
    def change(document, files):
        document["robot"]["name"] = "<script>x</script> # [a](b) | c"

    write_zip(tampered(walk_files, change), tmp_path / "odd.zip")
    card = model_card(Bundle.open(tmp_path / "odd.zip"), "mit", False, ADDRESS)
    assert "<script" not in card.split("---\n", 2)[2]
    assert card.count("\n---\n") == 1  # the end of the head
    assert "[a](b)" not in card.split("---\n", 2)[2]


def test_what_fails_is_not_kept(walk_files, tmp_path):
    wrong = tampered(walk_files, spoilt_rows("target", lambda rows: rows + 0.1))
    write_zip(wrong, tmp_path / "wrong.zip")
    _, found = load(str(tmp_path / "wrong.zip"), tmp_path / "mine.zip", 0)
    assert not found.passed
    assert not (tmp_path / "mine.zip").exists()
    assert main(["load", str(tmp_path / "wrong.zip"), "--out", str(tmp_path / "mine.zip"), "--episodes=0"]) == 1
    assert not (tmp_path / "mine.zip").exists()


def test_a_damaged_bundle_is_neither_published_nor_loaded(walk_files, tmp_path):
    write_zip({**walk_files, "policy.onnx": b"other"}, tmp_path / "bad.zip")
    with pytest.raises(WildRobotError, match="another"):
        publish(tmp_path / "bad.zip", str(tmp_path / "out"), "mit", None)
    write_zip({"README.md": b"", "bundle.zip": (tmp_path / "bad.zip").read_bytes()}, tmp_path / "published.zip")
    with pytest.raises(WildRobotError, match="another"):
        load(str(tmp_path / "published.zip"), tmp_path / "mine.zip", 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.zip", "published.zip"]


def test_only_a_publication_is_replaced_and_only_by_force(packed, film, tmp_path):
    place = tmp_path / "published"
    publish(packed, str(place), "mit", film)
    with pytest.raises(WildRobotError, match="exists already"):
        publish(packed, str(place), "mit", None)
    publish(packed, str(place), "mit", None, force=True)
    assert {path.name for path in place.iterdir()} == {"README.md", "bundle.zip"}
    (place / "thesis.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(WildRobotError, match="exists already"):
            publish(packed, str(place), "mit", film, force=force)
    with pytest.raises(WildRobotError, match="exists already"):  # a bundle, and no publication
        publish(packed, str(packed), "mit", None, force=True)
    assert (place / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("target", "licence", "where"),
    [
        ("out", "no licence!", "--license"),
        ("hf:walks", "mit", "hf:walks"),
        ("hf:someone/../walks", "mit", "hf:someone/../walks"),
        ("hf:someone/walks@main", "mit", "hf:someone/walks@main"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(packed, library, tmp_path, target, licence, where):
    with pytest.raises(WildRobotError) as caught:
        publish(packed, target if target.startswith("hf:") else str(tmp_path / target), licence, None)
    assert caught.value.where == where
    assert caught.value.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["walk.zip"]


def test_a_film_must_be_one(packed, tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"text")
    with pytest.raises(WildRobotError, match="MP4"):
        publish(packed, str(tmp_path / "out"), "mit", tmp_path / "film.mp4")
    assert not (tmp_path / "out").exists()


def test_the_hub_gets_one_commit(library, packed, film, monkeypatch):
    api, sent = mock.create_autospec(library.HfApi, instance=True), {}
    api.upload_folder.side_effect = lambda **how: sent.update(
        {path.name: path.read_bytes() for path in Path(how["folder_path"]).iterdir()}
    )
    monkeypatch.setattr(library, "HfApi", lambda **how: api)
    assert publish(packed, ADDRESS, "mit", film, private=True) == "https://huggingface.co/someone/walks"
    api.create_repo.assert_called_once_with("someone/walks", repo_type="model", private=True, exist_ok=False)
    assert set(sent) == {"README.md", "bundle.zip", "video.mp4"}
    assert f"load {ADDRESS}".encode() in sent["README.md"]


def test_the_hub_is_not_reached_offline(library, packed, monkeypatch):
    monkeypatch.setattr(library.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WildRobotError, match="Nothing was published") as caught:
        publish(packed, ADDRESS, "mit", None)
    assert caught.value.exit_code == 1


def test_loading_from_the_hub_takes_the_bundle_alone(library, packed, walk_files, tmp_path, monkeypatch):
    _in_cache(tmp_path / "cache", packed.read_bytes())
    monkeypatch.setattr(library.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(library.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    _, found = load(ADDRESS, tmp_path / "mine.zip", 0)
    assert found.passed
    assert read_files(tmp_path / "mine.zip") == walk_files
    with pytest.raises(WildRobotError, match="Nothing was loaded"):
        load("hf:someone/else", tmp_path / "other.zip", 0)
    assert not (tmp_path / "other.zip").exists()


def test_without_its_library_the_hub_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(WildRobotError) as caught:
        hub.download(ADDRESS, "bundle.zip")
    assert "wildrobot-eqx[hub]" in caught.value.hint
