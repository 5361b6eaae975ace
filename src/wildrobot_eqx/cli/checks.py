"""What `check` does: the static proof of a recipe's env, and with `--run` its trial."""

import dataclasses
import importlib.util
import logging
import time
from typing import Any

from rich.table import Table

from .. import check
from ..check.trial import Trial, run_trial
from ..learn.agent import MIRROR_FIX, without_mirror
from ..physics import explain_engines
from ..recipes.overrides import apply_overrides
from ..recipes.recipe import RecipeFunction
from ..report.tables import choices_json, choices_table, env_json, env_tables, plain_table
from ..train.session import wants_symmetry
from ..train.startup import enable_compilation_cache
from .commands import Show

_log = logging.getLogger(__name__)

_GRADES = {"problems": True, "notices": False}


def check_recipe(
    function: RecipeFunction, options: dict[str, Any], assignments: list[str], show: Show, *, simulate: bool
) -> bool:
    """Print a recipe's layouts and reward terms, prove its env's contract, perhaps try it; False on a problem."""
    stages, brax = _stages()
    began = time.monotonic()  # imports are done
    recipe = apply_overrides(function(**options), assignments)
    proof = check.check_env(recipe.env, stages)
    unasked = () if recipe.gate is None else recipe.gate.unasked(recipe.env)
    code = function.function.__code__
    place = f"{function.name} ({code.co_filename}:{code.co_firstlineno})"
    vain = [check.Finding(one.leaf, one.asked, one.judged, one.fix, place) for one in unasked]
    bare = without_mirror(recipe.env) if wants_symmetry(recipe) else {}
    plain = [check.Finding(f"env.{at}", kind, "no mirror image", MIRROR_FIX, place) for at, kind in bare.items()]
    seconds = time.monotonic() - began
    shown = env_json(recipe.env)
    engines = explain_engines(recipe.env.physics)
    document = {
        "recipe": recipe.name,
        "passed": proof.passed and not vain and not plain,
        "seconds": round(seconds, 2),
        "brax": brax,
        "engines": engines,
        "findings": [dataclasses.asdict(finding) for finding in (*proof.findings, *vain, *plain)],
        **shown,
        "choices": choices_json(recipe.choices),
    }
    verdict = (
        "The contract holds: reset and step return the same tree, shapes, dtypes and weak types."
        if proof.passed
        else f"The contract is broken in {len(proof.findings)} places:"
    )
    chosen = [choices_table(recipe.choices)] if recipe.choices else []
    pages: list[Any] = [*chosen, *env_tables(shown), verdict, *map(str, proof.findings)]
    if vain:
        pages += ["The gate judges commands that the env never asks for:", *map(str, vain)]
    if plain:
        pages += ["The policy is to be left-right symmetric, which these parts do not allow:", *map(str, plain)]
    if engines:
        pages.append(engines)
    pages.append(f"checked in {seconds:.1f} s")
    passed = proof.passed and not vain and not plain
    if simulate and not proof.passed:
        pages.append("--run waits until the contract holds.")
    elif simulate:
        enable_compilation_cache()
        trial = run_trial(recipe.env)
        passed = trial.passed and not vain and not plain
        document |= {"passed": passed, "run": _trial_json(trial)}
        pages += [*_trial_tables(trial), *_trial_lines(trial)]
    show(document, pages)
    return passed


def _stages() -> tuple[list[check.Stage], str]:
    """What is proved beyond the contract: mirrors, and the adapters' own; and whether Brax's is among them."""
    if importlib.util.find_spec("brax") is None:
        _log.info("Brax is not installed, so its wrappers are not checked: pip install 'wildrobot-eqx[brax]'")
        return [check.mirror_stage], "not installed"
    from ..adapters import brax_stage

    return [check.mirror_stage, brax_stage], "checked"


def _trial_json(trial: Trial) -> dict[str, Any]:
    remarks = [dataclasses.asdict(remark) for remark in trial.remarks]
    grades = {name: [row for row in remarks if row["problem"] is grade] for name, grade in _GRADES.items()}
    return {"seconds": round(trial.seconds, 2), **grades, **trial.figures}


def _trial_tables(trial: Trial) -> list[Table]:
    """What the trial measured."""
    figures = trial.figures
    if "rewards" not in figures:
        return []
    rewards = plain_table(
        "Rewards in the trial", "name", ">weight", ">least", ">greatest", ">at rest", ">random", ">fraction"
    )
    for name, row in figures["rewards"].items():
        cells = [f"{row[key]:.3g}" for key in ("weight", "min", "max", "zero", "random")]
        rewards.add_row(name, *cells, f"{100 * row['fraction']:.0f}%")
    rewards.caption = "least, greatest: before the weight; at rest, random: means after it, under such actions"
    observations = plain_table("Observations in the trial", "name", ">least", ">greatest", "unit", ">constant entries")
    for name, row in figures["observations"].items():
        constant = f"{row['constant']} of {row['size']}" if row["constant"] else ""
        observations.add_row(name, f"{row['min']:.3g}", f"{row['max']:.3g}", row["unit"], constant)
    joints = plain_table("Joints in the trial", "joint", ">torque to hold still", ">on its limit")
    for name, row in figures["joints"].items():
        joints.add_row(name, f"{100 * row['hold_torque']:.0f}%", f"{100 * row['saturated']:.0f}%")
    joints.caption = (
        "torque as a fraction of the servo's limit, under zero action; on its limit: fraction of random actions"
    )
    return [rewards, observations, joints]


def _trial_lines(trial: Trial) -> list[str]:
    figures, n = trial.figures, len(trial.problems)
    verdict = f"The trial shows {n} problem{'' if n == 1 else 's'}." if n else "The trial shows no problem."
    falls = ", ".join(f"{count} under {name} actions" for name, count in figures["falls"].items())
    summary = f"{figures['envs']} envs for {figures['steps']} steps; falls: {falls}; tried in {trial.seconds:.1f} s"
    return [*map(str, trial.remarks), verdict, summary]
