"""The house rules, proved by walking the package: types, directions of imports, and what nobody may do."""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import all_rewards, critic_terms, drawn_terms, lacks_extra, make_env, random_signals, with_switches
from jaxtyping import AbstractArray, TypeCheckError

import wildrobot_eqx as package
from wildrobot_eqx import imitation, task
from wildrobot_eqx.control import AbstractController
from wildrobot_eqx.controllers import Delay, JointPosition, JointTorque, JointVelocity, LowPass
from wildrobot_eqx.env import Env
from wildrobot_eqx.learn import ppo
from wildrobot_eqx.observe import (
    AbstractTerm,
    FootSwitches,
    HingeAngles,
    NamedJointVelocities,
    ObservationStack,
    Reserved,
    SitePosition,
)
from wildrobot_eqx.release.sent import Sent

ROOT = Path(package.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def _offences(rule) -> dict[str, list[str]]:
    """What `rule` finds wrong in each file of the package that it does not find clean."""
    return {str(path.relative_to(ROOT)): found for path in FILES if (found := rule(path))}


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _module(path: Path) -> str:
    """The dotted name inside the package: `task.rewards`, or `` for the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _classes() -> list[type]:
    """Every class that the package defines."""
    found = {}
    for info in pkgutil.walk_packages([str(ROOT)], f"{package.__name__}."):
        if info.name.endswith("__main__") or lacks_extra(info.name):
            continue
        for value in vars(importlib.import_module(info.name)).values():
            if inspect.isclass(value) and value.__module__.startswith(package.__name__):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return [found[name] for name in sorted(found)]


def _concrete(base: type) -> list[type]:
    return [c for c in _classes() if issubclass(c, base) and not c.__name__.startswith(("Abstract", "_"))]


# --- every public array is annotated ---------------------------------------------------------------------

# Why an annotation may hold a bare array, or none.
BARE = {
    "arrays.f32": "its purpose is to take anything that becomes an array",
}
DTYPES = {
    "Float",
    "Int",
    "UInt",
    "Bool",
    "Num",
    "Shaped",
    "Inexact",
    "PRNGKeyArray",
    "PyTree",
    "Key",
    "UInt8",
    "Float32",
}


def _bare_arrays(annotation: ast.expr) -> bool:
    """Does the annotation mention an array type outside of `Float[Array, ...]` and the like?"""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value.strip(), mode="eval").body
    if (
        isinstance(annotation, ast.Subscript)
        and isinstance(annotation.value, ast.Name)
        and annotation.value.id in DTYPES
    ):
        return False
    if isinstance(annotation, ast.Name):
        return annotation.id in {"Array", "ndarray", "ArrayLike"}
    if isinstance(annotation, ast.Attribute):
        return annotation.attr in {"Array", "ndarray", "ArrayLike"}
    return any(_bare_arrays(child) for child in ast.iter_child_nodes(annotation) if isinstance(child, ast.expr))


def _public_functions(tree: ast.AST, prefix: str):
    """Public functions and methods, with their dotted names; what a function defines inside is its own."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public_functions(node, f"{prefix}.{node.name}")
        elif isinstance(node, ast.FunctionDef) and (
            not node.name.startswith("_") or node.name in {"__init__", "__call__"}
        ):
            yield f"{prefix}.{node.name}", node


def _wrong_signature(name: str, node: ast.FunctionDef) -> list[str]:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    wrong = [
        f"{name}: {a.arg} has no annotation" for a in arguments if not a.annotation and a.arg not in {"self", "cls"}
    ]
    if node.returns is None and node.name != "__init__":
        wrong.append(f"{name}: the return has no annotation")
    annotated = [(a.arg, a.annotation) for a in arguments if a.annotation]
    annotated += [("return", node.returns)] if node.returns else []
    return wrong + [f"{name}: {arg} is a bare array" for arg, annotation in annotated if _bare_arrays(annotation)]


def _wrong_signatures(path) -> list[str]:
    public = _public_functions(_tree(path), _module(path))
    return [wrong for name, node in public if name not in BARE for wrong in _wrong_signature(name, node)]


def test_public_functions_annotate_their_arrays():
    assert _offences(_wrong_signatures) == {}


def _bare_fields(path) -> list[str]:
    fields = [
        (f"{_module(path)}.{node.name}.{item.target.id}", item.annotation)
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    ]
    return [name for name, annotation in fields if _bare_arrays(annotation)]


def test_class_fields_annotate_their_arrays():
    assert _offences(_bare_fields) == {}


@pytest.mark.parametrize(
    ("annotation", "bare"),
    [
        ("Array", True),
        ("jax.Array", True),
        ("np.ndarray | None", True),
        ("dict[str, Array]", True),
        ('tuple[Float[Array, " n"], Array]', True),
        ('Float[Array, " n"]', False),
        ('dict[str, Float[Array, " n"]]', False),
        ("PRNGKeyArray", False),
    ],
)
def test_the_search_for_bare_arrays_finds_them(annotation, bare):
    assert _bare_arrays(ast.parse(annotation, mode="eval").body) is bare


# Fields whose arrays belong to somebody else: `Any` is right there.
CARRIES = {
    "carry": "what one engine, or one policy, keeps to itself",
    "controller": "each controller's own state",
    "opt_state": "optax's",
    "servo": "each servo's own state",
}


def _modules(value, path=""):
    """Every module inside a tree, with its path."""
    if isinstance(value, eqx.Module):
        yield path, value
        for field in dataclasses.fields(value):
            yield from _modules(getattr(value, field.name, None), f"{path}.{field.name}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _modules(item, f"{path}[{key!r}]")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _modules(item, f"{path}[{i}]")


def _holds_jaxtyping(hint) -> bool:
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return True
    return any(_holds_jaxtyping(argument) for argument in getattr(hint, "__args__", ()))


def test_fields_that_hold_arrays_are_jaxtyped(env, robot):
    """On living trees: an env, its state, a training state. `Any` may hide no array but a carry."""
    state = eqx.filter_eval_shape(ppo.init, env, ppo.PPO(num_envs=4), jax.random.key(0))
    wrong, seen = set(), 0
    for path, module in [*_modules(env, "env"), *_modules(state, "state"), *_modules(random_signals(robot), "signals")]:
        if not type(module).__module__.startswith(package.__name__):
            continue
        for field in dataclasses.fields(module):
            value = getattr(module, field.name)
            leaves = jax.tree.leaves(value, is_leaf=lambda x: isinstance(x, eqx.Module))
            if not any(isinstance(leaf, jax.Array | jax.ShapeDtypeStruct | np.ndarray) for leaf in leaves):
                continue
            seen += 1
            if not _holds_jaxtyping(field.type) and field.name not in CARRIES:
                wrong.add(f"{path}.{field.name}: {field.type}")
    assert wrong == set()
    assert seen > 50


# --- a wrong shape or dtype is named ---------------------------------------------------------------------

CONTROLLERS = {
    JointPosition: JointPosition,
    LowPass: lambda r: LowPass(JointPosition(r), r.home_joints, 0.5),
    Delay: lambda r: Delay(JointPosition(r), r.home_joints, 1),
    JointTorque: lambda r: JointTorque(_of_kind(r, "motor")),
    JointVelocity: lambda r: JointVelocity(_of_kind(r, "velocity")),
}


def _of_kind(robot, kind):
    """The robot, as if its actuators were of another kind."""
    return dataclasses.replace(robot, actuator_kind=(kind,) * robot.nu)


def _terms(robot) -> dict[type, object]:
    """An instance of every class that reads `Signals`: observation terms, stacks, rewards, endings."""
    observed = [*critic_terms(robot).values(), *drawn_terms(robot).values()]
    observed.append(FootSwitches(with_switches(robot)))
    parts = [*observed, *all_rewards(robot).values(), task.Fallen(robot)]
    parts.append(ObservationStack(critic_terms(robot), policy=False))
    joint, site = robot.joint_names[0], robot.model.mj.site(0).name
    parts += [HingeAngles(robot, (joint,)), NamedJointVelocities(robot, (joint,)), SitePosition(robot, site)]
    parts += [task.HingeHeight(robot, joint), task.HingeStill(robot, joint, 0.3, 2.0)]
    parts += [task.SiteDistance(robot, site, "goal"), task.SiteNear(robot, site, "goal", 0.1)]
    parts.append(task.JointsBeyond(robot, {joint: 1.0}, {joint: 5.0}))
    parts += [imitation.TrackJointPositions(robot, "clip", 0.1), imitation.TrackJointVelocities(robot, "clip", 1.0)]
    parts += [imitation.TrackBaseHeight(robot, "clip", 0.03), imitation.TrackBaseTilt(robot, "clip", 0.1)]
    parts.append(imitation.ClipOver("clip"))
    parts.append(task.TrackJointPose(task.JointPoseCommand(robot, {joint: (-0.1, 0.1)})))
    return {type(part): part for part in parts}


def _signals(robot):
    """Random ones, with a place to reach and a clip to track."""
    signals = random_signals(robot)
    goal = task.PointState(jnp.asarray([0.1, 0.2], jnp.float32))
    moving = imitation.MotionClip.make(robot, 10.0, {robot.joint_names[0]: [-0.4, -0.3]})
    clip = imitation.ClipCommand(robot, moving).sample(jax.random.key(0))
    pose = task.JointPoseState(jnp.zeros((1,), jnp.float32), jnp.zeros((1,), jnp.float32))
    return dataclasses.replace(signals, commands={**signals.commands, "goal": goal, "clip": clip, "pose": pose})


def test_every_class_is_covered(robot):
    """A new controller, term, reward or termination must join the tests below."""
    assert set(_concrete(AbstractController)) - {Sent} == set(CONTROLLERS)  # a player's, which nobody else acts through
    readers = (AbstractTerm, task.AbstractReward, task.AbstractStatelessEnding, ObservationStack)
    assert {c for base in readers for c in _concrete(base)} == set(_terms(robot))
    assert _concrete(Env) == [Env]


def _bad_vectors(n: int) -> dict[str, jax.Array]:
    return {
        "longer": jnp.zeros((n + 1,), jnp.float32),
        "batched": jnp.zeros((2, n), jnp.float32),
        "integer": jnp.zeros((n,), jnp.int32),
        "boolean": jnp.zeros((n,), bool),
    }


@pytest.mark.parametrize("cls", CONTROLLERS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("kind", _bad_vectors(1))
def test_a_controller_names_a_wrong_action(hopper, cls, kind):
    controller = CONTROLLERS[cls](hopper)
    with pytest.raises(TypeCheckError, match="'action'"):
        controller(controller.init(), _bad_vectors(hopper.nu)[kind])


@pytest.mark.parametrize("kind", _bad_vectors(1))
def test_an_env_names_a_wrong_action(hopper_env, kind):
    state = eqx.filter_eval_shape(hopper_env.reset, jax.random.key(0))[0]
    with pytest.raises(TypeCheckError, match="'action'"):
        eqx.filter_eval_shape(hopper_env.step, state, _bad_vectors(hopper_env.action_size)[kind])


def test_an_env_names_a_wrong_key(hopper_env):
    for key in (jnp.zeros((), jnp.float32), jnp.zeros((3,), jnp.uint32), jax.random.split(jax.random.key(0))):
        with pytest.raises(TypeCheckError, match="'key'"):
            eqx.filter_eval_shape(hopper_env.reset, key)


def _rebuilt(module, path, change):
    """The module made anew through its constructors, one leaf changed: constructors check, `tree_at` does not."""
    name, *rest = path
    if isinstance(module, dict):
        return {**module, name: _rebuilt(module[name], rest, change) if rest else change(module[name])}
    value = getattr(module, name)
    fields = {field.name: getattr(module, field.name) for field in dataclasses.fields(module)}
    return type(module)(**{**fields, name: _rebuilt(value, rest, change) if rest else change(value)})


def _read_by(term, signals) -> list[list[str]]:
    """Paths of the leaves of `signals` that the term's computation uses."""
    jaxpr = jax.make_jaxpr(lambda s: term(s))(signals).jaxpr
    used = {id(v) for eqn in jaxpr.eqns for v in eqn.invars} | {id(v) for v in jaxpr.outvars}
    paths = [
        [jax.tree_util.keystr((key,), simple=True) for key in path] for path, _ in jax.tree.leaves_with_path(signals)
    ]
    return [path for path, var in zip(paths, jaxpr.invars, strict=True) if id(var) in used]


TERM_CLASSES = [
    c
    for base in (AbstractTerm, task.AbstractReward, task.AbstractStatelessEnding, ObservationStack)
    for c in _concrete(base)
]


@pytest.mark.parametrize("cls", TERM_CLASSES, ids=lambda cls: cls.__name__)
def test_a_term_names_what_it_cannot_read(robot, cls):
    """Signals whose field has a wrong shape or dtype cannot be made; anything else is no `signals`."""
    term, signals = _terms(robot)[cls], _signals(robot)
    with pytest.raises(TypeCheckError, match="'signals'"):
        term(jnp.zeros((3,), jnp.float32))
    for path in _read_by(term, signals):
        if path[0] in CARRIES or path[0] == "observed":  # beartype looks at one entry of a dict; the env at all
            continue
        assert eqx.tree_equal(_rebuilt(signals, path, lambda leaf: leaf), signals)
        for change in (lambda leaf: leaf[None], lambda leaf: leaf.astype(jnp.int32)):
            with pytest.raises(TypeCheckError, match=f"'{path[-1]}'"):
                _rebuilt(signals, path, change)


def test_most_terms_read_something(robot):
    """So that the loop above is not empty."""
    signals = _signals(robot)
    silent = [cls for cls, term in _terms(robot).items() if not _read_by(term, signals)]
    assert set(silent) == {Reserved, task.Alive}


@pytest.mark.parametrize("name", ["qpos", "qvel"])
def test_a_state_of_another_robot_is_named(robot, hopper, name):
    """Array indices out of range would read other joints in silence."""
    method = {"qpos": robot.joints, "qvel": robot.joint_velocities}[name]
    with pytest.raises(TypeCheckError, match=f"'{name}'"):
        method(jnp.zeros((hopper.nq if name == "qpos" else hopper.nv,), jnp.float32))


def test_an_env_names_a_part_of_another_kind(hopper):
    with pytest.raises(TypeCheckError, match="reset_state"):
        make_env(hopper, reset_state=JointPosition(hopper))


# --- imports flow one way --------------------------------------------------------------------------------

FLOOR = {"", "errors", "paths", "arrays", "typecheck", "rotation", "jax_compat", "protocol", "atomic", "plugins"}
FLOOR |= {"module", "lazy"}
# Data flows to the right; rooms of one set do not know each other.
FLOW = [
    {"robots"},
    {"physics"},
    {"control"},
    {"observe"},
    {"task"},
    {"env", "imitation", "locomotion"},
    {"check"},
    {"adapters", "learn"},
    {"deploy"},
    {"identify"},
    {"evaluate"},
    {"recipes"},
    {"runs"},
    {"train"},
    {"report"},
    {"sweep"},
    {"release"},
    {"bench", "view"},
    {"cli"},
]
# Namespaces of public names, each a file that only imports; nobody inside the house imports them.
NAMESPACES = {name for name in package._NAMESPACES if (ROOT / f"{name}.py").is_file()} - FLOOR
MAY_IMPORT = {
    **{room: FLOOR | {room} | set().union(*FLOW[:i]) for i, rooms in enumerate(FLOW) for room in rooms},
    "": FLOOR | {"cli", "testing"} | NAMESPACES | set().union(*FLOW),
    **{name: set().union(*FLOW) - {"cli"} for name in NAMESPACES},
    "testing": FLOOR | {"testing"} | set().union(*FLOW) - {"cli"},
    **{name: set() for name in FLOOR - {"", "rotation", "plugins", "module", "atomic"}},
    "rotation": {"arrays"},
    "plugins": {"errors"},
    "atomic": {"errors"},
    "module": {"arrays", "errors"},
    "__main__": {"cli"},
}
ONLY = {
    "mujoco": lambda m: (
        m.startswith(("physics", "robots", "bench", "view", "deploy.hidden", "identify"))
        or m in ("deploy.hardware.mujoco_robot", "deploy.bringup.stance")
    ),
    "typer": lambda m: m.startswith("cli") or m == "recipes.recipe",
    "brax": lambda m: m.startswith("adapters"),
    "gymnasium": lambda m: m.startswith("adapters"),
    "viser": lambda m: m in ("view.page", "view.figure", "view.serve"),
    "mjviser": lambda m: m == "view.figure",
    "onnxruntime": lambda m: m == "deploy.player.session",
    "ray": lambda m: m.startswith("sweep.ray_"),
    "submitit": lambda m: m == "sweep.slurm",
}


def _imports(path: Path):
    """Absolute dotted names that a file imports, at any depth of its code; ours without the package's name."""
    here = _module(path).split(".") if _module(path) else []
    yield from _imported(_tree(path), here if path.name == "__init__.py" else here[:-1])


def _imported(tree: ast.AST, folder: list[str]):
    """The same of a tree that stands in the room `folder`."""
    ours = f"{package.__name__}."
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                inside = alias.name.startswith(ours)
                yield ("inside", alias.name.removeprefix(ours)) if inside else ("outside", alias.name)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            if node.module == package.__name__:
                yield from (("inside", alias.name) for alias in node.names)
            elif node.module.startswith(ours):
                yield "inside", node.module.removeprefix(ours)
            else:
                yield "outside", node.module
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1]
            target = [*base, *(node.module.split(".") if node.module else [])]
            names = [".".join(target)] if target else [a.name for a in node.names if a.name != "__version__"]
            yield from (("inside", name) for name in names)


def test_imports_flow_one_way():
    assert _offences(lambda path: _against_the_flow(_module(path).split(".")[0], _imports(path))) == {}
    assert _offences(lambda path: [n for w, n in _imports(path) if (w, n) == ("outside", package.__name__)]) == {}, (
        "use a dot"
    )


def _against_the_flow(room: str, imports) -> list[str]:
    return [name for where, name in imports if where == "inside" and name.split(".")[0] not in MAY_IMPORT[room]]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from ..runs import runner", ["runs"]),
        ("from .. import runs", ["runs"]),
        ("from wildrobot_eqx.train import loop", ["train"]),
        ("from wildrobot_eqx import runs, robots", ["runs"]),
        ("import wildrobot_eqx.train.loop as runner", ["train.loop"]),
        ("def f():\n    from wildrobot_eqx.learn.ppo import train", ["learn.ppo"]),
        ("from ..robots import Robot\nfrom wildrobot_eqx.robots import Robot\nimport jax", []),
    ],
)
def test_an_import_against_the_flow_is_found(code, found):
    """From a file of `physics`, relative or by the package's own name."""
    assert _against_the_flow("physics", _imported(ast.parse(code), ["physics"])) == found


