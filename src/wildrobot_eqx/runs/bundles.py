"""A run's bundle: what `export`, `play` and the end of `run` do, apart from reading their arguments."""

from pathlib import Path
from typing import Any

import equinox as eqx

from ..deploy.extra import INSTALL, missing
from ..errors import WildRobotError
from .bundle_gate import describe_gate
from .episodes import judged_env
from .evaluate import QUICK_EPISODES, evaluate
from .folder import RunFolder
from .opening import Say, reopen, restore
from .plots import read_object
from .recipe import Recipe
from .startup import enable_compilation_cache
from .trainers import trainer_of

FOLDER = "bundle"


def export_run(run: Path, out: Path | None, judge: bool, trust: bool, say: Say) -> tuple[Path, Path]:
    """Write the bundle of a run's newest policy; judge it first, where nobody has.

    Returns:
        The folder and the zip.

    Raises:
        WildRobotError: there is no run or no checkpoint, the `deploy` extra is missing, or
            the recipe holds what a bundle cannot describe.
    """
    if missing():
        raise WildRobotError(
            f"Bundles need {', '.join(missing())}, which are not installed.", where="export", hint=INSTALL
        )
    enable_compilation_cache()
    folder = RunFolder.open(run)
    recipe, _ = reopen(folder, trust, say)
    if judge and recipe.gate is not None and verdict(folder, newest(folder)) is None:
        say(f"nobody has judged this policy: {QUICK_EPISODES} episodes per command (--no-eval goes without)")
        evaluate(recipe, folder, say, QUICK_EPISODES)
    return export(recipe, folder, out, say)


def export(recipe: Recipe, folder: RunFolder, out: Path | None, say: Say) -> tuple[Path, Path]:
    """Write the bundle of the run's newest policy into `out`, or into the run folder.

    Raises:
        WildRobotError: as `export_run`.
    """
    from ..deploy.export import export_bundle

    state = restore(recipe, folder, say)
    iteration = int(state.iteration)
    manifest = folder.manifest()
    training = {
        "recipe": manifest["name"],
        "recipe_sha256": manifest["recipe"]["sha256"],
        "trainer": manifest.get("trainer", "ppo"),
        "seed": manifest["seed"],
        "iteration": iteration,
        "steps": iteration * recipe.ppo.steps_per_iteration,
        "options": manifest["options"],
        "overrides": manifest["overrides"],
        "versions": manifest["versions"],
    }
    gate = verdict(folder, iteration)
    required = describe_gate(recipe.gate)
    if gate is not None and required is not None:
        gate |= required
    elif gate is not None:
        training, gate = {**training, "verdict": gate}, None
    place = folder.path / FOLDER if out is None else out.with_suffix("") if out.suffix == ".zip" else out
    # The judged env takes every command as it is; the robot still takes the smallest for: stand.
    env = judged_env(recipe.env, recipe.env.physics.timestep)
    env = eqx.tree_at(lambda e: e.command.deadband, env, recipe.env.command.deadband)
    if env.observations["policy"].sensing:  # the robot's sensors are as bad as they are without our help
        env = eqx.tree_at(lambda e: e.observations["policy"].sensing, env, {})
    return export_bundle(env, trainer_of(folder).policy(state), place, training, gate, say)


def current_bundle(folder: RunFolder, iteration: int) -> str | None:
    """The zip of the run's bundle, where it holds that iteration's policy and not an older one."""
    training = read_object(folder.path / FOLDER / "contract.json").get("training", {})
    archive = folder.path / f"{FOLDER}.zip"
    return str(archive) if training.get("iteration") == iteration and archive.is_file() else None


def newest(folder: RunFolder) -> int:
    """The iteration of the newest checkpoint; -1 where there is none."""
    return max(folder.checkpoints.iterations(), default=-1)


def verdict(folder: RunFolder, iteration: int) -> dict[str, Any] | None:
    """The gate's verdict on that iteration's policy as eval.json has it, but for when it was given."""
    found = read_object(folder.verdict)
    if found.get("iteration") != iteration or "lines" not in found:
        return None
    return {name: value for name, value in found.items() if name not in ("when", "seconds")}
