"""The run folder: what is in it, and what it refuses."""

import contextlib
import datetime
import hashlib
import json
import os
import resource

import pytest
from tiny import SEED

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.paths import data_dir
from wildrobot_eqx.report.page import write_report
from wildrobot_eqx.runs.folder import STATE_VERSION, RunFolder, write_json
from wildrobot_eqx.train.log import keep_metrics_until, read_metrics, wall_clock


def test_a_run_folder_holds_what_repeats_the_run(trained):
    manifest = trained.manifest()
    names = {path.name for path in trained.path.iterdir()}
    assert {"recipe.py", "manifest.json", "metrics.jsonl", "tb", "checkpoints"} <= names
    assert manifest["recipe"]["sha256"] == hashlib.sha256(trained.recipe.read_bytes()).hexdigest()
    assert manifest["options"]["num_envs"] == 16
    assert manifest["options"]["robot"] == "hopper"  # defaults, too
    assert "learner.hidden=[16]" in manifest["overrides"]
    assert (manifest["name"], manifest["seed"], manifest["status"]) == ("hop", SEED, "trained")
    assert manifest["steps_done"] == manifest["steps"] == 16 * 8 * 40
    assert {"python", "jax", "mujoco", "equinox", "wildrobot-eqx"} <= manifest["versions"].keys()
    assert manifest["device"]["platform"] == "cpu"
    assert 0.0 < manifest["training_s"] < manifest["first_update_s"] + 600.0
    assert list(trained.tensorboard.glob("events.*"))


def test_every_iteration_is_logged_once(trained):
    lines = read_metrics(trained.metrics)
    assert [line["iteration"] for line in lines] == list(range(1, 41))
    assert [line["steps"] for line in lines] == [16 * 8 * n for n in range(1, 41)]
    wanted = {
        "reward_per_step",
        "lin_vel_x_error",
        "terminations_per_minute",
        "diverged",
        "raw/track",
        "reward/track",
        "kl",
        "wall_clock_s",
    }
    assert wanted <= lines[0].keys()


def test_two_runs_into_one_folder_are_refused(trained, cli):
    before = sorted(path.name for path in trained.path.iterdir())
    done = cli("run", "hop", f"--out={trained.path}")
    assert done.status == 2
    assert "already holds a run" in done.err
    assert f"--resume {trained.path}" in done.err
    assert sorted(path.name for path in trained.path.iterdir()) == before


def test_a_folder_with_files_is_refused(tmp_path):
    (tmp_path / "x").write_text("mine")
    with pytest.raises(WildRobotError, match="already holds files"):
        RunFolder.create(tmp_path, "hop", 0)
    with pytest.raises(WildRobotError, match="is a file"):
        RunFolder.create(tmp_path / "x", "hop", 0)


def test_the_default_name_tells_recipe_and_seed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = RunFolder.create(None, "hop", 7)
    assert folder.path.parent.name == "runs"
    assert folder.path.name.startswith("hop-")
    assert folder.path.name.endswith("-seed7")


def test_two_runs_of_one_second_have_folders_of_their_own(tmp_path, monkeypatch):
    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datetime, "datetime", Clock)
    made = [RunFolder.create(None, "hop", 7).path.name for _ in range(3)]
    assert made == [f"hop-20260102-030405-seed7{number}" for number in ("", "-2", "-3")]


def test_no_run_names_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = RunFolder.create("runs/hop-1", "hop", 0)
    known.update_manifest(name="hop")
    with pytest.raises(WildRobotError, match=r"There is no run in 'runs/hop-2'(.|\n)*did you mean 'runs/hop-1'"):
        RunFolder.open("runs/hop-2")