def _through_another_door(path) -> list[str]:
    return [
        name
        for where, name in _imports(path)
        if where == "outside" and name.split(".")[0] in ONLY and not ONLY[name.split(".")[0]](_module(path))
    ]


def test_some_libraries_have_one_door():
    assert _offences(_through_another_door) == {}


def _file_graph() -> dict[str, set[str]]:
    """Which file imports which, by dotted name; imports inside functions and under TYPE_CHECKING included."""
    names = {_module(path): path for path in FILES}

    def resolve(node: ast.ImportFrom, folder: list[str]):
        base = folder[: len(folder) - node.level + 1] if node.level else None
        if base is None:
            if not (node.module or "").startswith(package.__name__):
                return
            target = node.module.split(".")[1:]
        else:
            target = [*base, *(node.module.split(".") if node.module else [])]
        for alias in node.names:
            longer = ".".join([*target, alias.name])
            found = longer if longer in names else ".".join(target)
            if found in names:
                yield found

    graph = {}
    for name, path in names.items():
        parts = name.split(".") if name else []
        folder = parts if path.name == "__init__.py" else parts[:-1]
        nodes = [node for node in ast.walk(_tree(path)) if isinstance(node, ast.ImportFrom)]
        graph[name] = {found for node in nodes for found in resolve(node, folder)} - {name}
    return graph


