"""`export`, `play` and `bundle verify`: from a run to a robot."""

import contextlib
import json as json_text
import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import WildRobotError
from .shared import Json, Run, Trust, refuse, results

_log = logging.getLogger(__name__)

BUNDLE = typer.Typer(no_args_is_help=True, help="Look after policy bundles.")
BundleArgument = Annotated[
    Path, typer.Argument(metavar="BUNDLE", help="A bundle: a folder, or its zip.", show_default=False)
]

Signer = Annotated[
    str | None, typer.Option(metavar="PUBKEY", help="Who must have signed it: a file of Ed25519 SSH public keys.")
]


def export(
    run: Run,
    out: Annotated[Path | None, typer.Option(help="The bundle's folder, or its zip beside it.")] = None,
    no_eval: Annotated[bool, typer.Option("--no-eval", help="Do not judge a policy that has not been judged.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that no export has written, or that were changed since.")
    ] = False,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Sign it by this SSH key (Ed25519), for --signer.")
    ] = None,
    network: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the network alone, too: an .onnx from observation to action."),
    ] = None,
    format: Annotated[
        Literal["bundle", "microduck"],
        typer.Option(help="A bundle of ours, or the one .onnx file that Microduck's own program runs."),
    ] = "bundle",
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Write a run's newest policy as a bundle that a robot can run: RUN/bundle and RUN/bundle.zip."""
    from .export_run import export_microduck, export_network, export_run

    if format == "microduck":
        no_bundle = {"--no-eval": no_eval, "--sign": sign is not None, "--network": network is not None}
        refuse("--format microduck", no_bundle, "leave it away, or take --format bundle")
        file = run / "microduck.onnx" if out is None else out
        free(file, force, "--out")
        with results(json) as show:
            export_microduck(run, file, trust)
            show({"run": str(run), "file": str(file)}, [str(file)])
        return
    if network is not None:
        free(network, force, "--network")
    with results(json) as show:
        folder, archive = export_run(run, out, not no_eval, trust, force, sign, _passphrase)
        lines = [f"{folder}", f"{archive}"]
        if (folder / "robot").is_dir():  # else the log has said why it cannot be played here
            lines.append(f"try it: wildrobot-eqx play {archive}")
        document = {"run": str(run), "folder": str(folder), "zip": str(archive), "signed": sign is not None}
        if network is not None:
            export_network(run, network, trust)
            lines.insert(2, str(network))
            document["network"] = str(network)
        show(document, lines)


def _passphrase() -> str:
    """That of the key, asked for on the terminal."""
    return typer.prompt("passphrase of the key", hide_input=True, err=True)


def play(
    bundle: BundleArgument,
    ask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Ask for a value of a channel, such as lin_vel_x=0.2; by default half of what the first one goes to.",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long, s.")] = 10.0,
    video: Annotated[Path | None, typer.Option(help="Film it: an .mp4.")] = None,
    log: Annotated[Path | None, typer.Option(help="Write a log of it: an .mcap.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file of the film's name.")] = False,
    signer: Signer = None,
    view: Annotated[bool, typer.Option("--view", help="Watch it in a window, in real time.")] = False,
    no_ramp: Annotated[bool, typer.Option("--no-ramp", help="Leave out the way to the home pose.")] = False,
    json: Json = False,
) -> None:
    """Run a bundle's robot in plain MuJoCo, through the player that runs on the real one."""
    need("onnxruntime")
    from ..deploy.bundle.bundle import Bundle
    from ..deploy.proof.play import play as run

    if video is not None:
        free(video, force)
    if log is not None:
        free(log, False, "--log")
    with results(json) as show:
        opened = Bundle.open(bundle, signer)
        asked = asked_for(opened, ask or [])
        with _window(view) as look:
            played = run(opened, asked, seconds, ramp=not no_ramp, look=look, log=log)
        if video is not None:
            from ..release.film import film_played

            free(video, force)  # it takes a while
            film_played(opened, played, video)
        document = {"bundle": str(bundle), **played.to_json(), "video": None if video is None else str(video)}
        document |= {"log": None if log is None else str(log)}
        show(document, _summary(document))
    raise typer.Exit(0 if played.survived else 1)


