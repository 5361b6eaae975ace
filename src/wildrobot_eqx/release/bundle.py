"""A run's bundle, written from its newest checkpoint."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx

from ..atomic import writing
from ..errors import WildRobotError
from ..evaluate.rollout import judged_env
from ..recipes.recipe import Recipe
from ..runs.files import read_object
from ..runs.folder import RunFolder
from ..train.registry import trainer_of
from ..train.session import restore
from .gate_codec import describe_gate

if TYPE_CHECKING:
    from ..deploy.bundle.signature import Signer

FOLDER = "bundle"


def check(folder: RunFolder, out: Path | None, force: bool) -> None:
    """Whether the run's bundle may be written there.

    Raises:
        WildRobotError: a file that is not ours would be lost.
    """
    from ..deploy.export.place import check_place

    place = _place(folder, out)
    check_place(place, place.with_name(place.name + ".zip"), force)


def _place(folder: RunFolder, out: Path | None) -> Path:
    """The bundle's folder; `out` may name the zip beside it."""
    if out is None:
        return folder.path / FOLDER
    return out.with_suffix("") if out.suffix == ".zip" else out


def export(
    recipe: Recipe,
    folder: RunFolder,
    out: Path | None,
    force: bool = False,
    signer: "Signer | None" = None,
) -> tuple[Path, Path]:
    """Write the bundle of the run's newest policy into `out`, or into the run folder.

    Raises:
        WildRobotError: there is no checkpoint, or the recipe holds what a bundle cannot describe.
    """
    from ..deploy.export.export import export_bundle

    state = restore(recipe, folder)
    iteration = int(state.iteration)
    manifest = folder.manifest()
    training = {
        "recipe": manifest["name"],
        "recipe_sha256": manifest["recipe"]["sha256"],
        "trainer": manifest.get("trainer", "ppo"),
        "seed": manifest["seed"],
        "iteration": iteration,
        "steps": iteration * recipe.learner.steps_per_iteration,
        "options": manifest["options"],
        "overrides": manifest["overrides"],
        "versions": manifest["versions"],
    }
    gate = verdict(folder, iteration)
    if gate is not None:
        gate |= describe_gate(recipe.gate, (line["name"] for line in gate["lines"]))
    env = judged_env(recipe.env, recipe.env.physics.timestep)
    if env.observations["policy"].sensing:  # the robot's sensors are as bad as they are without our help
        env = eqx.tree_at(lambda e: e.observations["policy"].sensing, env, {})
    place = _place(folder, out)
    return export_bundle(env, trainer_of(folder).policy(state), place, training, gate, force, signer)


def write_network(recipe: Recipe, folder: RunFolder, out: Path) -> None:
    """Write the network of the run's newest policy alone: an ONNX file from observation to action.

    Raises:
        WildRobotError: there is no checkpoint, it computes with what an exported policy cannot, or `out` cannot
            be written.
    """
    from ..atomic import replacing
    from ..deploy.export.onnx.graph import policy_graph

    stack, policy = recipe.env.observations["policy"], trainer_of(folder).policy(restore(recipe, folder))
    model = policy_graph(policy, stack.size // stack.history, {}, stack.history)
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as partial:
            partial.write_bytes(model)


def write_microduck(recipe: Recipe, folder: RunFolder, out: Path) -> None:
    """Write the run's newest policy as the one file that Microduck's own program runs.

    Raises:
        WildRobotError: there is no checkpoint, the recipe differs from the robot's contract, or `out` cannot be
            written.
    """
    from ..atomic import replacing
    from ..deploy.export.microduck import microduck_file

    model = microduck_file(recipe.env, trainer_of(folder).policy(restore(recipe, folder)))
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as partial:
            partial.write_bytes(model)


def current_bundle(folder: RunFolder, iteration: int) -> str | None:
    """The zip of the run's bundle, where it holds that iteration's policy and not an older one."""
    from ..deploy.bundle.archive import read_files
    from ..deploy.bundle.contract import FILE
    from ..deploy.bundle.read import read_contract

    archive = folder.path / f"{FOLDER}.zip"
    try:
        training = read_contract(read_files(archive).get(FILE, b"")).document["training"]
    except WildRobotError:  # there is none, or it was left half written
        return None
    return str(archive) if training.get("iteration") == iteration else None


def newest(folder: RunFolder) -> int:
    """The iteration of the newest checkpoint; -1 where there is none."""
    return max(folder.checkpoints.iterations(), default=-1)


def verdict(folder: RunFolder, iteration: int) -> dict[str, Any] | None:
    """The gate's verdict on that iteration's policy as eval.json has it, but for when it was given."""
    found = read_object(folder.verdict)
    if found.get("iteration") != iteration or "lines" not in found:
        return None
    return {name: value for name, value in found.items() if name not in ("when", "seconds")}
