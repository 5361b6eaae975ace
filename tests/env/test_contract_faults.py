"""Every fault that the checker knows: planted in a good env, it is found, named and placed; a good env is not."""

import json
import re
import time

import faults
import jax
import jax.numpy as jnp
import pytest

from wildrobot_eqx import ObservationStack, check, load_recipe, load_robot, robot_names
from wildrobot_eqx.check.rules import prng as keys
from wildrobot_eqx.check.trace.tracing import trace
from wildrobot_eqx.cli import main
from wildrobot_eqx.controllers import Delay, JointPosition, LowPass
from wildrobot_eqx.randomise import ScaleFriction, ScaleGains, ScaleMass
from wildrobot_eqx.recipes.recipe import recipe_names
from wildrobot_eqx.rewards import Posture
from wildrobot_eqx.terms import AngularVelocity

RECIPE = """
import faults
from wildrobot_eqx import PPO, Recipe, recipe

@recipe
def planted(fault: str = "") -> Recipe:
    env = faults.good_env()
    return Recipe(env=faults.plant(fault, env) if fault else env, learner=PPO(num_envs=8, symmetric=False), steps=8)
"""


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("faults") / "planted.py"
    path.write_text(RECIPE)
    return str(path)


def _checked(capsys, *arguments):
    status = main(["check", *arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


NEWEST = {"float64 reward", "a type check", "Python if on a tracer", "two calls that differ", "a key reused"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.newest) if name in NEWEST else name for name in faults.FAULTS]
)
def test_a_planted_fault_is_found_named_and_placed(name, recipe_file, capsys):
    fault = faults.FAULTS[name]
    status, document = _checked(capsys, recipe_file, f"--fault={name}")
    assert status == 1
    found = {finding["leaf"]: finding for finding in document["findings"]}
    assert found.keys() == {fault.leaf, *fault.more}
    finding = found[fault.leaf]
    assert finding["source"] == fault.source
    assert fault.after in finding["after"]
    assert fault.fix in finding["fix"]
    assert len("\n".join(finding.values())) < 900, "short enough to read"


def test_a_good_env_passes(recipe_file, capsys):
    status, document = _checked(capsys, recipe_file)
    assert (status, document["findings"]) == (0, [])


FEW = ("walk",)
OWN = {"cartpole": ("cartpole",), "reach": ("reacher",), "track": ("wildrobot",), "microduck": ("microduck",)}
OWN |= {"walk": tuple(name for name in robot_names() if load_robot(name).feet)}  # any robot with legs
TWO_BEATS = ("hopper", "wildrobot")  # the other recipes have figures of their own, for one leg or two
PAIRS = [(name, robot) for name in recipe_names() for robot in OWN.get(name, TWO_BEATS)]


@pytest.mark.parametrize(
    ("name", "robot", "physics"),
    [
        pytest.param(
            name,
            robot,
            physics,
            marks=() if (physics, robot) == ("native", "wildrobot") and name in FEW else pytest.mark.slow,
        )
        for name, robot in PAIRS
        for physics in ("native", "mjx", "tree")
    ],
)
def test_shipped_recipes_with_every_robot_and_backend_pass(name, robot, physics, capsys):
    status, document = _checked(capsys, name, f"--robot={robot}", f"--physics={physics}")
    assert (status, document["findings"]) == (0, [])


@pytest.fixture
def compiles():
    """The names of what XLA compiles while the test runs."""
    names: list[str] = []

    def listen(event: str, duration: float, **about: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            names.append(str(about.get("fun_name")))

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield names
    jax.monitoring.unregister_event_duration_listener(listen)


def test_nothing_is_compiled(compiles):
    walk = load_recipe("walk")().env
    jax.jit(lambda x: x * 3.0 + len(compiles))(1.0).block_until_ready()
    assert compiles, "the listener hears what is compiled"
    compiles.clear()
    for env in (walk, *(faults.plant(name, faults.good_env()) for name in ("a key reused", "a type check"))):
        check.check_env(env)
    assert compiles == []


def test_the_walk_recipe_passes_and_its_check_says_how_long_it_took(capsys):
    assert main(["check", "walk"]) == 0
    said = re.search(r"checked in (\d+\.\d) s", capsys.readouterr().out)
    assert said is not None
    assert float(said[1]) > 0.0


@pytest.mark.slow
def test_the_walk_recipe_takes_seconds(capsys):
    began = time.process_time()  # of this process: others may keep the machine busy
    assert main(["check", "walk"]) == 0
    assert time.process_time() - began < 5.0


def test_wrappers_and_randomisers_pass(hopper_env, hopper):
    slow = Delay(LowPass(JointPosition(hopper), hopper.home_joints, 0.5), hopper.home_joints, 2)
    randomisers = (ScaleMass(), ScaleFriction(), ScaleGains())
    env = faults.remake(hopper_env, controller=slow, randomisers=randomisers)
    assert check.check_env(env).findings == ()


def test_modules_are_reported_in_the_order_in_which_data_flows():
    env = faults.good_env()
    for name in ("float done", "vector reward", "int observation", "None at first", "a randomiser that drops an axis"):
        env = faults.plant(name, env)
    leaves = [finding.leaf for finding in check.check_env(env).findings]
    assert leaves == [
        "state.disturbances.params.body_mass",
        "state.controller['last']",
        "env.observations['policy'].terms['bad']",
        "env.rewards['bad']",
        "env.endings['bad']",
    ]


def test_modules_of_another_robot_are_named(hopper_env, robot):
    other = faults.remake(
        hopper_env,
        rewards={"deviation": Posture(robot)},
        endings={},
        observations={"policy": ObservationStack({"gyro": AngularVelocity(robot)})},
    )
    found = {finding.leaf: finding for finding in check.check_env(other).findings}
    gyro = found["env.observations['policy'].terms['gyro'].gyro"]
    assert "Robot 'hopper' has it at 0:3" in gyro.before or "no such sensor" in gyro.before
    deviation = found["env.rewards['deviation'].driven"]
    assert "hip_pitch, knee_pitch, ankle_pitch" in deviation.before
    assert "left_hip_pitch" in deviation.after
    assert deviation.source.startswith("Posture (")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("state.commands['velocity'].lin_vel_x", "lin vel x of commands 'velocity' of the env state"),
        ("state.controller['kept'][0]", "controller 'kept' item 0 of the env state"),
        ("env.rewards['track']", "rewards 'track' of the env"),
        ("timestep.obs['policy']", "obs 'policy' of the timestep"),
        ("env.controller ctrl", "ctrl of controller of the env"),
        ("a scan of two steps", "a scan of two steps"),
    ],
)
def test_paths_are_read_aloud(path, words):
    assert check.Finding(path, "", "", "").words == words


