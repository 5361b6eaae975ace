"""Export: a policy, its contract and golden vectors, as a folder and a zip."""

import contextlib
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ...env import Env
from ...errors import WildRobotError
from ...learn.networks import AbstractPolicy
from ..bundle.archive import damaged, write_zip
from ..bundle.bundle import GOLDEN, Bundle
from ..bundle.contract import FILE, FORMAT, VERSION, contract_digest, observation_digest, read_contract
from ..bundle.schema import SCHEMA_FILE, contract_schema
from ..proof.replay import replay
from .describe import describe, split_controller, used_sensors
from .extra import require
from .golden import record
from .onnx.graph import INPUT, OPSET, OUTPUT, policy_graph, policy_states
from .readme import readme
from .robot_files import pack_robot

POLICY, README = "policy.onnx", "README.md"


def export_bundle(
    env: Env,
    policy: AbstractPolicy,
    folder: Path,
    training: dict[str, Any],
    gate: dict[str, Any] | None,
    say: Callable[[str], None],
) -> tuple[Path, Path]:
    """Write the bundle of a trained policy, having replayed its golden vectors.

    Args:
        env: the recipe's env with nominal parameters on the native engine.
        policy: its distribution's mode is the action.
        folder: the bundle's folder; what it held of an older bundle is replaced. The zip lies beside it.
        training: where the policy comes from, plain JSON values.
        gate: the gate's verdict on it in the training env, if there is one.
        say: told what the bundle has to go without.

    Returns:
        The folder and the zip.

    Raises:
        WildRobotError: the env or the policy holds what a bundle cannot describe, the player
            does not do what training does, or the files cannot be written.
    """
    archive = folder.with_name(folder.name + ".zip")
    _may_write(folder)
    files = bundle_files(env, policy, training, gate, say)
    contract = read_contract(files[FILE])
    bundle = Bundle(contract, {name: data for name, data in files.items() if name != FILE}, str(folder))
    found = replay(bundle)
    if not found.passed:
        raise WildRobotError(
            f"The player does not do what training does: {found.wrong}.",
            where="golden vectors",
            hint="this is a mistake of the exporter: please report it with the run's recipe",
            exit_code=1,
        )
    _write(files, folder, archive)
    return folder, archive


def bundle_files(
    env: Env,
    policy: AbstractPolicy,
    training: dict[str, Any],
    gate: dict[str, Any] | None,
    say: Callable[[str], None],
) -> dict[str, bytes]:
    """Every file of the bundle, by name. Equal arguments give equal bytes.

    Raises:
        WildRobotError: as `export_bundle`.
    """
    controller, _, _ = split_controller(env.controller)
    sensors, _, _ = used_sensors(env)
    stack = env.observations["policy"]
    size, history = stack.size // stack.history, stack.history
    policy_graph(policy, size, {}, history)  # it may refuse: before the rollout, which takes a while
    recording = record(env, controller, policy, sensors)
    files: dict[str, bytes] = {}
    simulated: dict[str, str] | None = None
    try:
        files, simulated = pack_robot(env.physics.robot)
    except WildRobotError as error:
        say(f"the bundle goes without its robot, so it cannot be played in simulation: {error}")
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "digest": "",
        **describe(env, recording.target_speed, simulated),
        "policy": {
            "file": POLICY,
            "kind": type(policy).__name__,
            "input": INPUT,
            "output": OUTPUT,
            "input_size": size,
            "observation_size": stack.size,
            "action_size": env.action_size,
            "history": history,
            "state": [
                {"kind": state.kind, "input": state.input, "output": state.output, "shape": list(state.shape)}
                for state in policy_states(policy, size, history)
            ],
            "opset": OPSET,
        },
        "training": training,
        "gate": gate,
    }
    files[POLICY] = policy_graph(policy, size, {"observation": observation_digest(document)}, history)
    files[GOLDEN] = _arrays(recording.golden)
    files[SCHEMA_FILE.name] = SCHEMA_FILE.read_bytes()
    files[README] = readme(document).encode()
    document["files"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in sorted(files.items())
    }
    document["digest"] = contract_digest(document)
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    check_schema(json.loads(text))
    return {**files, FILE: text.encode("ascii")}


def check_schema(document: dict[str, Any]) -> None:
    """Hold a contract against its published schema, with the reference implementation.

    Raises:
        WildRobotError: it does not fit.
    """
    validator = require("jsonschema").Draft202012Validator(contract_schema())
    for error in validator.iter_errors(document):
        raise damaged(f"The contract does not fit its schema: {error.json_path}: {error.message}", FILE)


def _arrays(arrays: dict[str, Float[np.ndarray, "..."]]) -> bytes:
    """An .npz whose bytes depend on nothing but the arrays."""
    files = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.asarray(array, np.float32), allow_pickle=False)
        files[f"{name}.npy"] = buffer.getvalue()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), files[name], zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _may_write(folder: Path) -> None:
    """The folder is absent, empty, or an older bundle."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / FILE).is_file()):
        raise WildRobotError(
            f"{str(folder)!r} exists and is no bundle.", where="--out", hint="name another folder, or remove it"
        )


def _write(files: dict[str, bytes], folder: Path, archive: Path) -> None:
    """Write the folder and the zip under temporary names, then put them in the place of older ones."""
    partial, packed = folder.with_name(folder.name + ".partial"), archive.with_name(archive.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        for name, data in files.items():
            target = partial / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        write_zip(files, packed)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
        packed.replace(archive)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        with contextlib.suppress(OSError):
            packed.unlink()
        raise WildRobotError(
            f"The bundle could not be written: {error.strerror or error}",
            where=str(folder),
            hint="free some space, or name another folder by --out",
            exit_code=1,
        ) from error
