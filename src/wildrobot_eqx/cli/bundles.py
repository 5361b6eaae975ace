"""`export`, `play` and `bundle verify`: from a run to a robot."""

import contextlib
import json as json_text
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import WildRobotError
from .shared import Json, Run, Trust, results, say

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
    no_eval: Annotated[bool, typer.Option("--no-eval", help="Do not judge a policy that nobody has judged.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that no export has written, or that were changed since.")
    ] = False,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Sign it by this SSH key (Ed25519), for --signer.")
    ] = None,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Write a run's newest policy as a bundle that a robot can run: RUN/bundle and RUN/bundle.zip."""
    from .export_run import export_run

    with results(json) as show:
        folder, archive = export_run(run, out, not no_eval, trust, say, force, sign, _passphrase)
        lines = [f"{folder}", f"{archive}", f"try it: wildrobot-eqx play {archive}"]
        document = {"run": str(run), "folder": str(folder), "zip": str(archive), "signed": sign is not None}
        show(document, lines)


def _passphrase() -> str:
    """That of the key, asked for on the terminal."""
    return typer.prompt("passphrase of the key", hide_input=True, err=True)


def play(
    bundle: BundleArgument,
    speed: Annotated[
        float | None,
        typer.Option(help="Commanded speed, m/s; by default half of the fastest, or 0 beside the next two."),
    ] = None,
    lateral: Annotated[float, typer.Option(help="Commanded speed to the left, m/s; negative: to the right.")] = 0.0,
    turn: Annotated[float, typer.Option(help="Commanded turn to the left, rad/s; negative: to the right.")] = 0.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long, s.")] = 10.0,
    video: Annotated[Path | None, typer.Option(help="Film it: an .mp4.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file of the film's name.")] = False,
    signer: Signer = None,
    view: Annotated[bool, typer.Option("--view", help="Watch it in a window, in real time.")] = False,
    no_ramp: Annotated[bool, typer.Option("--no-ramp", help="Leave out the way to the home pose.")] = False,
    json: Json = False,
) -> None:
    """Walk a bundle's robot in plain MuJoCo, through the player that runs on the real one."""
    _need("onnxruntime")
    from ..deploy.bundle.bundle import Bundle
    from ..deploy.proof.play import play as walk

    if video is not None:
        _free(video, force)
    with results(json) as show:
        opened = Bundle.open(bundle, signer)
        beside = {
            "lateral": _within(opened, "lateral", lateral, "m/s to the left"),
            "turn": _within(opened, "turn", turn, "rad/s to the left"),
        }
        fastest = opened.contract.document["command"]["speed"]["high"]
        usual = 0.0 if any(beside.values()) else 0.5 * fastest
        told = _within(opened, "speed", usual if speed is None else speed, "m/s")
        with _window(view) as look:
            walked = walk(opened, told, seconds, ramp=not no_ramp, look=look, **beside)
        if video is not None:
            from ..release.film import film_walk

            _free(video, force)  # a walk takes a while
            film_walk(opened, walked, video)
        document = {"bundle": str(bundle), **walked.to_json(), "video": None if video is None else str(video)}
        show(document, _summary(document))
    raise typer.Exit(0 if walked.survived else 1)


@BUNDLE.command("verify")
def verify(
    bundle: BundleArgument,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes per command in closed loop.")] = 8,
    signer: Signer = None,
    json: Json = False,
) -> None:
    """Prove that the player does what training did: golden vectors, then the gate in closed loop."""
    _need("jsonschema", "onnx", "onnxruntime")
    from ..deploy.bundle.bundle import Bundle
    from ..release.verify import verify_bundle
    from ..train.startup import enable_compilation_cache

    with results(json) as show:
        enable_compilation_cache()
        opened = Bundle.open(bundle, signer)
        say(_signature(opened, signer))
        found = verify_bundle(opened, episodes, say)
        document = {"bundle": str(bundle), "signed_by": None if signer is None else str(signer), **found.to_json()}
        show(document, _findings(found))
    raise typer.Exit(0 if found.passed else 1)


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


def _free(path: Path, force: bool) -> None:
    """A file may be written there.

    Raises:
        WildRobotError: there is one already, or something else.
    """
    if os.path.lexists(path) and not (force and path.is_file()):
        hint = "name another file" + ("; or say --force" if path.is_file() else "")
        raise WildRobotError(f"{str(path)!r} exists already.", where="--video", hint=hint)


def _within(bundle: Any, name: str, value: float, unit: str) -> float:
    """What is asked for, within what the policy was trained for; 0 is always that.

    Raises:
        WildRobotError: it was trained for nothing of the kind.
    """
    if not value:
        return 0.0
    from ..deploy.player.loop import check_steering

    check_steering(bundle, name)
    bounds = bundle.contract.document["command"][name]
    if not bounds["low"] <= value <= bounds["high"]:
        say(f"it was trained for {bounds['low']:g} to {bounds['high']:g} {unit}, and goes no further")
    return min(max(value, bounds["low"]), bounds["high"])


def _need(*libraries: str) -> None:
    """What the `deploy` extra brings, told before anything else is loaded."""
    from ..deploy.bundle.extra import require

    for name in libraries:
        require(name)


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

    def text(name: str, unit: str, digits: int = 3) -> str:
        value = document[name]
        return "–" if value is None else f"{value:.{digits}f} {unit}"

    ending = "upright to the end" if document["survived"] else f"fell after {document['upright_s']:.2f} s"
    return [
        f"{ending}" + (f"; the player gave up: {document['fault']}" if document["fault"] else ""),
        f"commanded {document['command_mps']:.2f} m/s, walked {text('speed_mps', 'm/s')}, "
        f"error {text('speed_error_mps', 'm/s')}",
        *_beside(document),
        f"distance {text('distance_m', 'm', 2)} in {document['seconds']:g} s, "
        f"drift {text('drift_m', 'm', 2)}, heading off by {text('heading_error_deg', 'degrees', 1)}",
        f"a step of the player took {took['p50']:.0f} us (median), {took['p99']:.0f} us (99%), "
        f"{took['max']:.0f} us (most)",
        *([f"film: {document['video']}"] if document["video"] else []),
    ]


def _beside(document: dict[str, Any]) -> list[str]:
    """What it was told beside a speed ahead, and what it did."""
    lines = []
    for name, unit, words in (("lateral", "mps", "m/s to the left"), ("turn", "radps", "rad/s to the left")):
        if f"{name}_command_{unit}" in document:
            done = document[f"{name}_{unit}"]
            did = "–" if done is None else f"{done:.3f}"
            lines.append(f"told {document[f'{name}_command_{unit}']:.2f} {words}, did {did}")
    return lines


def _findings(found: Any) -> list[Any]:
    replay = found.replay
    lines: list[Any] = [
        f"{'ok  ' if replay.passed else 'FAIL'}  golden vectors: {replay.steps} steps, targets within "
        f"{replay.target:.1e} rad, actions within {replay.action:.1e} rad, observations within {replay.observation:.1e}"
    ]
    if replay.wrong:
        lines.append(f"      {replay.wrong}")
    if (walked := found.retrace) is not None:
        lines.append(
            f"{'ok  ' if walked.passed else 'FAIL'}  closed loop: the golden rollout walked again, "
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
    lines.append("The player does what training did." if found.passed else "The player does not do what training did.")
    return lines
