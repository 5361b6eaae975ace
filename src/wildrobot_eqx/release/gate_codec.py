"""A gate as a bundle describes it, and the env that it judges in: what a bundle can be held to without its recipe."""

from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import f32
from ..control import AbstractController
from ..deploy.bundle.archive import damaged
from ..deploy.bundle.bundle import Bundle
from ..deploy.export.robot_files import bundled_robot
from ..env import Env
from ..evaluate.gate import AbstractGate
from ..evaluate.walking.definitions import PROTOCOL, definitions
from ..evaluate.walking.motions import Motion
from ..evaluate.walking.stand_gate import StandGate
from ..evaluate.walking.walk_gate import WalkGate
from ..locomotion import Gait, HeadingController, VelocityCommand
from ..observe import AbstractTerm, FootSwitches, ObservationStack
from ..physics import make_physics
from ..robots import Robot
from ..task import AbstractCommand, AbstractReset, Fallen
from .sent import Sent

_GATES = ("WalkGate", "StandGate")


class RecordedReset(AbstractReset):
    """One of the first states that a bundle has recorded of its training env."""

    qpos: Float[Array, "starts nq"]
    qvel: Float[Array, "starts nv"]

    def __call__(self, key: PRNGKeyArray, commands: Any) -> tuple[Float[Array, " nq"], Float[Array, " nv"]]:
        i = jax.random.randint(key, (), 0, self.qpos.shape[0])
        return self.qpos[i], self.qvel[i]


def describe_gate(gate: AbstractGate | None, figures: Iterable[str] = ()) -> dict[str, Any]:
    """What a bundle says of a gate beside its verdict: its kind, and, of those that it can be held to, all figures.

    Of the gates of walking it says what the `figures` mean, and how an episode is judged, in words.
    """
    if gate is None:
        return {}
    words: dict[str, Any] = {}
    if type(gate).__name__ in _GATES:
        words = {"protocol": PROTOCOL, "definitions": definitions(figures)}
    return {"judge": type(gate).__name__, **words, **(gate.describe() or {})}


def read_judge(bundle: Bundle) -> tuple[Env, AbstractGate] | None:
    """The gate that a contract describes, and an env with the bundle's robot and commands; None where there is none.

    The env's first states are those that the bundle has recorded.
    """
    document = bundle.contract.document
    gate = _described(document["gate"])
    parts = document["command"]["parts"]
    walks = [name for name, part in parts.items() if part["kind"] == "VelocityCommand"]
    others = {channel.command for channel in bundle.contract.channels} - set(walks)
    if gate is None or len(walks) != 1 or others or document["simulation"] is None:
        return None
    robot, rows = bundled_robot(bundle), bundle.golden()
    simulation, (name,) = document["simulation"], walks
    endings = {}
    if None not in (simulation["min_height"], simulation["max_tilt"]):
        fallen = Fallen(robot, simulation["max_tilt"])
        endings["fallen"] = eqx.tree_at(lambda f: f.min_height, fallen, f32(simulation["min_height"]))
    controller: AbstractController = Sent(f32(bundle.contract.target_rest))
    env = Env(
        physics=make_physics("native", robot, simulation["timestep"]),
        controller=controller,
        observations={"policy": ObservationStack(_switches(robot, document))},
        rewards={},
        endings=endings,
        reset_state=RecordedReset(jnp.asarray(rows["start_qpos"]), jnp.asarray(rows["start_qvel"])),
        commands={name: _velocity(robot, bundle, parts[name]["constants"]), **_gait(robot, bundle, name)},
    )
    return env, gate


def _gait(robot: Robot, bundle: Bundle, follows: str) -> dict[str, AbstractCommand]:
    """The gait by which a gate times the feet, under a name that no velocity has."""
    clock = bundle.contract.document["clock"]
    if clock is None:
        return {}
    feet, middles = tuple(foot.name for foot in robot.feet), clock["mid_swing"]
    if set(middles) != set(feet):
        raise damaged("The clock times other feet than the robot has.", bundle.path, "export it again")
    times = [middles[foot] for foot in feet]
    gait = Gait(feet, times, clock["period"], clock["swing"], command=follows, rests=clock["rests"])
    return {f"{follows} gait": gait}


def _switches(robot: Robot, document: dict[str, Any]) -> dict[str, AbstractTerm]:
    """The term that reads the feet's switches, where the policy reads them."""
    if "feet" not in document:
        return {}
    term = FootSwitches(robot)
    return {"switches": eqx.tree_at(lambda t: t.threshold, term, f32(document["feet"][0]["threshold"]))}


def _velocity(robot: Robot, bundle: Bundle, constants: dict[str, float]) -> VelocityCommand:
    ranges: dict[str, Any] = {channel.name: (channel.low, channel.high) for channel in bundle.contract.channels}
    lead: dict[str, Any] = {"max_heading_lead": constants["heading lead"]} if "heading lead" in constants else {}
    return VelocityCommand(
        robot,
        heading=HeadingController(constants["heading gain"], constants["yaw rate limit"]),
        deadband=constants["deadband"],
        **ranges,
        **lead,
    )


def _described(entry: dict[str, Any] | None) -> AbstractGate | None:
    if entry is None or entry.get("judge") not in _GATES or not {"required", "seconds", "warmup"} <= set(entry):
        return None
    required, seconds = tuple(float(value) for value in entry["required"]), float(entry["seconds"])
    if entry["judge"] == "StandGate":
        at, recovery = float(entry["kick_at"]), float(entry["recovery"])
        return StandGate(required=required, reported=(), seconds=seconds, kick_at=at, recovery=recovery)
    motions = tuple(Motion(m["axis"], float(m["command"])) for m in entry.get("motions", ()))
    return WalkGate(required=required, reported=(), seconds=seconds, warmup=float(entry["warmup"]), motions=motions)
