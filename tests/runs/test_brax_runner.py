"""Brax trains our recipes into the same run folder, and what it learned is one of our policies."""

import json
import os
import shutil
import signal
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from brax.training.agents.ppo import networks as ppo_networks
from brax.training.agents.sac import networks as sac_networks
from tiny import SEED, TINY_BRAX

from wildrobot_eqx import PPO, load_recipe
from wildrobot_eqx.adapters import brax_train
from wildrobot_eqx.adapters.brax import BraxEnv
from wildrobot_eqx.cli import main
from wildrobot_eqx.learn.networks import MLPPolicy
from wildrobot_eqx.learn.squashed import SquashedPolicy
from wildrobot_eqx.runs.folder import RunFolder
from wildrobot_eqx.train import brax_trainer as brax_runner
from wildrobot_eqx.train import loop as runner
from wildrobot_eqx.train import registry as trainers
from wildrobot_eqx.train import session as opening
from wildrobot_eqx.train.log import read_metrics

RECIPE = '''
import dataclasses
from wildrobot_eqx import PPO, Recipe, load_recipe, recipe
from wildrobot_eqx.gates import AbstractGate, GateResult
from wildrobot_eqx.evaluate.gate import GateLine


class Easy(AbstractGate):
    """Wants a policy of the right size."""

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
        good = policy.log_std.shape == (env.action_size,)
        return GateResult((GateLine("size", 0.0, 0.005, 1.0, ">= 1", good),), (), 1, 1.0)


@recipe
def gated(physics: str = "native", steps: int = 32 * 20 * 100) -> Recipe:
    """A hopper with a gate of its own."""
    made = load_recipe("hop")(physics=physics, num_envs=32, steps=steps)
    return dataclasses.replace(made, learner=PPO(num_envs=32, hidden=(32, 32)), gate=Easy())
'''


@pytest.fixture(scope="module")
def trained_by_brax(tmp_path_factory) -> RunFolder:
    """100 updates of Brax's PPO; read it only."""
    folder = tmp_path_factory.mktemp("brax")
    (folder / "gated.py").write_text(RECIPE)
    arguments = ["--trainer=brax-ppo", "--no-eval", f"--set=seed={SEED}", f"--out={folder / 'run'}"]
    assert main(["run", str(folder / "gated.py"), *arguments]) == 0
    return RunFolder(folder / "run")


def _policy(folder):
    """What `eval` and `render` judge, and the state that it came from."""
    recipe, _ = opening.reopen(folder, False)
    state = opening.restore(recipe, folder)
    return recipe, state, trainers.trainer_of(folder).policy(state)


@eqx.filter_jit
def _returns(env, policy, random, key, steps=200, n=64):
    """Each robot's sum of rewards until it falls, under actions of the policy, or from [-1, 1] if `random`."""

    def step(loop, key):
        state, obs, alive, total = loop
        action = policy(obs["policy"], ())[0].sample(key)
        action = jnp.where(random, jax.random.uniform(key, action.shape, jnp.float32, -1.0, 1.0), action)
        state, timestep = jax.vmap(env.step)(state, action)
        total = total + jnp.where(alive, timestep.reward, 0.0)
        return (state, timestep.obs, alive & ~timestep.terminated, total), None

    key_reset, key_step = jax.random.split(key)
    state, timestep = jax.vmap(env.reset)(jax.random.split(key_reset, n))
    loop = (state, timestep.obs, jnp.ones((n,), bool), jnp.zeros((n,)))
    return jax.lax.scan(step, loop, jax.random.split(key_step, steps))[0][3]


def _lifts(folder):
    """How much higher the trained policy's returns are than the untrained one's, and than random actions'.

    Each in standard deviations of the returns that it is compared with.
    """
    recipe, _, policy = _policy(folder)
    untrained = brax_runner.ppo_policy(trainers.trainer("brax-ppo").init(recipe))
    cases = ((policy, False), (untrained, False), (policy, True))
    after, *before = (np.asarray(_returns(recipe.env, p, jnp.asarray(r), jax.random.key(1))) for p, r in cases)
    return [(after.mean() - returns.mean()) / returns.std() for returns in before]


