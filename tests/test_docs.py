"""The pages that start from an error, and those that compare with other libraries, say what is true."""

import dataclasses
import inspect
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from wildrobot_eqx import PPO, adapters, check

DOCS = Path(__file__).parents[1] / "docs"
TROUBLE = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")


def _blocks(text: str, info: str) -> list[str]:
    """The code blocks whose fence says exactly `info`."""
    return re.findall(rf"^```{info}\n(.*?)^```", text, re.S | re.M)


def _run(block: str, namespace: dict) -> dict:
    exec(compile(block, "docs", "exec"), namespace)
    return namespace


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


@pytest.fixture(scope="module")
def brax():
    """Brax, whose own imports warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("brax.envs", exc_type=ImportError)


# --- troubleshooting -------------------------------------------------------------------------------------

SECTIONS = {part.split("\n", 1)[0]: part for part in TROUBLE.split("\n## ")[1:]}
FORKED = "AsyncVectorEnv hangs"
FAILING = [title for title, part in SECTIONS.items() if _blocks(part, "python fails")]


@pytest.fixture(scope="module")
def prelude() -> dict:
    """What every block of the page goes on from."""
    (block,) = _blocks(TROUBLE, "python")
    return _run(block, {})


@pytest.mark.parametrize("title", FAILING)
def test_a_block_fails_with_the_message_that_is_quoted(title, prelude, brax, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "egl")  # put back, whatever the block does
    (block,) = _blocks(SECTIONS[title], "python fails")
    namespace = dict(prelude)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the text is what matters
        _run(block, namespace)
    documented = _plain(f"{type(caught.value).__name__}: {caught.value}")
    quoted = _blocks(SECTIONS[title], "text")
    assert quoted
    for text in quoted:
        assert _plain(text) in documented
    if "broken" in namespace:
        findings = check.check_env(namespace["broken"]).findings
        assert findings
        assert "effort" in "".join(map(str, findings))


@pytest.mark.parametrize("title", FAILING)
def test_the_same_block_mended_runs(title, prelude, brax):
    for block in _blocks(SECTIONS[title], "python mended"):
        namespace = _run(block, dict(prelude))
        if "mended" in namespace:
            assert check.check_env(namespace["mended"]).passed


def test_every_entry_is_complete():
    """A quoted text and a reproducer each; those without a cure in code say what to install."""
    assert len(FAILING) >= 12
    assert set(SECTIONS) - set(FAILING) == {FORKED, "Not here?"}
    without = [title for title in FAILING if not _blocks(SECTIONS[title], "python mended")]
    assert without == ["device_put_replicated", "Nothing can be drawn here"]


def test_a_fork_warns_with_the_words_that_are_quoted():
    """What hangs raises nothing; the warning is what a user has."""
    jax.block_until_ready(jnp.zeros(1) + 1.0)
    with pytest.warns(RuntimeWarning) as caught:
        child = os.fork() or os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    (quoted,) = _blocks(SECTIONS[FORKED], "text")
    assert _plain(quoted) in [f"{w.category.__name__}: {w.message}" for w in caught]


@pytest.mark.slow
def test_processes_that_are_spawned_do_not_hang(tmp_path):
    (block,) = _blocks(SECTIONS[FORKED], "python spawn")
    (tmp_path / "script.py").write_text(block, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "(2, 17)\n"), done.stderr


# --- hyperparameters -------------------------------------------------------------------------------------


def _table() -> list[list[str]]:
    page = (DOCS / "hyperparameters.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    assert {len(row) for row in rows} == {4}
    return [[cell.strip() for cell in row] for row in rows[1:]]


def _entries(column: int) -> dict[str, str]:
    """Names and defaults, as they are written."""
    entries = {}
    for row in _table():
        if row[column].startswith("`"):
            match = re.fullmatch(r"`([.\w]+)` (?:= (.+)|\((required)\))", row[column])
            assert match, row[column]
            entries[match[1]] = match[2] or match[3]
    return entries


def test_the_first_column_is_our_configuration():
    """Every field, in its order, with its default."""
    assert _entries(0) == {field.name: str(field.default) for field in dataclasses.fields(PPO)}


def test_the_second_column_is_brax(brax):
    from brax.training.agents.ppo import networks, train

    def default(parameter: inspect.Parameter) -> str:
        return "required" if parameter.default is parameter.empty else str(parameter.default)

    trained = {name: default(p) for name, p in inspect.signature(train.train).parameters.items()}
    made = {f".{name}": default(p) for name, p in inspect.signature(networks.make_ppo_networks).parameters.items()}
    documented = _entries(1)
    assert len(documented) >= 20
    assert documented == {name: {**trained, **made}.get(name) for name in documented}
    # What steers learning must not be missing; the rest is logging, checkpoints, evaluation and pixels.
    missing = set(inspect.signature(train.train).parameters) - set(documented)
    assert not [name for name in missing if re.search("loss|cost|clip|lambda|discount|rate$|epsilon$|batch", name)]


def test_the_third_column_names_what_it_is_of():
    documented = _entries(2)
    assert len(documented) >= 14
    assert {"gamma", "lam", "clip_param", "desired_kl", "..num_steps_per_env"} <= set(documented)


# --- migration -------------------------------------------------------------------------------------------

MIGRATION = (DOCS / "migration.md").read_text(encoding="utf-8")


@pytest.fixture
def own_env() -> dict:
    """The page's env; its blocks in plain Python run in `test_examples.py`."""
    return {**_run(_blocks(MIGRATION, "python")[0], {}), "NUM_ENVS": 4}


needs_brax_env = pytest.mark.skipif("BraxEnv" not in dir(adapters), reason="there is no BraxEnv")


@pytest.mark.slow
def test_the_block_with_gymnasium_runs(own_env):
    (block,) = _blocks(MIGRATION, "python slow")
    assert _run(block, own_env)["obs"].shape[0] == 4


@needs_brax_env
def test_the_block_with_brax_runs(own_env, brax):
    (block,) = _blocks(MIGRATION, "python brax")
    assert _run(block, own_env)["brax_state"].obs.shape[0] == 8


@needs_brax_env
@pytest.mark.slow
def test_the_blocks_that_train_with_brax_run(own_env, brax):
    """Some steps of Brax's PPO, and its policy on our env."""
    (first,) = _blocks(MIGRATION, "python brax")
    blocks = [first, *_blocks(MIGRATION, "python brax slow")]
    assert len(blocks) == 3
    for block in blocks:
        _run(block, own_env)
    assert own_env["action"].shape == (8, own_env["env"].action_size)
