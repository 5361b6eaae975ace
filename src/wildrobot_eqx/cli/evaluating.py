"""`eval` and `render`: what a run's policy does, judged and filmed; `eval` of a sweep judges its trials."""

from typing import Annotated

import typer

from ..errors import WildRobotError
from .shared import Json, Run, Trust, refuse, results
from .sweeps import evaluate_sweep, is_sweep


def evaluate(
    run: Run,
    episodes: Annotated[int | None, typer.Option(min=1, help="Episodes per command.")] = None,
    timestep: Annotated[list[float] | None, typer.Option(help="Physics timestep, s; repeat for several.")] = None,
    physics: Annotated[
        str | None,
        typer.Option(metavar="ENGINE,...", help="Compare it on these: native,mjx,tree.", show_default="native"),
    ] = None,
    robust: Annotated[
        bool, typer.Option("--robust", help="In wrong worlds, parameter by parameter, and pushed.")
    ] = False,
    long: Annotated[
        bool, typer.Option("--long", help="On its feet for 60 and 180 s, with errors that last; beside it, home held.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="With --robust or --long: length of an episode, s.")
    ] = None,
    best: Annotated[int | None, typer.Option(min=1, help="Of a sweep: its best N trials.", show_default="all")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Of a sweep: trials at a time.", show_default="as there are cores")
    ] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Of a sweep: cores of each.", show_default="1")] = None,
    address: Annotated[str | None, typer.Option(help="Of a sweep: a Ray cluster, auto or HOST:PORT.")] = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Put a run's policy, or a sweep's, through its gate; with --robust or --long, through what makes robots fall."""
    from .commands import evaluate_for_long, evaluate_robustly, evaluate_run

    if seconds is not None and not (robust or long):
        raise WildRobotError(
            "The gate's episodes have their own length.", where="--seconds", hint="add --robust or --long"
        )
    if robust and long:
        raise WildRobotError("One evaluation at a time.", where="--long", hint="leave --robust or --long away")
    if physics is not None and (robust or long):
        kind = "robust" if robust else "long"
        raise WildRobotError(f"A {kind} evaluation runs on native.", where="--physics", hint="leave one of both away")
    timesteps = tuple(timestep or ())
    of_sweep = {"--best": best, "--workers": workers, "--cores": cores, "--address": address}
    if is_sweep(run):
        refuse(
            "A sweep",
            {"--physics": physics is not None, "--trust": trust, "--long": long},
            "evaluate a trial by itself",
        )
        numbers = {"--episodes": episodes, "--seconds": seconds}
        given = [f"{name}={value}" for name, value in numbers.items() if value is not None]
        given += [*(f"--timestep={value}" for value in timesteps), *(["--robust"] if robust else [])]
        with results(json) as show:
            passed = evaluate_sweep(run, given, show, best, workers, cores or 1, address)
        raise typer.Exit(0 if passed else 1)
    refuse("A run", {name: value is not None for name, value in of_sweep.items()}, "it is for a sweep's folder")
    with results(json) as show:
        if robust:
            passed = evaluate_robustly(run, episodes, seconds, timesteps, trust, show)
        elif long:
            passed = evaluate_for_long(run, episodes, seconds, timesteps, trust, show)
        else:
            passed = evaluate_run(run, episodes, timesteps or None, physics, trust, show)
    raise typer.Exit(0 if passed else 1)


def render(run: Run, trust: Trust = False, json: Json = False) -> None:
    """Film a run's policy: walk.mp4 and stride.png, or film.mp4 of a robot that does not walk."""
    from .commands import render_run

    with results(json) as show:
        render_run(run, trust, show)
