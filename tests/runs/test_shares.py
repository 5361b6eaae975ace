"""In how many shares a run's envs step: kept in the manifest, taken again by a resume, told where it cannot be."""

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
    ("engine", "before", "shares"),
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
def test_a_run_takes_the_shares_that_it_began_with(recipes, four_cores, engine, before, shares):
    assert trainers.trainer("ppo").shares(recipes[engine], before) == shares


def _edited(folder, **changes):
    manifest = {**folder.manifest(), **changes}
    folder.manifest_path.write_text(json.dumps({key: value for key, value in manifest.items() if value is not None}))


@pytest.fixture
def resumed(copied, cli, monkeypatch):
    """Resumes a finished run whose manifest has these shares, for 1 more iteration; yields what `ppo.train` got."""

    def resume(shares, reentrant):
        _edited(copied, shares=shares)
        got = []

        def train(env, config, state, iterations, curriculum, shares, reward_model):
            got.append(shares)
            return iter(())

        monkeypatch.setattr(ppo, "train", train)
        monkeypatch.setattr("wildrobot_eqx.physics.native.NativePhysics.reentrant", reentrant, raising=False)
        done = cli("run", f"--resume={copied.path}", "--steps=5200", "--no-eval")
        assert done.status == 0, done.err
        return got, copied.manifest()["shares"], done.err

    return resume


def test_a_new_run_keeps_its_shares(trained):
    assert trained.manifest()["shares"] == 1


def test_a_resume_takes_the_same_ones_and_says_so(resumed):
    got, kept, told = resumed(2, reentrant=True)
    assert got == [kept] == [2]
    assert "in 2 shares, as the run began" in told


def test_a_resume_that_cannot_says_that_it_differs(resumed):
    got, kept, told = resumed(2, reentrant=False)
    assert got == [kept] == [1]
    assert "began in 2 shares of its envs and goes on in 1" in told


@pytest.mark.parametrize("shares", [None, "2", True, -1])
def test_a_manifest_without_a_number_of_shares_is_as_good_as_a_new_one(resumed, shares):
    got, kept, _ = resumed(shares, reentrant=False)
    assert got == [kept] == [1]
