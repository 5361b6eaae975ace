"""After training: a run's policy is judged by its recipe's gate, from the folder alone."""

import json
import shutil

import pytest

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.cli import commands, main
from wildrobot_eqx.cli import finish as evaluate
from wildrobot_eqx.runs.folder import RunFolder
from wildrobot_eqx.train import session as opening

GATED = '''
import dataclasses
from wildrobot_eqx import Recipe, load_recipe, recipe
from wildrobot_eqx.gates import AbstractGate, GateResult
from wildrobot_eqx.evaluate.gate import GateLine


class Fussy(AbstractGate):
    """Asks for as many episodes as its limit."""

    episodes: int = 8
    seconds: float = 1.0
    timesteps: tuple[float, ...] = (0.005,)

    def cases(self, env):
        return ()

    def meter(self, env):
        raise AssertionError("it judges by itself")

    def limits(self, env):
        return ()

    def __call__(self, env, policy, *, episodes=None, timesteps=None):
        distribution, _ = policy(_zeros(env), policy.init())
        assert distribution.mean.shape == (env.action_size,)
        episodes = episodes or 8
        line = GateLine("survival", 0.0, (timesteps or (0.005,))[0], float(episodes), ">= 8", episodes >= 8)
        return GateResult((line,), (), episodes, 1.0, "" if episodes >= 8 else f"{episodes} of 8 episodes")


def _zeros(env):
    import jax.numpy as jnp

    return jnp.zeros(env.observations["policy"].size)


@recipe
def gated(num_envs: int = 16, steps: int = 256) -> Recipe:
    """A hopper with a gate of its own."""
    made = load_recipe("hop")(num_envs=num_envs, steps=steps)
    ppo = dataclasses.replace(made.learner, unroll_length=8, hidden=(16,), reset_pool=8)
    return dataclasses.replace(made, learner=ppo, gate=Fussy())
'''


@pytest.fixture(scope="module")
def gated(tmp_path_factory):

    folder = tmp_path_factory.mktemp("gated")
    (folder / "gated.py").write_text(GATED)
    assert main(["run", str(folder / "gated.py"), "--no-eval", f"--out={folder / 'run'}"]) == 0
    (folder / "gated.py").unlink()  # the run folder has all it needs
    return RunFolder(folder / "run")


def test_eval_passes_prints_and_writes(gated, cli):
    done = cli("eval", gated.path, "--episodes=8", "--timestep=0.002", "--json")
    assert done.status == 0
    document = json.loads(done.out)
    assert document["passed"]
    assert document["lines"][0]["timestep"] == 0.002
    written = json.loads((gated.path / "eval.json").read_text())
    assert written["episodes"] == 8
    assert written["iteration"] == 2
    assert (gated.path / "report.html").is_file()


def test_eval_fails_with_the_line_that_failed(gated, cli):
    gated.verdict.unlink(missing_ok=True)
    done = cli("eval", gated.path, "--episodes=3")
    assert done.status == 1
    assert "1 lines failed provisionally" in done.out
    assert "must be >= 8" in done.out
    written = json.loads(gated.verdict.read_text())
    assert (written["passed"], written["provisional"]) == (False, "3 of 8 episodes")
    assert "Provisional: 3 of 8 episodes" in (gated.path / "report.html").read_text()


def test_a_smaller_eval_does_not_replace_a_fuller_one(gated, cli):
    gated.verdict.unlink(missing_ok=True)
    for episodes, kept in ((2, 2), (3, 3), (2, 3), (8, 8), (7, 8), (9, 9)):
        done = cli("eval", gated.path, f"--episodes={episodes}")
        assert json.loads(gated.verdict.read_text())["episodes"] == kept
        assert ("keeps the fuller verdict" in done.err) == (kept != episodes)
        assert done.status == (0 if episodes >= 8 else 1)


def test_a_provisional_verdict_does_not_decide_a_run(tmp_path, cli, monkeypatch):
    monkeypatch.setattr(evaluate, "QUICK_EPISODES", 3)
    monkeypatch.setattr(evaluate, "render", lambda *_: None)
    (tmp_path / "gated.py").write_text(GATED)
    out = tmp_path / "run"
    done = cli("run", tmp_path / "gated.py", f"--out={out}")
    assert done.status == 0
    assert "Provisional, 3 of 8 episodes: 1 lines failed provisionally:" in done.out
    assert f"The full gate decides: wildrobot-eqx eval {out}" in done.out
    monkeypatch.setattr(evaluate, "QUICK_EPISODES", 8)
    (tmp_path / "gated.py").write_text(GATED.replace("episodes >= 8)", "episodes >= 9)"))
    done = cli("run", tmp_path / "gated.py", "--json", f"--out={tmp_path / 'full'}")
    assert done.status == 1
    assert json.loads(done.out)["gate"]["provisional"] is None


def test_a_verdict_on_what_is_trained_anew_is_dropped(gated):
    for iteration, kept in ((2, True), (1, False)):
        gated.verdict.write_text('{"iteration": 2}')
        gated.drop_verdict_after(iteration)
        assert gated.verdict.exists() is kept
    gated.drop_verdict_after(1)  # there is none


def test_a_machine_that_cannot_render_still_gets_a_report(gated, monkeypatch, heard):
    def cannot(*_):
        raise WildRobotError("no graphics here")

    monkeypatch.setattr(evaluate, "render", cannot)
    (gated.path / "report.html").unlink(missing_ok=True)
    recipe, _ = opening.reopen(gated, False)
    result = evaluate.finish(recipe, gated)
    assert result is not None
    assert any("no video: no graphics here" in line for line in heard.messages)
    assert (gated.path / "report.html").is_file()


def test_render_names_its_files(gated, cli, monkeypatch):
    monkeypatch.setattr(commands, "render", lambda _, folder: [folder.path / "walk.mp4"])
    files = [str(gated.path / name) for name in ("walk.mp4", "report.html")]
    assert json.loads(cli("render", gated.path, "--json").out) == {"run": str(gated.path), "files": files}
    assert cli("render", gated.path).out.split() == files


def test_a_recipe_without_a_gate_is_reported(trained, cli):
    done = cli("eval", trained.path)
    assert done.status == 2
    assert "has no gate to evaluate" in done.err


def test_a_run_without_checkpoints_is_reported(copied, cli):
    shutil.rmtree(copied.path / "checkpoints")
    done = cli("render", copied.path)
    assert done.status == 2
    assert "There is no checkpoint." in done.err
    assert "Traceback" not in done.err


def test_truncated_checkpoints_are_reported(copied, cli):
    for file in (copied.path / "checkpoints").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    for command in (["render", copied.path], ["run", f"--resume={copied.path}"]):
        done = cli(*command)
        assert done.status == 1
        assert "checkpoints is intact" in done.err
        assert "is damaged" in done.err
        assert "Traceback" not in done.err
