"""One training on many devices: each steps an equal part of the envs, and networks are on all of them alike.

JAX divides a jitted function by where its inputs lie: means over envs become all-reduces, and what is written for all
envs is right for any number of devices. What is told to it here is where arrays lie, and which envs of a
minibatch belong to which device. Random numbers are drawn by the env's number in the whole batch or for the whole batch
(`jax_threefry_partitionable`), so that devices change nothing but the order of sums.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int, PyTree

from ..errors import WildRobotError
from .config import PPO
from .state import TrainState

AXIS = "envs"
_WHOLE, _FIRST, _SECOND = PartitionSpec(), PartitionSpec(AXIS), PartitionSpec(None, AXIS)
_OF_ENVS = ("env_state", "obs", "carry", "episode_return")  # of a training state: a row for each env


@dataclasses.dataclass(frozen=True)
class Devices:
    """The devices of a training, of one process or of several; without a mesh it is JAX's default one.

    Args:
        mesh: of one axis, `AXIS`.
    """

    mesh: Mesh | None = None

    @staticmethod
    def of(devices: list[jax.Device]) -> "Devices":
        """These devices, in order."""
        return Devices(Mesh(np.array(devices), (AXIS,)))

    @property
    def count(self) -> int:
        """How many there are."""
        return 1 if self.mesh is None else self.mesh.size

    def check(self, config: PPO) -> None:
        """Refuse a learner whose minibatches do not divide into as many equal parts.

        Raises:
            WildRobotError: they do not.
        """
        check_parts(config, self.count)

    def index(self) -> Int[Array, ""]:
        """Which device this is, within `on_each`."""
        return jnp.int32(0) if self.mesh is None else jax.lax.axis_index(AXIS).astype(jnp.int32)

    @property
    def processes(self) -> int:
        """How many processes they belong to."""
        return 1 if self.mesh is None else len({device.process_index for device in self.mesh.devices.flat})

    def place(self, tree: PyTree) -> PyTree:
        """The arrays of a tree, equal in every process, whole on every device."""
        return tree if self.mesh is None else _mapped(lambda leaf: self._put(leaf, _WHOLE), tree)

    def place_rows(self, tree: PyTree) -> PyTree:
        """The arrays of a tree, equal in every process, their rows cut over the devices."""
        return tree if self.mesh is None else _mapped(lambda leaf: self._put(leaf, _FIRST), tree)

    def place_state(self, state: TrainState) -> TrainState:
        """A training state, of which every process has all: envs are cut, and the rest is process 0's on every device.

        Processors of another kind may have rounded first networks another way.
        """
        if self.mesh is None:
            return state
        paths, structure = jax.tree_util.tree_flatten_with_path(state)
        of_envs = [_field(path) in _OF_ENVS for path, _ in paths]
        leaves = [leaf for _, leaf in paths]
        shared = [i for i, leaf in enumerate(leaves) if eqx.is_array(leaf) and not of_envs[i]]
        if self.processes > 1:
            words = [jax.random.key_data(leaves[i]) if _is_key(leaves[i]) else leaves[i] for i in shared]
            for i, value in zip(shared, multihost_utils.broadcast_one_to_all(jax.device_get(words))):
                like = leaves[i]
                leaves[i] = jax.random.wrap_key_data(value, impl=jax.random.key_impl(like)) if _is_key(like) else value
        for i, leaf in enumerate(leaves):
            if eqx.is_array(leaf) or isinstance(leaf, np.ndarray):
                leaves[i] = self._put(leaf, _FIRST if of_envs[i] else _WHOLE)
        return jax.tree_util.tree_unflatten(structure, leaves)

    def _put(self, leaf: Any, spec: PartitionSpec) -> Array:
        assert self.mesh is not None
        sharding = NamedSharding(self.mesh, spec if leaf.size else _WHOLE)  # as JAX puts what has no elements
        if self.processes == 1:
            return jax.device_put(leaf, sharding)
        if _is_key(leaf):
            return jax.random.wrap_key_data(self._put(jax.random.key_data(leaf), spec), impl=jax.random.key_impl(leaf))
        host = np.asarray(leaf)
        return jax.make_array_from_callback(host.shape, sharding, lambda part: host[part])

    def on_each(self, function: Callable[..., Any], of_envs: PyTree, whole: PyTree) -> tuple[PyTree, PyTree, PyTree]:
        """Call `function(of_envs, whole)` on each device with its rows of `of_envs`; a part of a jitted function.

        It returns three trees: arrays with a row for each env, arrays (time, envs, ...), and arrays of one row for the
        device; those of all devices are joined.
        """
        if self.mesh is None:
            return function(of_envs, whole)
        (rows, rest), static = eqx.partition((of_envs, whole), eqx.is_array)

        def part(rows: PyTree, rest: PyTree) -> PyTree:
            return function(*eqx.combine((rows, rest), static))

        outs = (_FIRST, _SECOND, _FIRST)
        return jax.shard_map(part, mesh=self.mesh, in_specs=(_FIRST, _WHOLE), out_specs=outs, check_vma=False)(
            rows, rest
        )

    def picker(
        self, rows: PyTree, sequences: PyTree, num_envs: int, groups: int
    ) -> Callable[[Int[Array, " n"]], tuple[PyTree, PyTree]]:
        """A function that picks some envs, an equal part of them on each device; within a jitted function.

        Where each device holds whole `groups` of the envs, of which a minibatch has as many of each, a device has all
        that it picks. Otherwise everything is sent to every device, once.

        Args:
            rows: arrays (envs, ...).
            sequences: arrays (time, envs, ...).
            num_envs: of the whole training.
            groups: equal parts of the envs, of which the picked ones have as many each, group by group.
        """

        def pick(held: tuple[PyTree, PyTree], envs: Int[Array, " n"]) -> tuple[PyTree, PyTree]:
            rows, sequences = held
            return jax.tree.map(lambda leaf: leaf[envs], rows), jax.tree.map(lambda leaf: leaf[:, envs], sequences)

        if self.mesh is None:
            return lambda envs: pick((rows, sequences), envs)
        local = groups % self.count == 0
        held = (rows, sequences) if local else (self.gather(rows, 0), self.gather(sequences, 1))

        def part(held: tuple[PyTree, PyTree], envs: Int[Array, " n"]) -> tuple[PyTree, PyTree]:
            return pick(held, envs - self.index() * (num_envs // self.count) if local else envs)

        specs = ((_FIRST, _SECOND) if local else _WHOLE, _FIRST)
        cut = jax.shard_map(part, mesh=self.mesh, in_specs=specs, out_specs=(_FIRST, _SECOND), check_vma=False)
        return lambda envs: cut(held, envs)

    def gather(self, tree: PyTree, axis: int) -> PyTree:
        """Arrays with the envs along `axis`, whole on every device: one exchange for each dtype."""
        if self.mesh is None:
            return tree
        leaves, structure = jax.tree.flatten(tree)
        out: list[Any] = list(leaves)
        for dtype in dict.fromkeys(leaf.dtype for leaf in leaves):
            chosen = [i for i, leaf in enumerate(leaves) if leaf.dtype == dtype]
            first = [jnp.moveaxis(leaves[i], axis, 0) for i in chosen]
            sizes = [math.prod(a.shape[1:]) for a in first]
            packed = self.whole(jnp.concatenate([a.reshape(len(a), n) for a, n in zip(first, sizes)], axis=1))
            for i, a, part in zip(chosen, first, jnp.split(packed, np.cumsum(sizes)[:-1], axis=1)):
                out[i] = jnp.moveaxis(part.reshape(a.shape), 0, axis)
        return jax.tree.unflatten(structure, out)

    def whole(self, tree: PyTree) -> PyTree:
        """Within a jitted function: arrays that are to lie whole on every device."""
        if self.mesh is None:
            return tree
        sharding = NamedSharding(self.mesh, _WHOLE)
        return _mapped(lambda leaf: jax.lax.with_sharding_constraint(leaf, sharding), tree)

    def blank(self, rollout: PyTree) -> PyTree:
        """Zeros in place of a rollout's shapes, which lie where a rollout's arrays do."""

        def zeros(path: Any, like: jax.ShapeDtypeStruct) -> Array:
            spec = _FIRST if _field(path) == "carry" else _SECOND  # memories have no time axis
            spec = spec if like.size else _WHOLE
            return jnp.zeros(like.shape, like.dtype, device=self.mesh and NamedSharding(self.mesh, spec))

        return jax.tree_util.tree_map_with_path(zeros, rollout)


def _field(path: Any) -> str:
    """The field of a module in which a leaf lies."""
    return str(path[0].name)


def _mapped(function: Callable[[Array], Array], tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: function(leaf) if eqx.is_array(leaf) else leaf, tree)


def _is_key(leaf: Any) -> bool:
    return eqx.is_array(leaf) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def check_parts(config: PPO, count: int) -> None:
    """Refuse a learner whose minibatches do not divide into `count` equal parts, one for each device.

    Raises:
        WildRobotError: they do not.
    """
    batch = config.num_envs // config.num_minibatches
    if batch % count:
        fewer = max(n for n in range(1, count) if batch % n == 0)
        raise WildRobotError(
            f"Minibatches of {batch} envs ({config.num_envs} envs in {config.num_minibatches}) do not divide into "
            f"{count} equal parts, one for each device.",
            where="learner.num_envs, learner.num_minibatches",
            hint=f"take {fewer} devices, or a multiple of {count * config.num_minibatches} envs",
        )


DEFAULT_DEVICE = Devices()