def _circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one file (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            component = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(component) > 1:
                found.append(sorted(component))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def test_no_circle_of_files():
    graph = {name: targets for name, targets in _file_graph().items() if name not in ("", "__main__")}
    graph = {name: {target for target in targets if target in graph} for name, targets in graph.items()}
    assert _circles(graph) == []


def test_a_circle_of_files_is_found():
    assert _circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


# What runs on a robot, and what it may load besides the standard library.
LIGHT = {"numpy", "onnxruntime"}
LIGHT_ROOMS = ("deploy.bringup", "deploy.bundle", "deploy.log", "deploy.player", "deploy.hardware", "deploy.proof")


@pytest.mark.parametrize("path", [p for p in FILES if _module(p).startswith(LIGHT_ROOMS)], ids=_module)
def test_the_player_needs_no_jax(path):
    """What runs on the robot imports the standard library, NumPy and onnxruntime, and nothing of ours but its like."""
    more = {
        "mujoco_robot": {"mujoco"},
        "stance": {"mujoco"},
        "signature": {"cryptography"},
    }  # the latter where a signature is asked for
    light = LIGHT | set(sys.stdlib_module_names) | more.get(path.stem, set())
    wrong = [
        name
        for where, name in _imports(path)
        if (
            name != "errors" and not name.startswith(LIGHT_ROOMS)
            if where == "inside"
            else name.split(".")[0] not in light
        )
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "code",
    [
        "import wildrobot_eqx",
        "import sys; sys.argv = ['wildrobot-eqx', '--help']; from wildrobot_eqx.cli import main; main()",
    ],
    ids=["import", "help"],
)
def test_nothing_light_loads_jax(code):
    program = f"import atexit, sys; atexit.register(lambda: print('jax' in sys.modules, file=sys.stderr)); {code}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr.split()[-1] == "False", "loaded JAX"


# --- what nobody may do ----------------------------------------------------------------------------------

CLOCKS = {"monotonic", "perf_counter", "process_time", "sleep", "time"}


def test_fast_tests_read_no_clock():
    """What a test asserts of a duration hangs on what the machine does beside: only slow tests, those in a browser, and
    the script that paces `make test-newest`, may."""
    found = []
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        if re.search(r"^pytestmark = .*mark\.(slow|browser)\b", path.read_text(encoding="utf-8"), re.MULTILINE):
            continue
        for function in ast.walk(_tree(path)):
            if not isinstance(function, ast.FunctionDef):
                continue
            slow = path.name == "newest.py" or any(
                ast.unparse(mark) == "pytest.mark.slow" for mark in function.decorator_list
            )
            reads = [
                call
                for call in ast.walk(function)
                if isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and ast.unparse(call.func.value) == "time"
                and call.func.attr in CLOCKS
            ]
            if reads and not slow:
                found.append(f"{path.name}:{reads[0].lineno} {function.name}")
    assert found == []


FORBIDDEN_MODULES = {"pickle", "dill", "cloudpickle", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "hasattr", "__import__"}


def _forbidden(tree: ast.AST, imports) -> list[str]:
    found = [f"import {name}" for _, name in imports if name.split(".")[0] in FORBIDDEN_MODULES | {"__future__"}]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            found.append(f"{node.func.id}() in line {node.lineno}")
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func) in {"os.system", "os.popen"}:
            found.append(f"{ast.unparse(node.func)} in line {node.lineno}")
        if any(
            k.arg == "shell" and not (isinstance(k.value, ast.Constant) and not k.value.value) for k in node.keywords
        ):
            found.append(f"shell= in line {node.lineno}")
    return found


