"""Shared fixtures: robots, small envs and their jitted functions, made once per session."""

import gc
import os
from collections.abc import Callable
from pathlib import Path

# Before JAX is imported: checks on, CPU only, compiles kept between runs.
os.environ.setdefault("WILDROBOT_EQX_TYPECHECK", "1")
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
os.environ.setdefault("MUJOCO_GL", "egl")

import jax
import pytest
from helpers import Batched, hearing, make_env, shifted

from wildrobot_eqx import Env, Robot, load_robot

LONGEST = (
    "env/test_contract_faults.py",
    "test_conformance.py",
    "env/test_measurable.py",
    "runs/test_resume.py",
    "learn/test_ppo.py",
    "test_example_tasks.py",
    "runs/test_gate.py",
    "env/test_contract.py",
    "env/test_trial.py",
    "env/test_env.py",
    "adapters/test_brax.py",
    "runs/test_goal_recipes.py",
    "runs/test_robust_gate.py",
    "runs/test_bundles.py",
    "env/test_world.py",
    "physics/test_mjx.py",
    "runs/test_runner.py",
    "runs/test_video.py",
    "imitation/test_tracking.py",
    "deploy/test_robot_side.py",
)
"""Files that take long. They begin first, so that all workers end at about the same time."""


MOST_MAPS, MOST_BYTES = 30_000, 4_000_000_000


def pytest_configure(config):
    """The fast tests compile much and compute little: without optimisation, which slow ones keep.

    Before JAX has a backend, and before xdist starts its workers, which take the environment over.
    """
    if config.option.markexpr == "not slow":
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


def pytest_collection_modifyitems(items):
    """Put the longest files first; with --no-loadscope-reorder xdist hands files out in this order."""
    here = Path(__file__).parent
    rank = {str(here / name): i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(str(item.path), len(rank)))


@pytest.fixture(scope="module", autouse=True)
def compiled_code_within_bounds():
    """Drop compiled functions before they fill the memory, or the maps that Linux grants a process.

    A worker that ran a hundred files of the slow tests had all 65,530 maps (`vm.max_map_count`), and XLA aborted;
    another had 8 GB.
    """
    yield
    maps, pages = Path("/proc/self/maps"), Path("/proc/self/statm")
    if not maps.exists():
        return
    held = int(pages.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    if held > MOST_BYTES or maps.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="session")
def robot() -> Robot:
    """The 11-joint biped."""
    return load_robot("wildrobot")


@pytest.fixture(scope="session")
def hopper() -> Robot:
    """The planar hopper: 3 joints, quick to compile."""
    return load_robot("hopper")


@pytest.fixture(scope="session")
def env(robot) -> Env:
    """A small biped env on the native engine, with every kind of term."""
    return make_env(robot)


@pytest.fixture(scope="session")
def hopper_env(hopper) -> Env:
    """A small hopper env on the native engine, with every kind of term."""
    return make_env(hopper)


@pytest.fixture(scope="session")
def batched(env) -> Batched:
    """The biped env's reset and step, jitted for 4 robots."""
    return Batched(env, 4)


@pytest.fixture(scope="session")
def batched_hopper(hopper_env) -> Batched:
    """The hopper env's reset and step, jitted for 4 robots."""
    return Batched(hopper_env, 4)


@pytest.fixture
def getkey() -> Callable[[], jax.Array]:
    """A function that hands out a new typed PRNG key at every call, the same ones in every run of one offset."""
    keys = iter(jax.random.split(jax.random.key(shifted(20240229)), 1000))
    return lambda: next(keys)


@pytest.fixture
def heard():
    """What the package logs during a test: `messages`."""
    with hearing() as ear:
        yield ear
