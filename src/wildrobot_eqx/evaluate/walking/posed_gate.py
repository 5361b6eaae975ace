"""The walk gate of a robot that holds some joints where it is told as it walks, such as a head, on its own servos."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ...control import Servos
from ...env import Disturbances, Env, EnvState, Timestep
from ...errors import WildRobotError, nearest
from ...physics import AbstractRandomiser
from ...task import JointPoseCommand
from ..gate import AbstractGate, AbstractMeter, Case, Figure, Limit, Unasked
from .asked import speeds
from .episodes import WalkMeter, velocity_values
from .meter import GaitTally
from .walk_gate import WalkGate

_SHOWN = {"pose_error": Figure("pose error", "rad", digits=3)}


@dataclasses.dataclass(frozen=True)
class Pose:
    """One pose that a gate asks for, rad from home by joint, while the robot walks ahead at `speed` m/s, 0: stands."""

    name: str
    places: tuple[float, ...]
    speed: float = 0.0


class PoseTally(eqx.Module):
    """The walk's statistics, and how far the joints were from where they were told to be."""

    walk: GaitTally
    error: Float[Array, "*batch n"]  # rad, sum of sizes over the judged samples
    steps: Int[Array, "*batch"]
    judged: Int[Array, "*batch"]


class PoseMeter(AbstractMeter):
    """Adds `pose_error` to the figures of a walk: the mean error of the joint that is worst, rad.

    Args:
        walk: of the walk.
        command: what has the joints' places.
        name: of that command in the env.
        warmup: control steps before the first judged one.
        speeds: what the cases of poses walk at, m/s, by name.
    """

    walk: WalkMeter
    command: JointPoseCommand
    name: str = eqx.field(static=True)
    warmup: int = eqx.field(static=True)
    speeds: tuple[tuple[str, float], ...] = eqx.field(static=True)
    lasting = "upright"

    def init(self, state: EnvState, timestep: Timestep) -> PoseTally:
        none = jnp.zeros((), jnp.int32)
        error = jnp.zeros((len(self.command.indices),), jnp.float32)
        return PoseTally(self.walk.init(state, timestep), error, none, none)

    def step(self, tally: PoseTally, state: EnvState, timestep: Timestep) -> PoseTally:
        walk = self.walk.step(tally.walk, state, timestep)
        steps = tally.steps + 1
        one = (self.walk.running(walk) & (steps > self.warmup)).astype(jnp.int32)
        error = jnp.abs(self.command.error(state.commands[self.name], state.physics))
        return PoseTally(walk, tally.error + jnp.where(one > 0, error, 0.0), steps, tally.judged + one)

    def running(self, tally: PoseTally) -> Any:
        return self.walk.running(tally.walk)

    def figures(self, tally: PoseTally, case: Case) -> dict[str, float]:
        """Those of the walk, and the pose's."""
        judged = np.asarray(tally.judged)
        walked = dataclasses.replace(case, command=dict(self.speeds).get(case.name, case.command))
        values = self.walk.figures(tally.walk, walked)
        some = judged > 0
        mean = np.asarray(tally.error)[some] / judged[some, None]
        return values | {"pose_error": float(mean.mean(axis=0).max()) if some.any() else float("nan")}

    def joints(self, tally: PoseTally) -> dict[str, dict[str, float]]:
        return self.walk.joints(tally.walk)

    def shown(self) -> dict[str, Figure]:
        return _SHOWN


