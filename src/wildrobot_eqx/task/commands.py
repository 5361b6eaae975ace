"""Commands: what a robot is asked for. Each has a state of its own, drawn at reset and carried through an episode."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..arrays import named_key
from ..errors import WildRobotError, nearest
from ..module import AbstractModule
from ..observe import Channel
from ..physics import PhysicsState
from ..protocol import Call, Protocol

Commands = Mapping[str, Any]
"""The states of an env's commands, by name."""


class AbstractCommand(AbstractModule):
    """What a robot is asked for: a velocity, a goal, the frame of a clip, the phase of a gait.

    Its state is a pytree of the command's own, the same tree from `sample`, `start`, `step` and
    `set`. Evaluation, films, joysticks and bundles speak to a command through `channels`,
    `hold`, `set` and `asked`, never through its fields.
    """

    protocol: ClassVar[Protocol] = (
        Call("bounds", (), ("bounds",)),
        Call("sample", ("key",), ("state",)),
        Call("start", ("state", "physics", "others"), ("state",)),
        Call("step", ("key", "state", "physics", "dt", "others"), ("state",)),
        Call("observe", ("state",), ("observed",)),
        Call("set", ("state", "value"), ("state",)),
        Call("asked", ("state",), ("value",)),
        Call("metrics", ("state", "physics"), ("metrics",)),
        Call("constants", (), ("metrics",)),
    )

    @property
    @abc.abstractmethod
    def channels(self) -> tuple[Channel, ...]:
        """What can be asked for, an entry for each number of `hold`; empty for a command that follows others."""

    @property
    @abc.abstractmethod
    def observed(self) -> tuple[Channel, ...]:
        """What `observe` returns, an entry for each number."""

    @property
    @abc.abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Names of the commands whose states `start` and `step` read; the env carries those on first."""

    @abc.abstractmethod
    def bounds(self) -> Float[Array, "channels 2"]:
        """The lowest and highest value of each channel that training asks for."""

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray) -> Any:
        """A first state, drawn before any pose is known, so that a reset may depend on it."""

    @abc.abstractmethod
    def start(self, state: Any, physics: PhysicsState, others: Commands) -> Any:
        """The sampled state at the episode's first pose, such as with a heading set to zero."""

    @abc.abstractmethod
    def step(self, key: PRNGKeyArray, state: Any, physics: PhysicsState, dt: float, others: Commands) -> Any:
        """The state `dt` seconds later; `others` holds the new states of the commands in `needs`."""

    @abc.abstractmethod
    def observe(self, state: Any) -> Float[Array, " observed"]:
        """What a policy sees of it."""

    @abc.abstractmethod
    def hold(self, value: Float[Array, " channels"]) -> "AbstractCommand":
        """The command that always asks for `value`, one number for each channel; only array leaves differ."""

    @abc.abstractmethod
    def set(self, state: Any, value: Float[Array, " channels"]) -> Any:
        """The state that asks for `value` from now on."""

    @abc.abstractmethod
    def asked(self, state: Any) -> Float[Array, " channels"]:
        """What the state asks for, one number for each channel, such as `set` gave it."""

    @abc.abstractmethod
    def metrics(self, state: Any, physics: PhysicsState) -> dict[str, Float[Array, ""]]:
        """Figures of one control step by name; a pair `x` and `commanded_x` makes the training figure `x_error`."""

    @abc.abstractmethod
    def constants(self) -> dict[str, Float[Array, ""]]:
        """What a robot needs to know to compute `observe` itself, in SI units, by name."""


def order_of(commands: Mapping[str, AbstractCommand]) -> tuple[str, ...]:
    """The commands' names, those that a command needs before it, else by name.

    Raises:
        WildRobotError: a command needs one that is not there, or commands need each other in a circle.
    """
    ordered: list[str] = []
    pending = sorted(commands)
    for name in pending:
        for needed in commands[name].needs:
            if needed not in commands:
                raise WildRobotError(
                    f"The command {name!r} ({type(commands[name]).__name__}) needs a command {needed!r}, "
                    "which the env does not have.",
                    where=f"env.commands[{name!r}]",
                    hint=nearest(needed, commands),
                )
    while pending:
        ready = next((name for name in pending if set(commands[name].needs) <= set(ordered)), None)
        if ready is None:
            raise WildRobotError(
                f"The commands {', '.join(pending)} need each other in a circle.",
                where="env.commands",
                hint="let one of them not read the others",
            )
        ordered.append(ready)
        pending.remove(ready)
    return tuple(ordered)


def sample_commands(commands: Mapping[str, AbstractCommand], key: PRNGKeyArray) -> dict[str, Any]:
    """First states of all commands, each from a key of its own name."""
    return {name: commands[name].sample(named_key(key, name)) for name in sorted(commands)}


def start_commands(
    commands: Mapping[str, AbstractCommand], sampled: Mapping[str, Any], physics: PhysicsState
) -> dict[str, Any]:
    """The sampled states at the first pose."""
    states: dict[str, Any] = {}
    for name in order_of(commands):
        states[name] = commands[name].start(sampled[name], physics, _needed(commands[name], states))
    return states


def step_commands(
    commands: Mapping[str, AbstractCommand],
    key: PRNGKeyArray,
    states: Mapping[str, Any],
    physics: PhysicsState,
    dt: float,
) -> dict[str, Any]:
    """The states one control period (`dt` seconds) later."""
    new: dict[str, Any] = {}
    for name in order_of(commands):
        command = commands[name]
        new[name] = command.step(named_key(key, name), states[name], physics, dt, _needed(command, new))
    return new


def observe_commands(
    commands: Mapping[str, AbstractCommand], states: Mapping[str, Any]
) -> dict[str, Float[Array, " _"]]:
    """What a policy sees of each command.

    Raises:
        ValueError: a command's observation disagrees with its `observed`.
    """
    observed = {}
    for name in sorted(commands):
        value = commands[name].observe(states[name])
        if value.shape != (len(commands[name].observed),):
            raise ValueError(
                f"command {name!r} ({type(commands[name]).__name__}) observes shape {value.shape}, "
                f"its `observed` says ({len(commands[name].observed)},)"
            )
        observed[name] = value
    return observed


def no_channels() -> Float[Array, "0 2"]:
    """The bounds of a command without channels."""
    return jnp.zeros((0, 2), jnp.float32)


def _needed(command: AbstractCommand, states: Mapping[str, Any]) -> dict[str, Any]:
    return {name: states[name] for name in command.needs}