@pytest.mark.parametrize("text", ["{", '{"schema": 99}', "[]"])
def test_a_manifest_that_cannot_be_read_is_reported(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(WildRobotError, match="manifest"):
        RunFolder.open(tmp_path).manifest()


@pytest.mark.parametrize("version", [None, 1, 3, True, "2", [2]])
def test_a_run_of_another_version_is_refused(tmp_path, version):
    """Version 0.1.0 wrote no `state_version`; the error says which version made the run, and what to do."""
    folder = RunFolder.create(tmp_path / "run", "hop", 0)
    assert folder.update_manifest(versions={"wildrobot-eqx": "0.1.0"})["state_version"] == STATE_VERSION
    document = json.loads(folder.manifest_path.read_text()) | {"state_version": version}
    if version is None:
        del document["state_version"]
    folder.manifest_path.write_text(json.dumps(document))
    for call in (folder.manifest, lambda: folder.update_manifest(name="hop")):
        with pytest.raises(WildRobotError) as caught:
            call()
        assert caught.value.where == f"{folder.manifest_path}, state_version"
        assert "wildrobot-eqx==0.1.0" in caught.value.hint
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("command", [("eval",), ("render",), ("run", "--resume")])
def test_a_changed_recipe_copy_runs_only_on_trust(command, copied, cli, tmp_path):
    witness = tmp_path / "executed"
    copied.recipe.write_text(f"open({str(witness)!r}, 'w').close()\n")
    done = cli(*command, copied.path)
    assert done.status == 2
    assert "--trust" in done.err
    assert not witness.exists()
    trusted = cli(*command, copied.path, "--trust")
    assert trusted.status == 2
    assert "holds 0 functions" in trusted.err
    assert witness.exists()


def test_a_missing_recipe_copy_is_reported(copied, cli):
    copied.recipe.unlink()
    done = cli("eval", copied.path)
    assert done.status == 2
    assert "copy of its recipe is missing" in done.err


def test_one_process_trains_into_a_folder(copied, cli):
    with copied.lock():
        done = cli("run", f"--resume={copied.path}", "--no-eval")
    assert done.status == 2
    assert "Another process is training into this folder" in done.err


def test_json_is_replaced_whole(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}


@contextlib.contextmanager
def _full_disk():
    """No file of this process may grow: the kernel itself refuses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_spoils_no_file(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('{"iteration":1}\n')
    big = {"a": "b" * 10_000}
    for write in (
        lambda: write_json(path, big),
        lambda: keep_metrics_until(metrics, 1),
        lambda: write_report(tmp_path),
        lambda: RunFolder(tmp_path).adopt_recipe(data_dir("recipes") / "hop.py"),
        lambda: RunFolder(tmp_path).update_manifest(**big),
    ):
        with pytest.raises(WildRobotError, match="could not be written: File too large") as caught, _full_disk():
            write()
        assert caught.value.exit_code == 1
        assert caught.value.where
        assert "free some space" in caught.value.hint
    assert json.loads(path.read_text()) == {"a": 1}
    assert metrics.read_text() == '{"iteration":1}\n'
    assert not list(tmp_path.glob("*.partial"))


def test_metrics_are_cut_back_to_the_checkpoint(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(f'{{"iteration": {n}}}\n' for n in (1, 2, 3)) + '{"iterat')
    assert [line["iteration"] for line in keep_metrics_until(path, 2)] == [1, 2]
    assert path.read_text() == '{"iteration": 1}\n{"iteration": 2}\n'
    assert keep_metrics_until(tmp_path / "none.jsonl", 2) == []


def test_a_file_is_on_the_disk_before_it_takes_the_place_of_another(tmp_path, monkeypatch):
    """Renamed before it is flushed, it would be empty after a power cut."""
    done = []
    flush, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("flush"), flush(handle)))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("rename"), replace(*paths)))
    write_json(tmp_path / "x.json", {"a": 1})
    assert done == ["flush", "rename", "flush"]  # the file, its name, the folder that holds the name
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_neighbour_of_a_likely_name_is_left_alone(tmp_path):
    (tmp_path / "x.json.partial").write_text("mine")
    write_json(tmp_path / "x.json", {"a": 1})
    assert (tmp_path / "x.json.partial").read_text() == "mine"


# --- spoilt files of a run are reported ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["1", "null", "[]", '"x"', "{}", '{"iteration": null}', '{"iteration": "1"}', "true", "1e999"]
)
def test_a_line_that_is_no_iteration_is_reported(line, tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"iteration": 1}}\n{line}\n{{"iteration": 2}}\n')
    before = path.read_bytes()
    with pytest.raises(WildRobotError, match="Line 2") as caught:
        keep_metrics_until(path, 2)
    assert caught.value.where == f"{path}:2"
    assert path.read_bytes() == before


@pytest.mark.parametrize("tail", [b'{"iteration": 2, "x', b"\xff\xfe", b"[" * 50_000, b"9" * 5000])
def test_a_line_cut_short_is_left_out(tail, tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"iteration": 1}\n' + tail)
    assert read_metrics(path) == [{"iteration": 1}]


def test_figures_that_cannot_be_read_are_reported(tmp_path):
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(WildRobotError, match="cannot be read") as caught:
        read_metrics(tmp_path / "metrics.jsonl")
    assert caught.value.where == str(tmp_path / "metrics.jsonl")


@pytest.mark.parametrize("seconds", [None, "x", True, -1, float("nan"), 10**400, 1e300])
def test_a_wall_clock_that_is_none_starts_anew(seconds):
    assert wall_clock([{"iteration": 1, "wall_clock_s": seconds}]) == 0.0
    assert wall_clock([]) == 0.0


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("options", []),
        ("overrides", {}),
        ("overrides", [[]]),
        ("seed", "0"),
        ("seed", True),
        ("recipe", "x"),
        ("name", 1),
    ],
)
def test_an_entry_of_another_kind_is_reported(entry, value, copied):
    text = json.loads(copied.manifest_path.read_text())
    copied.manifest_path.write_text(json.dumps({**text, entry: value}))
    with pytest.raises(WildRobotError, match=f"manifest's '{entry}' must be") as caught:
        copied.manifest()
    assert caught.value.where == f"{copied.manifest_path}, {entry}"
    text.pop(entry)
    copied.manifest_path.write_text(json.dumps(text))
    with pytest.raises(WildRobotError, match=f"lacks '{entry}'"):
        copied.whole_manifest()


def test_a_recipe_copy_that_cannot_be_read_is_reported(copied, monkeypatch):
    def unreadable(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", unreadable)
    with pytest.raises(WildRobotError, match=r"recipe.py cannot be read: Permission denied"):
        copied.trusted_recipe(False)