@pytest.mark.slow
def test_a_hundred_updates_lift_the_return(trained_by_brax):
    assert min(_lifts(trained_by_brax)) > 3.0


@pytest.mark.slow
def test_the_run_folder_is_like_any_other(trained_by_brax):
    manifest = trained_by_brax.manifest()
    assert (manifest["trainer"], manifest["status"], manifest["steps_done"]) == ("brax-ppo", "trained", 64_000)
    lines = read_metrics(trained_by_brax.metrics)
    assert [line["iteration"] for line in lines] == list(range(1, 101))
    assert [line["steps"] for line in lines] == [640 * i for i in range(1, 101)]
    assert {"policy_loss", "value_loss", "kl", "std", "lin_vel_x_error", "raw/track", "reward/track"} <= set(lines[-1])
    assert lines[-1]["episode_return"] > lines[10]["episode_return"]
    assert lines[-1]["reward_per_step"] == pytest.approx(lines[-1]["episode_return"] / lines[-1]["episode_length"])
    alive = [line["reward/alive"] for line in lines if line["episode_length"]]
    np.testing.assert_allclose(alive, 1.0, rtol=1e-5)
    assert trained_by_brax.checkpoints.iterations()[-1] == 100


@pytest.mark.slow
def test_eval_and_report_take_it(trained_by_brax, cli):
    done = cli("eval", trained_by_brax.path, "--json")
    assert done.status == 0
    assert json.loads(done.out)["passed"]
    assert (trained_by_brax.path / "report.html").is_file()


