"""A run's beginning: the recipe built, its folder made or opened again, its newest state restored."""

import dataclasses
from pathlib import Path
from typing import Any

from ..errors import WildRobotError
from ..identify.identified import Identified, read_identified
from ..learn import PPO
from ..learn.agent import need_mirrors
from ..learn.mesh import DEFAULT_DEVICE, Devices
from ..physics import engine_name
from ..recipes.identified import with_identified
from ..recipes.options import from_manifest, to_manifest
from ..recipes.overrides import apply_overrides
from ..recipes.recipe import Recipe, RecipeFunction, load_recipe
from ..runs.checkpoint import unflatten
from ..runs.folder import RunFolder, environment, now, sha256
from ..runs.identity import check_robot, robot_identity
from .registry import learned_by, template, trainer, trainer_of


def start(
    function: RecipeFunction,
    options: dict[str, Any],
    assignments: list[str],
    out: Path | None,
    trained_by: str | None = None,
    judged: bool = True,
    devices: Devices = DEFAULT_DEVICE,
    identified: Path | None = None,
) -> tuple[Recipe, RunFolder]:
    """Build the recipe and make its run folder.

    `trained_by` is one of `TRAINERS`, the recipe's own learner if None, and trains on `devices`; `judged`: its gate
    will be asked; `identified`: a file of `identify`, of which the folder keeps a copy.

    Raises:
        WildRobotError: the recipe or an override is wrong, the gate judges what the env never asks for, a part
            has no mirror image that the learner needs, the folder is in use, or the trainer cannot be had or cannot
            train on the devices.
    """
    stored = to_manifest(function, options)
    made = function(**options)
    known = None if identified is None else read_identified(identified)
    if known is not None:
        made = with_identified(made, known, str(identified))
    if stored.get("physics") == "auto":  # a run goes on with the engine that it began with, on whatever machine
        stored["physics"] = engine_name(made.env.physics)
    trained_by = trained_by or made.learner.trainer
    recipe = trainer(trained_by).schedule(apply_overrides(learned_by(made, trained_by), assignments))
    trainer(trained_by).admit_devices(recipe, devices)
    if judged:
        check_gate(recipe)
    if wants_symmetry(recipe):
        need_mirrors(recipe.env)
    around = environment()  # before the folder: it takes a while, and a Ctrl-C now leaves nothing behind
    folder = RunFolder.create(out, recipe.name, recipe.seed)
    digest = folder.adopt_recipe(function.path)
    if known is not None:
        known.write(folder.identified)
    folder.update_manifest(
        name=recipe.name,
        trainer=trained_by,
        recipe={"file": str(function.path), "sha256": digest},
        options=stored,
        overrides=assignments,
        identified=None if known is None else sha256(folder.identified),
        robot=robot_identity(made.env.physics.robot),
        seed=recipe.seed,
        steps=recipe.steps,
        iterations=recipe.iterations,
        physics=engine_name(recipe.env.physics),
        control_dt=recipe.env.physics.control_dt,
        learner=dataclasses.asdict(recipe.learner),
        status="created",
        started=now(),
        **around,
    )
    return recipe, folder


def check_gate(recipe: Recipe) -> None:
    """Refuse a recipe whose gate judges commands that its env never gives a policy.

    Raises:
        WildRobotError: it does.
    """
    unasked = () if recipe.gate is None else recipe.gate.unasked(recipe.env)
    if unasked:
        first, more = unasked[0], len(unasked) - 1
        others = f" (and {more} more of its commands)" if more else ""
        raise WildRobotError(
            f"The gate judges what the env never asks for: {first.judged}{others}; {first.asked}.",
            where=f"{type(recipe.gate).__name__}, {first.leaf}",
            hint=first.fix,
        )


def wants_symmetry(recipe: Recipe) -> bool:
    """Whether the recipe's policy is to be left-right symmetric; one of its own kind looks after that itself."""
    return isinstance(recipe.learner, PPO) and recipe.learner.symmetric and recipe.policy is None


def reopen(
    folder: RunFolder,
    trust: bool,
    options: dict[str, Any] | None = None,
    assignments: list[str] | None = None,
) -> tuple[Recipe, dict[str, Any]]:
    """Build a run's recipe again from the copy in its folder, with the options it was made with.

    `options` and `assignments` come on top. Nothing is written.

    Returns:
        The recipe, and what the manifest has to say of it once a training goes on with it.

    Raises:
        WildRobotError: the copy, or the robot that it loads, cannot be trusted, or does not build.
    """
    manifest = folder.whole_manifest()
    function = load_recipe(folder.trusted_recipe(trust))
    options, assignments = options or {}, assignments or []
    merged = {**from_manifest(function, manifest["options"]), **options}
    stored = to_manifest(function, merged)
    overrides = [*manifest["overrides"], *assignments]
    made = function(**merged)
    check_robot(made.env.physics.robot, manifest.get("robot"), trust)
    if manifest.get("identified") is not None:
        made = with_identified(made, _own_identified(folder, manifest["identified"], trust), str(folder.identified))
    made = learned_by(made, manifest.get("trainer", "ppo"))
    recipe = trainer_of(folder).schedule(apply_overrides(made, overrides))
    if recipe.seed != manifest["seed"]:
        raise WildRobotError(
            f"The run was started with seed {manifest['seed']}; it cannot go on with {recipe.seed}.",
            where=str(folder.path),
            hint="leave the seed out, or start a new run",
        )
    changes = {
        "options": stored,
        "robot": robot_identity(made.env.physics.robot),
        "overrides": overrides,
        "steps": recipe.steps,
        "iterations": recipe.iterations,
        "learner": dataclasses.asdict(recipe.learner),
    }
    return recipe, changes if options or assignments or trust else {}


def _own_identified(folder: RunFolder, expected: Any, trust: bool) -> Identified:
    """What was identified of the run's robot, by the copy in its folder."""
    known = read_identified(folder.identified)
    if sha256(folder.identified) != expected and not trust:
        raise WildRobotError(
            "What was identified is not what the run was made with: the file's hash differs from the manifest's.",
            where=str(folder.identified),
            hint="restore it, or say --trust",
        )
    return known


def restore(recipe: Recipe, folder: RunFolder) -> Any:
    """The training state of the newest intact checkpoint.

    Raises:
        WildRobotError: there is none, or it does not fit the recipe.
    """
    _, flat = folder.checkpoints.load_latest()
    return unflatten(template(trainer_of(folder), recipe), flat)