# Random keys: what is right must pass, too.


def _split(key):
    a, b = jax.random.split(key)
    return jax.random.normal(a) + jax.random.normal(b)


def _indexed(key):
    keys = jax.random.split(key, 3)
    return jax.random.normal(keys[0]) + jax.random.normal(keys[2])


def _indexed_twice(key):
    keys = jax.random.split(key, 3)
    return jax.random.normal(keys[0]) + jax.random.normal(keys[0])


def _whole_and_part(key):
    keys = jax.random.split(key, 3)
    return jnp.sum(jax.vmap(jax.random.normal)(keys)) + jax.random.normal(keys[1])


def _split_and_draw(key):
    return jax.random.normal(key) + _split(key)


def _folded(key):
    return jax.random.normal(jax.random.fold_in(key, 1)) + jax.random.normal(jax.random.fold_in(key, 2))


def _folded_alike(key):
    return jax.random.normal(jax.random.fold_in(key, 1)) + jax.random.uniform(jax.random.fold_in(key, 1))


def _branches(key):
    return jax.lax.cond(jnp.sum(jax.random.key_data(key)) > 3, jax.random.normal, jax.random.uniform, key)


def _branch_after_draw(key):
    return jax.random.normal(key) + _branches(key)


def _loop(key):
    def body(key, _):
        key, sub = jax.random.split(key)
        return key, jax.random.normal(sub)

    return jnp.sum(jax.lax.scan(body, key, None, 3)[1])


def _stuck_loop(key):
    return jnp.sum(jax.lax.scan(lambda x, _: (x + jax.random.normal(key), None), 0.0, None, 3)[0])


def _stuck_carry(key):
    return jnp.sum(jax.lax.scan(lambda k, _: (k, jax.random.normal(k)), key, None, 3)[1])


def _while(key):
    def body(carry):
        key, sub = jax.random.split(carry[0])
        return key, jax.random.normal(sub)

    return jax.lax.while_loop(lambda carry: carry[1] < 1.0, body, (key, 0.0))[1]


def _legacy(key):
    raw = jax.random.key_data(key)
    return jax.random.normal(jax.random.wrap_key_data(raw)) + jax.random.normal(jax.random.wrap_key_data(raw))


RIGHT = [_split, _indexed, _folded, _branches, _loop, _while]
WRONG = [
    _indexed_twice,
    _whole_and_part,
    _split_and_draw,
    _folded_alike,
    _branch_after_draw,
    _stuck_loop,
    _stuck_carry,
    _legacy,
]


@pytest.mark.newest
@pytest.mark.parametrize("draw", [*RIGHT, *WRONG], ids=lambda f: f.__name__)
def test_keys_used_twice_are_distinguished_from_keys_used_well(draw):
    found = keys.reuses(trace(lambda _, key: draw(key), None, jax.random.key(0)))
    assert bool(found) == (draw in WRONG), found


def test_parts_without_a_mirror_image_are_reported_where_the_policy_is_to_be_symmetric(capsys):
    status, document = _checked(capsys, "cartpole", "--set", "learner.symmetric=true")
    assert (status, document["passed"]) == (1, False)
    found = {finding["leaf"]: finding for finding in document["findings"]}
    assert found["env.observations.policy.terms.pole"]["before"] == "HingeAngles"
    assert all("symmetric=false" in finding["fix"] for finding in found.values())
