"""In how many shards a run's envs step: kept in the manifest, taken again by a resume, or a message."""

import json

import pytest

from wildrobot_eqx import load_recipe
from wildrobot_eqx.learn import ppo
from wildrobot_eqx.physics import base
from wildrobot_eqx.train import registry as trainers


@pytest.fixture(scope="module")
def recipes():
    """The hopper on an engine that may be called from several threads, and on one that may not."""
    return {engine: load_recipe("hop")(physics=engine, num_envs=64) for engine in ("tree", "native")}


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(base, "usable_cpus", lambda: 4)


@pytest.mark.parametrize(
    ("engine", "before", "num_shards"),
    [
        ("tree", None, 2),  # 32 envs each at least
        ("tree", 1, 1),
        ("tree", 4, 4),  # as it began, on however many cores
        ("tree", 3, 2),  # which 64 envs do not divide into
        ("tree", 0, 2),
        ("native", None, 1),
        ("native", 2, 1),  # which two threads must not call
    ],
)
def test_a_run_takes_the_shards_that_it_began_with(recipes, four_cores, engine, before, num_shards):
    assert trainers.trainer("ppo").num_shards(recipes[engine], before) == num_shards


def _edited(folder, **changes):
    manifest = {**folder.manifest(), **changes}
    folder.manifest_path.write_text(json.dumps({key: value for key, value in manifest.items() if value is not None}))


@pytest.fixture
def resumed(copied, cli, monkeypatch):
    """Resumes a finished run whose manifest has these shards, for 1 more iteration; yields what `ppo.train` got."""

    def resume(num_shards, reentrant):
        _edited(copied, num_shards=num_shards)
        got = []

        def train(env, config, state, iterations, curriculum, num_shards, reward_model, devices):
            got.append(num_shards)
            return iter(())

        monkeypatch.setattr(ppo, "train", train)
        monkeypatch.setattr("wildrobot_eqx.physics.native.NativePhysics.reentrant", reentrant, raising=False)
        done = cli("run", f"--resume={copied.path}", "--steps=5200", "--no-eval")
        assert done.status == 0, done.err
        return got, copied.manifest()["num_shards"], done.err

    return resume


def test_a_new_run_keeps_its_shards(trained):
    assert trained.manifest()["num_shards"] == 1


def test_a_resume_takes_the_same_ones_and_says_so(resumed):
    got, kept, heard = resumed(2, reentrant=True)
    assert got == [kept] == [2]
    assert "in 2 shards, as the run began" in heard


def test_a_resume_that_cannot_says_that_it_differs(resumed):
    got, kept, heard = resumed(2, reentrant=False)
    assert got == [kept] == [1]
    assert "began in 2 shards of its envs and goes on in 1" in heard


@pytest.mark.parametrize("num_shards", [None, "2", True, -1])
def test_a_manifest_without_a_number_of_shards_is_as_good_as_a_new_one(resumed, num_shards):
    got, kept, _ = resumed(num_shards, reentrant=False)
    assert got == [kept] == [1]
