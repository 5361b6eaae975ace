"""What the page's buttons and dials do, and what its strips remember: the view without a browser."""

import collections
import dataclasses
import logging
import math
import queue
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..deploy.bundle.contract import CommandChannel
from ..errors import WildRobotError
from .shadow import Shadow
from .simulation import AbstractSimulation, Inside, World

_log = logging.getLogger(__name__)

SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0)
SAMPLE = 0.05  # s of the simulation, between two entries of the strips
SECONDS = 10.0  # of the strips
_WINDOW = 10  # entries that a measured speed is averaged over
_LYING = 1.5  # s, before a robot that has fallen stands again
_SHOWN = 0.6  # s, for which a push is drawn
_KEY_SHARE = 0.2  # of a channel's range, by which a key changes it
_BEHIND = 0.25  # s, beyond which lost time is not made up for


@dataclasses.dataclass(frozen=True)
class Sample:
    """One entry of a robot's strips."""

    time: float  # s
    asked: Mapping[str, float]
    measured: Mapping[str, float]
    feet: Mapping[str, float]  # N


class Place:
    """One robot on the stage: the policies that it may have, and what is remembered of it.

    Args:
        choices: simulations of one robot, of which one acts at a time.
        offset: where it stands, m, in the world.
    """

    def __init__(self, choices: Sequence[AbstractSimulation], offset: tuple[float, float] = (0.0, 0.0)):
        self.choices, self.offset = tuple(choices), offset
        self.chosen = self.falls = self.steps = 0
        self.note = ""
        self.push: tuple[float, NDArray[np.float64]] | None = None  # until when it is drawn, s, and its impulse, N s
        self.look()
        self.clear()

    @property
    def simulation(self) -> AbstractSimulation:
        """The one that acts."""
        return self.choices[self.chosen]

    @property
    def inside(self) -> Inside:
        """What it says of its last step."""
        return self.simulation.inside

    def look(self) -> None:
        """Look anew at a simulation whose model is another."""
        simulation = self.simulation
        self.shadow = Shadow(simulation.model, simulation.base, simulation.joints, simulation.feet)
        self.shadow.look(simulation.pose)

    def clear(self) -> None:
        """Forget the strips."""
        self.samples: collections.deque[Sample] = collections.deque(maxlen=round(SECONDS / SAMPLE))
        self._velocities: collections.deque[Mapping[str, float]] = collections.deque(maxlen=_WINDOW)
        self.time = self.lying = self.owed = 0.0  # s: since its beginning, since it fell, not stepped yet
        self._due = 0.0  # s, when the strips get their next entry
        self.push = None

    def sample(self, asked: Mapping[str, float]) -> None:
        """Look at the pose, and note it in the strips when it is time."""
        self.shadow.look(self.simulation.pose)
        if self.time < self._due - 1e-9:
            return
        self._due = max(self._due + SAMPLE, self.time)
        self._velocities.append(self.shadow.velocity)
        names = self._velocities[-1]
        mean = {name: float(np.mean([velocity[name] for velocity in self._velocities])) for name in names}
        measured = {**self.inside.measured, **mean}
        own = {c.name: asked.get(c.name, c.rest) for c in self.simulation.channels}
        self.samples.append(Sample(self.time, own, measured, self.shadow.foot_forces()))