def test_forbidden_things_are_absent():
    assert _offences(lambda path: _forbidden(_tree(path), _imports(path))) == {}


def test_the_search_finds_them():
    code = "eval('1')\nos.system('ls')\nrun('ls', shell=True)\nhasattr(1, 'a')"
    assert len(_forbidden(ast.parse(code), [("outside", "pickle")])) == 5


def _long_or_unfinished(path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    long = ["more than 350 lines"] if len(text.splitlines()) > 350 else []
    return long + [word for word in ("TODO", "FIXME", "type: ignore", "XXX") if word in text]


def test_files_are_short_and_finished():
    assert _offences(_long_or_unfinished) == {}


def _silent(path) -> list[str]:
    tree = _tree(path)
    nodes = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
    module = [] if ast.get_docstring(tree) else ["the module"]
    return module + [node.name for node in nodes if not ast.get_docstring(node)]


def test_modules_and_functions_say_what_they_do():
    assert _offences(_silent) == {}


def test_methods_say_what_they_do():
    """On the method itself, or on the abstract one that it fulfils."""
    silent = []
    for cls in _classes():
        if cls.__name__.startswith("_"):
            continue
        for name, member in vars(cls).items():
            function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
            if name.startswith("_") or not inspect.isfunction(
                inspect.unwrap(function) if callable(function) else function
            ):
                continue
            if name in getattr(cls, "__dataclass_fields__", {}):
                continue  # a field whose default is a function
            if not any(getattr(base.__dict__.get(name), "__doc__", None) for base in cls.__mro__):
                silent.append(f"{cls.__module__}.{cls.__qualname__}.{name}")
    assert silent == []


def test_modules_are_abstract_or_final():
    """Vary by wrapping and composing: nobody inherits from a class that can be made."""
    wrong = [
        f"{cls.__qualname__} inherits from {base.__qualname__}"
        for cls in _classes()
        if issubclass(cls, eqx.Module)
        for base in cls.__bases__
        if base.__module__.startswith(package.__name__) and not base.__name__.lstrip("_").startswith("Abstract")
    ]
    assert wrong == []
