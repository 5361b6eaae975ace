"""Checkpoints: every leaf comes back, damage is noticed, and mismatches are named."""

import errno

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.runs import checkpoint, digest
from wildrobot_eqx.runs.checkpoint import Checkpoints, flatten, non_finite, unflatten


class Leaves(eqx.Module):
    weights: dict
    key: jax.Array
    count: jax.Array
    flag: jax.Array
    empty: jax.Array
    name: str = eqx.field(static=True)


@pytest.fixture
def tree():
    return Leaves(
        {"b": jnp.arange(6.0).reshape(2, 3), "a": [jnp.float32(0.1)]},
        jax.random.split(jax.random.key(3), 4),
        jnp.asarray(7, jnp.int32),
        jnp.array([True, False]),
        jnp.zeros((0, 3)),
        "leaves",
    )


def _same(one, two):
    assert jax.tree.structure(one) == jax.tree.structure(two)
    flat, again = flatten(one), flatten(two)
    assert flat.keys() == again.keys()
    for name in flat:
        assert flat[name].dtype == again[name].dtype
        np.testing.assert_array_equal(flat[name], again[name])


@pytest.mark.newest
def test_every_leaf_comes_back(tree, tmp_path):
    saved = Checkpoints(tmp_path / "c")
    saved.save(3, flatten(tree))
    iteration, flat = saved.load_latest()
    assert iteration == 3
    _same(tree, unflatten(tree, flat))
    restored = unflatten(eqx.filter_eval_shape(lambda: tree), flat)
    _same(tree, restored)
    assert restored.key.dtype == tree.key.dtype
    assert not restored.count.weak_type


def test_only_the_last_few_are_kept(tree, tmp_path):
    saved = Checkpoints(tmp_path, keep=2)
    for iteration in (1, 2, 10):
        saved.save(iteration, flatten(tree))
    assert saved.iterations() == [2, 10]


def test_mismatches_are_all_named(tree):
    flat = flatten(tree)
    flat[".weights['b']"] = np.zeros((2, 4), np.float32)
    del flat[".count"]
    flat[".stray"] = np.zeros(1)
    with pytest.raises(WildRobotError, match="3 leaves differ") as caught:
        unflatten(tree, flat)
    assert ".weights['b']: the checkpoint has float32[2, 4], the recipe float32[2, 3]" in str(caught.value)
    assert ".count: the recipe has it, the checkpoint lacks it" in str(caught.value)
    assert ".stray: the checkpoint has it, the recipe lacks it" in str(caught.value)


