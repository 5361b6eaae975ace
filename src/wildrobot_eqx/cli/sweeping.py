"""`sweep RECIPE`: many trainings of a recipe, with what is asked of them."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .shared import Json, refuse, results
from .sweeps import resume_sweep, start_sweep

_PANELS = {"varied": "What is varied", "judged": "What trials are compared by", "spent": "What may be spent, and where"}

Trainer = Annotated[
    Literal["ppo", "brax-ppo", "brax-sac"] | None, typer.Option(help="Who trains.", show_default="the recipe's learner")
]


def _option(panel: str, **how: Any) -> Any:
    return typer.Option(rich_help_panel=_PANELS[panel], **how)


def sweep(
    recipe: Any,
    options: dict[str, Any],
    recipe_path: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or a shipped one's name.")] = "",
    seeds: Annotated[str | None, _option("varied", metavar="A:B|A,B", help="Seeds: 0:16 is 0 to 15.")] = None,
    grid: Annotated[
        list[str] | None,
        _option("varied", metavar="KEY=A,B,...", help="Try each value of an option or of a --set key; repeat it."),
    ] = None,
    sample: Annotated[
        list[str] | None,
        _option(
            "varied",
            metavar="KEY=DIST",
            help="Draw values: uniform(A,B), loguniform(A,B), randint(A,B), choice(A,B,...); repeat it.",
        ),
    ] = None,
    search: Annotated[
        Literal["random", "optuna"], _option("varied", help="Who draws them: optuna learns from ended trials.")
    ] = "random",
    metric: Annotated[
        str | None,
        _option("judged", help="A figure of metrics.jsonl, or gate/...", show_default="gate/score, or episode_return"),
    ] = None,
    mode: Annotated[
        Literal["max", "min"] | None, _option("judged", help="Is more of it better?", show_default="as it is meant")
    ] = None,
    early_stop: Annotated[
        bool, _option("judged", help="Stop trials that are not among the best third (ASHA).")
    ] = False,
    grace: Annotated[
        int | None,
        _option("judged", min=1, metavar="STEPS", help="But none before so many.", show_default="a quarter"),
    ] = None,
    judge_every: Annotated[
        int | None,
        _option("judged", min=1, metavar="STEPS", help="Ask the gate so often, for gate/...", show_default="an eighth"),
    ] = None,
    trials: Annotated[int | None, _option("spent", min=1, help="Trials, at most.")] = None,
    total_steps: Annotated[int | None, _option("spent", min=1, help="Control steps of all trials together.")] = None,
    minutes: Annotated[float | None, _option("spent", min=0.0, help="Minutes of wall clock.")] = None,
    workers: Annotated[
        int | None, _option("spent", min=1, help="Trials at a time.", show_default="as many as there are cores for")
    ] = None,
    cores: Annotated[int | None, _option("spent", min=1, help="Cores of a trial.", show_default="1")] = None,
    gpus: Annotated[
        float | None,
        _option("spent", min=0.0, help="GPUs of a trial, or a share of one.", show_default="1 where there are some"),
    ] = None,
    address: Annotated[str | None, _option("spent", help="A Ray cluster: auto, or HOST:PORT.")] = None,
    slurm: Annotated[bool, _option("spent", help="Trials are jobs of Slurm, without Ray.")] = False,
    slurm_set: Annotated[
        list[str] | None, _option("spent", metavar="NAME=VALUE", help="Of a job: partition=gpu, timeout_min=120, ...")
    ] = None,
    vmap_seeds: Annotated[
        int | None,
        _option("spent", min=1, metavar="N", help="N seeds at a time share one program (--physics tree), without Ray."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a figure of all trials.")
    ] = None,
    trainer: Trainer = None,
    out: Annotated[Path | None, typer.Option(help="The sweep's folder; must be empty or absent.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this sweep.", metavar="SWEEP")] = None,
    no_film: Annotated[bool, typer.Option("--no-film", help="Do not film the best trial.")] = False,
    json: Json = False,
) -> None:
    """Train a recipe many times: seeds, a grid, draws; each trial is a run folder of its own."""
    from ..sweep.setup import Asked

    asked = Asked(
        seeds=seeds,
        grid=tuple(grid or ()),
        sample=tuple(sample or ()),
        search=search,
        trials=trials,
        total_steps=total_steps,
        minutes=minutes,
        metric=metric,
        mode=mode,
        early_stop=early_stop,
        grace=grace,
        judge_every=judge_every,
        cores=cores,
        gpus=gpus,
    )
    if slurm:
        refuse("--slurm", {"--address": address is not None})
    else:
        refuse("Ray", {"--slurm-set": bool(slurm_set)}, "add --slurm, or leave it away")
    if vmap_seeds is not None:
        given = {"--slurm": slurm, "--address": address is not None, "--workers": workers is not None}
        refuse("--vmap-seeds", {**given, "--cores": cores is not None, "--gpus": gpus is not None})
    where: dict[str, Any] = {"slurm": slurm, "settings": slurm_set or [], "address": address, "workers": workers}
    where["vmap_seeds"] = vmap_seeds
    with results(json) as show:
        if resume is not None:
            given = {"--out": out is not None, "--set": bool(set_), "--trainer": trainer is not None}
            given |= {f"--{name.replace('_', '-')}": True for name in options}
            refuse("A sweep that goes on", given, "its trials stay what they are; leave it away")
            passed = resume_sweep(recipe, resume, asked, show, film=not no_film, **where)
        else:
            start = (recipe, recipe_path, options, set_ or [], trainer, asked, out)
            passed = start_sweep(*start, show, film=not no_film, **where)
    raise typer.Exit(0 if passed else 1)