@pytest.mark.slow
def test_the_policy_is_brax_s_own(trained_by_brax):
    """The same mean and spread as Brax's inference function, with observations far out, too."""
    recipe, state, policy = _policy(trained_by_brax)
    env = BraxEnv(recipe.env, privileged=True)
    obs = {n: 30.0 * jax.random.normal(jax.random.key(0), (50, *s)) for n, s in env.observation_size.items()}
    networks = brax_train._ppo_factory(recipe.learner.hidden, recipe.learner.init_std)(
        env.observation_size, env.action_size
    )
    act = ppo_networks.make_inference_fn(networks)
    params = brax_train.unpack(state.params)
    wanted, _ = act(params, deterministic=True)(obs, jax.random.key(0))
    given = policy(obs["state"], policy.init())[0]
    assert isinstance(policy, MLPPolicy)
    np.testing.assert_allclose(given.mean, wanted, atol=1e-5)
    assert float(jnp.abs(wanted).max()) > 0.3
    _, extras = act(params)(obs, jax.random.key(0))
    np.testing.assert_allclose(jnp.exp(given.log_std) + 0 * given.mean, extras["distribution_params"][1], rtol=1e-6)
    np.testing.assert_allclose(given.log_prob(extras["raw_action"]), extras["log_prob"], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_finished_run_has_nothing_left_to_do(trained_by_brax, cli):
    done = cli("run", f"--resume={trained_by_brax.path}", "--no-eval")
    assert done.status == 0
    assert "already" in done.err


def _fake_ppo(calls):
    """Stands in for Brax's loop, which compiles for long: hands the parameters on, a little changed."""

    def train_ppo(env, arguments, hidden, init_std, iterations, params, on_iteration):
        calls.append((arguments, iterations, params))
        names = jax.eval_shape(env.reset, jax.random.key(0)).metrics
        for i in range(iterations):
            params = (params[0], *jax.tree.map(lambda leaf: leaf + 0.01, params[1:]))
            figures = dict.fromkeys((*names, "reward_per_step", "episode_return", "terminations_per_minute"), 0.5 + i)
            on_iteration(params, {**figures, "diverged": 0.0})

    return train_ppo


def test_a_signal_saves_and_a_resumed_run_goes_on_from_there(tmp_path, cli, monkeypatch):
    calls, folder, write = [], RunFolder(tmp_path / "run"), runner.MetricsFile.write
    monkeypatch.setattr(brax_train, "train_ppo", _fake_ppo(calls))

    def write_and_signal(self, line):
        write(self, line)
        if line["iteration"] == 7:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(runner.MetricsFile, "write", write_and_signal)
        done = cli("run", "hop", *TINY_BRAX, "--trainer=brax-ppo", "--no-eval", f"--out={folder.path}")
    assert done.status == 130
    assert f"wildrobot-eqx run --resume {folder.path}" in done.err
    assert folder.checkpoints.iterations() == [7]
    assert cli("run", f"--resume={folder.path}", "--no-eval").status == 0
    (first, total, begun), (again, left, params) = calls
    assert (total, left) == (40, 33)
    assert again["num_timesteps"] == 33 * 128
    assert again["seed"] != first["seed"]
    for one, two in zip(jax.tree.leaves(begun[1:]), jax.tree.leaves(params[1:]), strict=True):
        np.testing.assert_allclose(one + 0.07, two, atol=1e-5)
    assert [line["iteration"] for line in read_metrics(folder.metrics)] == list(range(1, 41))
    assert folder.checkpoints.iterations()[-1] == 40


@pytest.mark.slow
def test_another_trainer_cannot_go_on(trained_by_brax, trained, cli):
    done = cli("run", f"--resume={trained_by_brax.path}", "--trainer=ppo")
    assert done.status == 2
    assert "started with brax-ppo" in done.err
    done = cli("run", f"--resume={trained.path}", "--trainer=brax-sac")
    assert "started with ppo" in done.err


def test_runs_from_before_there_was_a_choice_are_ours(trained, copied):
    assert trained.manifest()["trainer"] == "ppo"
    manifest = copied.manifest()
    del manifest["trainer"]
    copied.manifest_path.write_text(json.dumps(manifest))
    assert trainers.trainer_of(copied).run is trainers.trainer("ppo").run


def test_figures_that_are_not_finite_stop_it(tmp_path, cli, monkeypatch):
    def train_ppo(env, arguments, hidden, init_std, iterations, params, on_iteration):
        on_iteration(params, {"policy_loss": float("nan")})

    monkeypatch.setattr(brax_train, "train_ppo", train_ppo)
    done = cli("run", "hop", *TINY_BRAX, "--trainer=brax-ppo", f"--out={tmp_path / 'run'}")
    assert done.status == 1
    assert "Not finite at iteration 1: policy_loss" in done.err
    assert "Traceback" not in done.err


@pytest.fixture(scope="module")
def trained_by_sac(tmp_path_factory) -> RunFolder:
    """A short run of Brax's SAC, of short episodes."""
    folder = RunFolder(tmp_path_factory.mktemp("sac") / "run")
    few = ["--num-envs=16", "--steps=512", "--set=learner.unroll_length=8", "--set=learner.hidden=[16]"]
    options = ["--trainer=brax-sac", "--set=env.episode_length=0.8", "--no-eval", f"--out={folder.path}"]
    assert main(["run", "hop", *few, *options]) == 0
    return folder


@pytest.mark.slow
def test_sac_trains_into_a_run_folder(trained_by_sac):
    lines = read_metrics(trained_by_sac.metrics)
    assert [line["iteration"] for line in lines] == [1, 2, 3, 4]
    assert {"actor_loss", "critic_loss", "alpha", "episode_return", "reward/track"} <= set(lines[-1])
    assert lines[-1]["episode_length"] <= 40
    assert lines[-1]["critic_loss"] != lines[0]["critic_loss"]
    assert trained_by_sac.manifest()["trainer"] == "brax-sac"
    assert trained_by_sac.checkpoints.iterations()[-1] == 4


@pytest.mark.slow
def test_the_policy_of_sac_is_brax_s_own(trained_by_sac):
    recipe, state, policy = _policy(trained_by_sac)
    env = BraxEnv(recipe.env)
    networks = brax_train._sac_factory(recipe.learner.hidden)(env.observation_size, env.action_size)
    obs = 10.0 * jax.random.normal(jax.random.key(0), (50, env.observation_size))
    wanted, _ = sac_networks.make_inference_fn(networks)(brax_train.unpack(state.params), deterministic=True)(
        obs, jax.random.key(0)
    )
    distribution, carry = policy(obs, policy.init())
    assert isinstance(policy, SquashedPolicy)
    assert carry == ()
    np.testing.assert_allclose(distribution.mean, wanted, atol=1e-5)
    np.testing.assert_allclose(distribution.sample(jax.random.key(0)), wanted, atol=1e-3)


@pytest.mark.slow
def test_sac_says_that_it_cannot_go_on(trained_by_sac, tmp_path, cli):
    shutil.copytree(trained_by_sac.path, tmp_path / "run")
    done = cli("run", f"--resume={tmp_path / 'run'}", "--steps=1024", "--no-eval")
    assert done.status == 2
    assert "SAC cannot go on from iteration 4" in done.err
    assert "Traceback" not in done.err


def test_sac_takes_few_iterations():
    recipe = brax_runner.BRAX_SAC.schedule(load_recipe("hop")(steps=400_000))
    assert recipe.iterations <= 20
    assert recipe.iterations * recipe.learner.steps_per_iteration >= 400_000


def test_hyperparameters_by_brax_s_names():
    recipe = load_recipe("hop")()
    arguments = brax_runner.brax_ppo_arguments(recipe)
    assert arguments["batch_size"] * arguments["num_minibatches"] == arguments["num_envs"] == 128
    assert arguments["vf_loss_coefficient"] == 2.0 * PPO().value_cost
    assert arguments["episode_length"] == 500
    assert "learning_rate_schedule" not in arguments
    adaptive = eqx.tree_at(lambda c: c, recipe.learner, PPO(desired_kl=0.01, max_learning_rate=2e-3))
    changed = brax_runner.dataclasses.replace(recipe, learner=adaptive, steps=10 * 128 * 20)
    arguments = brax_runner.brax_ppo_arguments(changed)
    assert (arguments["desired_kl"], arguments["learning_rate_schedule_max_lr"]) == (0.01, 2e-3)
    assert arguments["episode_length"] == 100  # half of ten iterations


def test_verify_takes_brax_too(cli, monkeypatch):
    """The slow tests have it run Brax's own loop."""
    calls = []
    monkeypatch.setattr(brax_train, "train_ppo", _fake_ppo(calls))
    done = cli("run", "hop", *TINY_BRAX, "--trainer=brax-ppo", "--verify", "--json")
    assert done.status == 0, done.err
    document = json.loads(done.out)
    assert document["passed"]
    assert document["checks"][0]["detail"] == "10 lines"
    ((arguments, iterations, _),) = calls
    assert (iterations, arguments["num_timesteps"]) == (10, 10 * 128)


def test_without_brax_one_is_reported_how_to_get_it(cli, tmp_path, monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "brax" or ".brax" in name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "brax", None)
    done = cli("run", "hop", *TINY_BRAX, "--trainer=brax-ppo", f"--out={tmp_path / 'run'}")
    assert done.status == 2
    assert "pip install 'wildrobot-eqx[brax]'" in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["hop", "walk"])