class PosedWalkGate(AbstractGate):
    """A walk gate, held with a pose told, and poses beside it, on the servos that the robot has.

    Every case of `walk` is judged with its limits, the pose told to be at home; every one of `poses`, while it
    stands or walks, by survival and the pose. All must hold their joints within `tolerance` on average.

    Args:
        walk: the walk's own gate; its episodes, seconds, warm-up and timesteps are this one's.
        pose: name of the `JointPoseCommand` in the env.
        poses: what is told beside home.
        tolerance: of the mean error of the worst joint, rad.
        servos: what the judged robot's servos are; the engine's own position servos if None.
        randomisers: what else differs from the robot's file, such as the rotors' inertia that belongs to the servos.
    """

    walk: WalkGate
    pose: str = eqx.field(static=True)
    poses: tuple[Pose, ...] = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)
    servos: Servos | None
    randomisers: tuple[AbstractRandomiser, ...]
    episodes: int = eqx.field(static=True)
    seconds: float = eqx.field(static=True)
    timesteps: tuple[float, ...] = eqx.field(static=True)
    columns = "command"

    def __init__(
        self,
        walk: WalkGate,
        pose: str = "pose",
        poses: tuple[Pose, ...] = (),
        tolerance: float = 0.1,
        servos: Servos | None = None,
        randomisers: tuple[AbstractRandomiser, ...] = (),
    ):
        self.walk, self.pose, self.poses, self.tolerance = walk, pose, tuple(poses), tolerance
        walked = [*(f"{v:g}" for v in (*walk.required, *walk.reported)), *(motion.name for motion in walk.motions)]
        names = [*walked, *(pose.name for pose in self.poses)]
        if len(set(names)) < len(names):
            raise WildRobotError(
                "Two cases of the gate have one name.",
                where="PosedWalkGate, poses",
                hint=f"give each pose a name of its own, and none of these: {', '.join(walked)}",
            )
        self.servos, self.randomisers = servos, tuple(randomisers)
        self.episodes, self.seconds, self.timesteps = walk.episodes, walk.seconds, walk.timesteps

    def cases(self, env: Env) -> tuple[Case, ...]:
        """Those of the walk, with the pose at home; then the poses, in a batch of their own."""
        n = len(self._command(env).channels)
        home = {self.pose: (0.0,) * n}
        walked = [dataclasses.replace(case, values={**case.values, **home}) for case in self.walk.cases(env)]
        posed = [
            Case(
                pose.name,
                {**velocity_values(env, pose.speed), self.pose: pose.places},
                label=pose.name,
                when="with",
                batch=2,
            )
            for pose in self.poses
        ]
        return (*walked, *posed)

    def meter(self, env: Env) -> PoseMeter:
        """What gathers the tallies: its judged samples begin after the walk's warm-up."""
        walk, speeds = self.walk.meter(env), tuple((pose.name, pose.speed) for pose in self.poses)
        return PoseMeter(walk, self._command(env), self.pose, walk.gait.warmup_steps, speeds)

    def limits(self, env: Env) -> tuple[Limit, ...]:
        """Those of the walk, and of the pose in every case."""
        posed = tuple(pose.name for pose in self.poses)
        own = [Limit("survival", low=0.99, cases=posed)] if posed else []
        return (*self.walk.limits(env), *own, Limit("pose_error", high=self.tolerance, shown=_SHOWN["pose_error"]))

    def prepare(self, env: Env) -> Env:
        """The judged env with the gate's servos."""
        if self.servos is None and not self.randomisers:
            return env
        disturbances = Disturbances() if env.disturbances is None else env.disturbances
        own = dataclasses.replace(disturbances, servos=self.servos, randomisers=self.randomisers)
        return dataclasses.replace(env, disturbances=own)

    def unasked(self, env: Env) -> tuple[Unasked, ...]:
        """What of the walk, and which poses, the env never asks for."""
        bounds = np.asarray(jax.device_get(self._command(env).bounds()))
        where = f"env.commands[{self.pose!r}]"
        names = [channel.name for channel in self._command(env).channels]
        found = list(self.walk.unasked(env))
        found += speeds(env, "poses", (pose.speed for pose in self.poses))
        for name, (low, high) in zip(names, bounds):
            if float(self._command(env).home_probability) == 0.0 and not low <= 0.0 <= high:
                asked = f"{where} asks {name} for {low:g} to {high:g} rad from home"
                fix = f"give {where} a home_probability, or a range that holds 0"
                found.append(Unasked("gate.walk", asked, "home, as it walks", fix))
        for i, pose in enumerate(self.poses):
            for place, name, (low, high) in zip(pose.places, names, bounds):
                if not low - 1e-6 <= place <= high + 1e-6:
                    found.append(
                        Unasked(
                            f"gate.poses[{i}]",
                            f"{where} asks {name} for {low:g} to {high:g} rad from home",
                            f"{place:g} rad, in the pose {pose.name!r}",
                            f"widen the ranges of {where}, or judge what is trained",
                        )
                    )
        return tuple(found)

    def _command(self, env: Env) -> JointPoseCommand:
        command = env.commands.get(self.pose)
        if not isinstance(command, JointPoseCommand):
            raise WildRobotError(
                f"The gate holds a pose by the command {self.pose!r}, and the env has no such JointPoseCommand.",
                where="PosedWalkGate, pose",
                hint=nearest(self.pose, env.commands),
            )
        wrong = [pose.name for pose in self.poses if len(pose.places) != len(command.channels)]
        if wrong:
            raise WildRobotError(
                f"The pose {wrong[0]!r} has not one place for each of the {len(command.channels)} joints.",
                where="PosedWalkGate, poses",
                hint=f"in this order: {', '.join(channel.name for channel in command.channels)}",
            )
        return command