class Session:
    """All robots of one view, one clock and one set of dials.

    The page's callbacks come from other threads: they `post` what is to be done, and `advance` does it.

    Args:
        places: the robots.
    """

    def __init__(self, places: Sequence[Place]):
        self.places = tuple(places)
        self.focus = 0  # whose strips are shown, and whom the camera follows
        self.paused, self.speed, self.stands_up = False, 1.0, True
        self.world = World(engine=self.places[0].simulation.world.engine)
        self.impulse, self.direction = (
            float(f"{0.15 * self.places[0].shadow.mass:.1g}"),
            90.0,
        )  # N s; degrees from ahead to the left
        self.asked: dict[str, float] = {c.name: c.rest for c in self.channels}
        self.note = ""
        self._steps = 0  # that were asked for while it was paused
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    @property
    def focused(self) -> Place:
        """The robot whose strips are shown."""
        return self.places[self.focus]

    @property
    def channels(self) -> tuple[CommandChannel, ...]:
        """All that any of the robots can be asked for, each name once."""
        found: dict[str, CommandChannel] = {}
        for place in self.places:
            for simulation in place.choices:
                for channel in simulation.channels:
                    found.setdefault(channel.name, channel)
        return tuple(found.values())

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that every robot may be on."""
        own = [place.simulation.engines for place in self.places]
        return tuple(name for name in own[0] if all(name in others for others in own))

    def post(self, action: Callable[[], None]) -> None:
        """Have it done by the thread that advances."""
        self._posted.put(action)

    def ask(self, name: str, value: float) -> None:
        """Ask for a value of a channel, within its bounds; what is not finite is not heard.

        Raises:
            KeyError: there is no such channel.
        """
        channel = {c.name: c for c in self.channels}[name]
        if math.isfinite(value):
            self.asked[name] = min(max(value, channel.low), channel.high)

    def axis(self, name: str, other: int) -> int:
        """The place of a channel in `channels`; of a robot that is asked for no velocity, `other`."""
        names = [channel.name for channel in self.channels]
        if name in names:
            return names.index(name)
        return len(names) if "lin_vel_x" in names else other

    def toggle(self) -> None:
        """Pause, or go on."""
        self.paused = not self.paused

    def rest(self) -> None:
        """Ask for nothing any more."""
        self.asked = {c.name: c.rest for c in self.channels}

    def nudge(self, index: int, sign: float) -> None:
        """Ask a channel, by its place in `channels`, for a fifth of its range more or less; what is absent is not."""
        if index < len(self.channels):
            channel = self.channels[index]
            self.ask(channel.name, self.asked[channel.name] + sign * _KEY_SHARE * _reach(channel))

    def reset(self) -> None:
        """All robots to their beginnings."""
        for place in self.places:
            place.simulation.reset()
            place.clear()
            place.shadow.look(place.simulation.pose)

    def step_once(self) -> None:
        """Pause, and go one control period on."""
        self.paused = True
        self._steps += 1

    def push(self) -> None:
        """Push every robot: `impulse` (N s) towards `direction` (degrees, from ahead to the left)."""
        for place in self.places:
            angle = place.shadow.heading + math.radians(self.direction)
            impulse = self.impulse * np.array([math.cos(angle), math.sin(angle), 0.0])
            place.simulation.kick(impulse / place.shadow.mass)
            place.push = (place.time + _SHOWN, impulse)

    def choose(self, index: int) -> None:
        """Give the robots that have so many policies this one; it goes on from where the robot is."""
        for place in self.places:
            if index < len(place.choices) and index != place.chosen:
                pose = place.simulation.pose
                place.chosen = index
                if place.simulation.world != self.world:
                    place.simulation.enter(self.world)
                place.simulation.take_over(pose)
                place.look()

    def enter(self, world: World) -> None:
        """Put all robots into that world; where one cannot, none is, and the note says why."""
        before, self.note = self.world, ""
        try:
            for place in self.places:
                place.simulation.enter(world)
        except WildRobotError as error:
            self.note = error.what
            _log.warning(str(error))
            for place in self.places:
                place.simulation.enter(before)
            return
        finally:
            for place in self.places:
                if place.shadow.model is not place.simulation.model:
                    place.look()
        moved = (world.terrain, world.engine) != (before.terrain, before.engine)
        self.world = world
        if moved:
            self.reset()

    def advance(self, seconds: float) -> None:
        """Do what was posted, and let so much time (s, of the clock on the wall) pass for the robots."""
        while not self._posted.empty():
            self._posted.get()()
        for place in self.places:
            place.note = place.simulation.refresh() or place.note
        if self.paused:
            for place in self.places:
                place.owed = 0.0
                for _ in range(self._steps):
                    self._step(place)
            self._steps = 0
            return
        for place in self.places:
            place.owed = min(place.owed + seconds * self.speed, _BEHIND)
            while place.owed >= place.simulation.dt - 1e-9:
                place.owed -= place.simulation.dt
                self._step(place)

    def _step(self, place: Place) -> None:
        simulation = place.simulation
        simulation.step(self.asked)
        place.time += simulation.dt
        place.steps += 1
        if place.push is not None and place.time > place.push[0]:
            place.push = None
        if np.isfinite(simulation.pose.qpos).all():
            place.sample(self.asked)
        place.lying = place.lying + simulation.dt if simulation.ended else 0.0
        if self.stands_up and (place.lying > _LYING or simulation.ended in ("diverged", "is over")):
            place.falls += simulation.ended != "is over"
            simulation.reset()
            place.clear()


def _reach(channel: CommandChannel) -> float:
    """How far a channel goes from rest."""
    return max(channel.high - channel.rest, channel.rest - channel.low)