def _truncate(path):
    for file in path.rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _flip(path):
    """Change one byte of the largest file."""
    file = max((f for f in path.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)


@pytest.mark.parametrize("spoil", [_truncate, _flip])
def test_damage_falls_back_to_the_one_before(spoil, tree, tmp_path, capfd, heard):
    saved = Checkpoints(tmp_path)
    for iteration in (1, 2):
        saved.save(iteration, flatten(tree))
    spoil(saved.path(2))
    iteration, flat = saved.load_latest()
    assert iteration == 1
    _same(tree, unflatten(tree, flat))
    (notice,) = heard.messages
    assert "iteration 2 is damaged" in notice
    assert notice.endswith("trying the one before")
    spoil(saved.path(1))
    with pytest.raises(WildRobotError, match="None of the 2 checkpoints is intact"):
        saved.load_latest()
    assert "iteration 1 is damaged" in heard.messages[-1]
    assert "trying" not in heard.messages[-1]
    assert "NoneType" not in "".join(heard.messages)
    assert capfd.readouterr().err == ""


def test_arrays_swapped_on_disk_are_noticed(tree, tmp_path):
    saved = Checkpoints(tmp_path)
    flat = flatten(tree)
    honest = digest.digests(flat)
    flat[".count"] = np.asarray(8, np.int32)
    checkpoint._checkpointer().save(saved.path(1), {**flat, **honest})
    with pytest.raises(WildRobotError, match="digest"):
        saved.load(1)


def test_a_full_disk_keeps_the_earlier_ones(tree, tmp_path, monkeypatch):
    saved = Checkpoints(tmp_path)
    saved.save(1, flatten(tree))

    class Full:
        def save(self, path, *_, **__):
            path.with_name(path.name + ".orbax-checkpoint-tmp").mkdir()
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_checkpointer", Full)
        with pytest.raises(WildRobotError, match="No space left on device") as caught:
            saved.save(2, flatten(tree))
    assert "last good checkpoint is of iteration 1" in caught.value.hint
    assert caught.value.exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["00000001"]
    _same(tree, unflatten(tree, saved.load(1)))


def test_no_checkpoint_is_reported(tmp_path):
    with pytest.raises(WildRobotError, match="There is no checkpoint"):
        Checkpoints(tmp_path / "none").load_latest()


def test_non_finite_leaves_are_named(tree):
    spoilt = eqx.tree_at(lambda t: t.weights["a"][0], tree, jnp.float32(jnp.nan))
    assert non_finite(flatten(spoilt)) == [".weights['a'][0]"]
    assert non_finite(flatten(tree)) == []


@pytest.mark.parametrize("free", [0, 1000, 2**16])
def test_a_full_disk_is_reported_before_orbax_stumbles_over_it(free, tree, tmp_path, monkeypatch, capfd):
    saved = Checkpoints(tmp_path)
    saved.save(1, flatten(tree))
    usage = checkpoint.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda path: usage._replace(free=free))
    with pytest.raises(WildRobotError, match="No space left on device") as caught:
        saved.save(2, flatten(tree))
    assert caught.value.exit_code == 1
    assert "iteration 1" in caught.value.hint
    assert saved.iterations() == [1]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        ValueError('RESOURCE_EXHAUSTED: Error writing "a/0" in OCDBT database at local file "/x"'),
    ],
)
def test_a_disk_that_fills_up_meanwhile_is_reported_in_the_systems_words(error, tree, tmp_path, monkeypatch):
    def full(*_, **__):
        raise error

    monkeypatch.setattr(checkpoint._checkpointer(), "save", full)
    with pytest.raises(WildRobotError, match="could not be written: No space left on device"):
        Checkpoints(tmp_path).save(1, flatten(tree))


def test_a_folder_of_anothers_is_no_checkpoint(tree, tmp_path):
    for name in ("2024", "notes", "00000003.bak"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.tex").write_text("dear")
    saved = Checkpoints(tmp_path, keep=1)
    for iteration in (1, 2):
        saved.save(iteration, flatten(tree))
    assert saved.iterations() == [2]
    saved.remove_after(1)
    assert saved.iterations() == []
    assert {path.parent.name for path in tmp_path.rglob("*.tex")} == {"2024", "notes", "00000003.bak"}


def test_a_folder_that_cannot_be_read_is_not_one_without_checkpoints(tree, tmp_path, monkeypatch):
    saved = Checkpoints(tmp_path / "c")
    assert saved.iterations() == []
    saved.save(1, flatten(tree))

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(checkpoint.os, "scandir", refuse)
    with pytest.raises(WildRobotError, match="cannot be listed: Permission denied"):
        saved.iterations()


def test_a_run_that_was_moved_is_not_begun_anew_at_the_old_place(tree, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    saved = Checkpoints(run / "checkpoints")
    saved.save(1, flatten(tree))
    run.rename(tmp_path / "moved")
    with pytest.raises(WildRobotError, match="its run folder is gone") as caught:
        saved.save(2, flatten(tree))
    assert caught.value.exit_code == 1
    assert not run.exists()
    assert Checkpoints(tmp_path / "moved" / "checkpoints").iterations() == [1]


def test_a_checkpoint_that_may_not_be_read_is_not_taken_for_damaged(tree, tmp_path, monkeypatch):
    """A resume drops damaged ones: this one is whole, and belongs to somebody else."""
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for iteration in (1, 2):
        checkpoints.save(iteration, flatten(tree))
    closed = next(path for path in checkpoints.path(2).rglob("*") if path.is_file())
    access = checkpoint.os.access
    monkeypatch.setattr(checkpoint.os, "access", lambda path, mode: path != closed and access(path, mode))
    with pytest.raises(WildRobotError, match="checkpoint of iteration 2 may not be read") as caught:
        checkpoints.load_latest()
    assert caught.value.where == str(closed)
    assert checkpoints.iterations() == [1, 2]