@BUNDLE.command("verify")
def verify(
    bundle: Annotated[
        Path,
        typer.Argument(
            metavar="BUNDLE|RUN",
            help="A bundle, or a run: then of its own bundle, judged by its recipe's gate.",
            show_default=False,
        ),
    ],
    episodes: Annotated[int, typer.Option(min=1, help="Episodes per case in closed loop.")] = 8,
    signer: Signer = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Prove that the player does what training did: golden vectors, then the gate in closed loop.

    A bundle alone is data: it can be held to a walk or stand gate, which it describes. Of a run the
    recipe is executed, as by eval, so that its own gate judges, whatever it is.
    """
    need("jsonschema", "onnx", "onnxruntime")
    from ..release.verify import verify_bundle
    from ..train.startup import enable_compilation_cache

    with results(json) as show:
        enable_compilation_cache()
        opened, judge = _opened(bundle, signer, trust)
        _log.info(_signature(opened, signer))
        found = verify_bundle(opened, episodes, judge)
        document = {"bundle": opened.path, "signed_by": None if signer is None else str(signer), **found.to_json()}
        show(document, findings(found))
    raise typer.Exit(0 if found.passed else 1)


def _opened(path: Path, signer: str | None, trust: bool) -> tuple[Any, Any]:
    """A bundle, and of a run the env and the gate that judge it."""
    from ..deploy.bundle.bundle import Bundle
    from ..release.bundle import FOLDER
    from ..runs.folder import RunFolder
    from ..train.session import reopen

    if not (path / "manifest.json").is_file():
        return Bundle.open(path, signer), None
    folder = RunFolder.open(path)
    bundle = Bundle.open(path / f"{FOLDER}.zip", signer)
    recipe, _ = reopen(folder, trust)
    return bundle, None if recipe.gate is None else (recipe.env, recipe.gate)


@BUNDLE.command("show")
def show_bundle(bundle: BundleArgument, signer: Signer = None) -> None:
    """Print a bundle's contract, once it has been checked."""
    from ..deploy.bundle.bundle import Bundle

    typer.echo(json_text.dumps(Bundle.open(bundle, signer).contract.document, indent=2))


def _signature(bundle: Any, signer: str | None) -> str:
    """What is known of who made a bundle."""
    if signer is not None:
        return f"signature: by {signer}"
    return f"signature: {'there is one, not checked: --signer PUBKEY' if bundle.signed else 'none'}"


def free(path: Path, force: bool, option: str = "--video") -> None:
    """A file may be written there.

    Raises:
        WildRobotError: there is one already, or something else.
    """
    if os.path.lexists(path) and not (force and path.is_file()):
        hint = "name another file" + ("; or say --force" if path.is_file() else "")
        raise WildRobotError(f"{str(path)!r} exists already.", where=option, hint=hint)


def asked_for(bundle: Any, given: list[str]) -> dict[str, float]:
    """What is asked for by channel, within what the policy was trained for.

    Raises:
        WildRobotError: it was trained for nothing of the kind, or that is no value.
    """
    from ..deploy.player.loop import check_channels

    channels = bundle.contract.channels
    if not given:
        return {c.name: 0.5 * (c.rest + (c.high if c.high > c.rest else c.low)) for c in channels[:1]}
    asked = {}
    for text in given:
        name, _, number = text.partition("=")
        try:
            asked[name.strip()] = float(number)
        except ValueError:
            asked[name.strip()] = math.nan
        if not math.isfinite(asked[name.strip()]):
            raise WildRobotError(f"{text!r} asks for no number.", where="--ask", hint="such as --ask lin_vel_x=0.2")
    check_channels(bundle, asked)
    for channel in channels:
        if channel.name in asked and not channel.low <= asked[channel.name] <= channel.high:
            _log.info(
                f"{channel.name}: it was trained for {channel.low:g} to {channel.high:g} {channel.unit}, "
                "and goes no further"
            )
            asked[channel.name] = min(max(asked[channel.name], channel.low), channel.high)
    return asked


def need(*libraries: str) -> None:
    """Refuse to go on without the libraries of an extra, before anything else is loaded."""
    from ..deploy.bundle.extra import require

    for name in libraries:
        require(name, *(("log", "Logs") if name == "mcap" else ()))


@contextlib.contextmanager
def _window(view: bool) -> Iterator[Any]:
    """A function that shows the robot after each control step, or None."""
    if not view:
        yield None
        return
    from ..deploy.hardware.mujoco_robot import Window

    with Window() as window:
        yield window


def _summary(document: dict[str, Any]) -> list[str]:
    took = document["player_us"]

    def text(value: float | None, unit: str, digits: int = 3) -> str:
        return "–" if value is None else f"{value:.{digits}f} {unit}".rstrip()

    ending = "it ran to the end" if document["survived"] else f"fell after {document['upright_s']:.2f} s"
    asked = ", ".join(f"{name} {value:g}" for name, value in document["command"].items())
    lines = [f"{ending}" + (f"; the player gave up: {document['fault']}" if document["fault"] else "")]
    lines += [f"asked for: {asked}"] if asked else []
    lines += [
        f"{name}: {text(value, '')}, off by {text(document['error'][name], '')}"
        for name, value in document.get("reached", {}).items()
    ]
    if "distance_m" in document:
        lines.append(
            f"distance {text(document['distance_m'], 'm', 2)} in {document['seconds']:g} s, drift "
            f"{text(document['drift_m'], 'm', 2)}, heading off by {text(document['heading_error_deg'], 'degrees', 1)}"
        )
    lines.append(
        f"a step of the player took {took['p50']:.0f} us (median), {took['p99']:.0f} us (99%), "
        f"{took['max']:.0f} us (most)"
    )
    return lines + [f"{what}: {document[key]}" for what, key in (("film", "video"), ("log", "log")) if document[key]]


def findings(found: Any) -> list[Any]:
    """What `bundle verify` found, as lines and tables."""
    replay = found.replay
    lines: list[Any] = [
        f"{'ok  ' if replay.passed else 'FAIL'}  golden vectors: {replay.steps} steps, targets within "
        f"{replay.target:.1e}, actions within {replay.action:.1e}, observations within {replay.observation:.1e}"
    ]
    if replay.wrong:
        lines.append(f"      {replay.wrong}")
    if (walked := found.retrace) is not None:
        lines.append(
            f"{'ok  ' if walked.passed else 'FAIL'}  closed loop: the golden rollout run again, "
            f"{walked.steps} steps within {walked.qpos:.1e} (m, rad)"
        )
    if found.gate is not None:
        passed = sum(line.passed for line in found.gate.lines)
        lines += [
            *found.gate.tables(),
            f"{'FAIL' if found.lost else 'ok  '}  gate in closed loop: {passed} of {len(found.gate.lines)} "
            f"lines passed; {found.note}",
        ]
        lines += [f"      lost: {line}" for line in found.lost]
    else:
        lines.append(f"--    gate in closed loop: {found.note}")
    if not found.passed:
        lines.append("The player does not do what training did.")
    elif found.retrace is None:
        lines.append("The player repeats the golden vectors; on a robot it was not run.")
    else:
        lines.append("The player does what training did.")
    return lines