@pytest.mark.parametrize("trainer", ["brax-ppo", "brax-sac"])
def test_verify_passes_for_shipped_recipes(recipe, trainer, cli):
    done = cli("run", recipe, f"--trainer={trainer}", "--verify", "--json")
    assert done.status == 0, done.err


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "physics", "envs"), [("walk", "native", 512), ("hop", "mjx", 32)])
def test_a_hundred_updates_lift_the_return_of_shipped_recipes(recipe, physics, envs, tmp_path, cli):
    options = [f"--physics={physics}", f"--steps={envs * 20 * 100}", f"--set=learner.num_envs={envs}"]
    done = cli("run", recipe, *options, "--trainer=brax-ppo", "--no-eval", f"--out={tmp_path / 'run'}")
    assert done.status == 0, done.err
    over_untrained, over_random = _lifts(RunFolder(tmp_path / "run"))
    assert over_random > 3.0
    assert over_untrained > 1.0  # which stands, and so is 7 above random actions on the biped


@pytest.mark.slow
def test_a_resumed_run_learns_on(tmp_path, trained_by_brax, cli):
    shutil.copytree(trained_by_brax.path, tmp_path / "run")
    assert cli("run", f"--resume={tmp_path / 'run'}", "--no-eval", "--steps=96000").status == 0
    returns = [line["episode_return"] for line in read_metrics(tmp_path / "run" / "metrics.jsonl")]
    assert len(returns) == 150
    assert np.mean(returns[-10:]) > np.mean(returns[60:100])
