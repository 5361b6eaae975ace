"""`robot scan`, `calibrate`, `hold`, `run`, `excite`: bring-up of a real robot."""

import contextlib
import dataclasses
import logging
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..errors import WildRobotError
from .bundles import BundleArgument, Signer, asked_for, free, need
from .shared import Json, results

_log = logging.getLogger(__name__)

ROBOT = typer.Typer(no_args_is_help=True, help="Bring up a real robot: find its servos, calibrate, hold, run, excite.")
HardwareOption = Annotated[
    Path, typer.Option("--hardware", help="How the robot is wired and calibrated.", show_default="hardware.toml")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before the robot moves.")]
LogOption = Annotated[Path | None, typer.Option("--log", help="Write a log of it: an .mcap.")]
Faults = Annotated[
    Path | None,
    typer.Option(help="A folder for the last minute before a fault.", show_default="faults, beside hardware.toml"),
]
_HERE = Path("hardware.toml")


@ROBOT.command("scan")
def robot_scan(
    port: Annotated[list[str], typer.Option(help="A line of servos, such as /dev/ttyUSB0; repeat for several.")],
    bundle: Annotated[Path | None, typer.Argument(metavar="BUNDLE", help="Whose joints they drive.")] = None,
    driver: Annotated[Literal["hiwonder", "dynamixel", "feetech"], typer.Option(help="Whose servos.")] = "hiwonder",
    baud: Annotated[int | None, typer.Option(help="Bits per second.", show_default="115200; 1000000")] = None,
    ids: Annotated[str, typer.Option(help="Which ids to ask: first:last.")] = "1:32",
    timeout: Annotated[float, typer.Option(min=0.001, max=5.0, help="How long to wait for an answer, s.")] = 0.03,
    imu: Annotated[str | None, typer.Option("--imu", help="The IMU's port.")] = None,
    imu_driver: Annotated[Literal["text", "bno08x"], typer.Option(help="Whose IMU.")] = "text",
    out: Annotated[
        Path | None, typer.Option(help="Write a first hardware.toml: joints in order, nothing proved.")
    ] = None,
    json: Json = False,
) -> None:
    """Say what is on the servo lines. Nothing moves."""
    from ..deploy.bringup.hardware import ImuEntry, JointEntry, Line, open_bus

    first, _, last = ids.partition(":")
    if not (first.isdigit() and last.isdigit() and 0 <= int(first) <= int(last) <= 253):
        raise WildRobotError(f"{ids!r} is no range of ids.", where="--ids", hint="such as 1:32, from 0 to 253")
    if out is not None:
        free(out, False, "--out")
        if bundle is None:
            raise WildRobotError("A hardware.toml needs joints.", where="--out", hint="name the BUNDLE, too")
    lines = [Line(path, driver, baud or (115_200 if driver == "hiwonder" else 1_000_000)) for path in port]
    found: list[dict[str, Any]] = []
    with results(json) as show:
        for i, line in enumerate(lines):
            bus = open_bus(dataclasses.replace(line, timeout=timeout))
            bus.retries = 1
            with contextlib.closing(bus):
                for id in range(int(first), int(last) + 1):
                    if bus.ping(id):
                        found.append({"port": line.port, "bus": i, "id": id, **_state(bus, id)})
        text = [
            f"{one['port']}  id {one['id']:3}  at {one['position']} units, {one['voltage']} V, {one['temperature']} C"
            + (f"  reports: {', '.join(one['faults'])}" if one["faults"] else "")
            for one in found
        ]
        if not found:
            raise WildRobotError(
                "No servo answers.",
                where=", ".join(port),
                hint="look at the supply, the port, --baud and --driver",
                exit_code=1,
            )
        if out is not None and bundle is not None:
            contract = _open(bundle, None).contract
            if len(found) < len(contract.joints):
                raise WildRobotError(
                    f"{len(found)} servos answer, and the robot has {len(contract.joints)} joints.",
                    where=", ".join(port),
                    hint="look at the plugs of the others, and at their ids: two of one id answer as none",
                )
            joints = {n: JointEntry(one["id"], one["bus"]) for n, one in zip(contract.joints, found)}
            entry = None if imu is None else ImuEntry(imu, imu_driver, 3_000_000 if imu_driver == "bno08x" else 115_200)
            _hardware_of(contract, lines, joints, entry).save(out)
            text.append(f"{out}: joints in the contract's order of ids; set them right, then: robot calibrate")
        show({"servos": found, "hardware": None if out is None else str(out)}, text)


@ROBOT.command("calibrate")
def robot_calibrate(
    bundle: BundleArgument,
    what: Annotated[Literal["zeros", "imu", "signs"], typer.Argument(help="What to measure.")],
    hardware: HardwareOption = _HERE,
    pose: Annotated[
        Literal["home", "zero"], typer.Option(help="Of the jig that holds the joints while zeros are measured.")
    ] = "home",
    identified: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Zeros as `identify` found them, with the robot on the floor: no jig."),
    ] = None,
    move: Annotated[float, typer.Option(min=0.02, max=0.3, help="How far each joint moves for its sign, rad.")] = 0.1,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Measure zeros in a jig, the IMU's order and mounting by leaning, signs by moving each joint a little."""
    from .calibrate import calibrate_imu, calibrate_signs, calibrate_zeros, zeros_from

    if identified is not None:
        if what != "zeros":
            raise WildRobotError("Only zeros are taken from a file.", where="--identified", hint="calibrate zeros")
        with results(json) as show:
            show(*zeros_from(_open(bundle, None), hardware, identified))
        return
    need("onnxruntime")
    opened = _open(bundle, None)
    with results(json) as show:
        measures: dict[str, Any] = {"zeros": calibrate_zeros, "imu": calibrate_imu, "signs": calibrate_signs}
        document, lines = measures[what](opened, hardware, ask=_asker(yes), pose=pose, move=move)
        show(document, [*lines, f"{hardware}: written"])


@ROBOT.command("hold")
def robot_hold(
    bundle: BundleArgument,
    hardware: HardwareOption = _HERE,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long, s.")] = 60.0,
    log: LogOption = None,
    faults: Faults = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Hold the home pose, and tell pitch, roll and heading as slopes."""
    _drive(bundle, hardware, {}, 0.0, seconds, log, faults, yes, json, "hold its home pose")


@ROBOT.command("run")
def robot_run(
    bundle: BundleArgument,
    hardware: HardwareOption = _HERE,
    ask: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Ask for a value of a channel, such as lin_vel_x=0.2."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="For how long the policy has the robot, s.")] = 10.0,
    home_seconds: Annotated[float, typer.Option(min=0.0, help="Hold the home pose for so long before, s.")] = 2.0,
    log: LogOption = None,
    faults: Faults = None,
    signer: Signer = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Let a bundle's policy have the robot; Ctrl-C takes the torque off."""
    _drive(bundle, hardware, ask or [], seconds, home_seconds, log, faults, yes, json, "walk", signer)


@ROBOT.command("excite")
def robot_excite(
    bundle: BundleArgument,
    hardware: HardwareOption = _HERE,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long, s.")] = 60.0,
    amplitude: Annotated[
        float, typer.Option(min=0.005, max=0.1, help="Of a joint's step, rad; all motions grow with it.")
    ] = 0.0436,
    seed: Annotated[int, typer.Option(min=0, help="Another seed moves it in another way.")] = 0,
    log: LogOption = None,
    faults: Faults = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Squat, lean, turn, step and sweep about the home pose, both feet on the floor, for identification."""
    _drive(bundle, hardware, {}, seconds, 2.0, log, faults, yes, json, "squat and step", excite=(amplitude, seed))


def _drive(
    bundle: Path,
    hardware: Path,
    ask: Any,
    seconds: float,
    home_seconds: float,
    log: Path | None,
    faults: Path | None,
    yes: bool,
    json: bool,
    what: str,
    signer: str | None = None,
    excite: tuple[float, int] | None = None,
) -> None:
    from ..deploy.bringup.hardware import open_robot, read_hardware, released, sensors_of
    from ..deploy.log.figures import figures
    from ..deploy.log.recording import read_log
    from ..deploy.player.loop import drive, recorder_of
    from ..deploy.player.player import Player

    need("onnxruntime", "mcap")
    opened, wired = _open(bundle, signer), read_hardware(hardware)
    if log is not None:
        free(log, False, "--log")
    asked = asked_for(opened, ask) if isinstance(ask, list) and ask else {}
    for one in wired.unproved():
        _log.info(f"not measured yet: {one} (robot calibrate)")
    motion = None
    if excite is not None:
        need("mujoco")
        from ..deploy.bringup.excite import excitation, motion_of
        from ..deploy.bringup.stance import Stance

        targets = excitation(Stance.of(opened), seconds, excite[1], excite[0])
        motion = motion_of(targets, opened.contract.dt)
    robot = open_robot(wired, sensors_of(opened.contract))
    folder = hardware.with_name("faults") if faults is None else faults
    proof = wired.imu is not None and wired.imu.proved is None and excite is None and seconds > 0.0
    with results(json) as show, released(robot):
        player = Player(
            opened,
            joints=robot.joints,
            rate=1.0 / opened.contract.dt,
            limits=robot.limits,
            stale_seconds=wired.coast,
            prove_imu=proof,
            motion=motion,
        )
        _asker(yes)(f"The robot is about to {what}.")
        if proof:
            _log.info("the IMU is not proved: lean the robot by hand, forward and back, while it holds its home pose")
        robot.load()
        with recorder_of(player, robot, log, folder, hardware=wired.text()) as recorder:
            went = drive(player, robot, asked, seconds, home_seconds=home_seconds, log=recorder)
        document: dict[str, Any] = {
            "fault": went.fault,
            "steps": went.steps,
            "late": went.late,
            "failed_reads": went.failed_reads,
            "failed_writes": went.failed_writes,
            "log": None if log is None else str(log),
            "last_minute": None if recorder.written is None else str(recorder.written),
        }
        lines = [
            f"{went.steps} control steps, {went.late} late, {went.failed_reads} readings lost; "
            + (f"fault: {went.fault}" if went.fault else "a good end")
        ]
        if log is not None:
            document["figures"] = figures(read_log(log))
            for axis, one in (document["figures"]["base"] or {}).items():
                lines.append(f"{axis}: {one['mean']:.2f} deg, {one['slope']:+.4f} ± {one['slope_error']:.4f} deg/s")
            lines.append(f"all of it: wildrobot-eqx log show {log}")
        show(document, lines)
    raise typer.Exit(0 if went.fault is None else 1)


def _hardware_of(contract: Any, lines: list[Any], joints: dict[str, Any], imu: Any) -> Any:
    from ..deploy.bringup.hardware import Hardware

    name = contract.document["robot"]["name"]
    return Hardware(name, tuple(lines), joints, imu, read_seconds=round(0.6 * contract.dt, 4))


def _state(bus: Any, id: int) -> dict[str, Any]:
    found: dict[str, Any] = {"position": None, "voltage": None, "temperature": None, "faults": []}
    with contextlib.suppress(WildRobotError):
        found["position"] = bus.read(id).position
        health = dataclasses.asdict(bus.health(id))
        found |= {key: value for key, value in health.items() if not (isinstance(value, float) and math.isnan(value))}
        found["faults"] = list(health["faults"])
    return found


def _open(bundle: Path, signer: str | None) -> Any:
    from ..deploy.bundle.bundle import Bundle

    return Bundle.open(bundle, signer)


def _asker(yes: bool) -> Any:
    """A function that asks before something moves, and ends the command unless the answer is yes."""

    def ask(text: str, question: str = "Go on?") -> None:
        if yes:
            _log.info(text)
        elif not typer.confirm(f"{text} {question}", err=True):
            raise WildRobotError("Nothing was moved.", where="robot", hint="say y, or --yes", exit_code=1)

    return ask
