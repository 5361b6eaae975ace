"""Export: a policy, its contract and golden vectors, as a folder and a zip."""

import hashlib
import io
import json
import logging
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ...env import Env
from ...errors import WildRobotError
from ...learn.networks import AbstractPolicy
from ..bundle.archive import damaged
from ..bundle.bundle import GOLDEN, Bundle
from ..bundle.contract import FILE, FORMAT, VERSION, contract_digest, observation_digest
from ..bundle.extra import require
from ..bundle.read import read_contract
from ..bundle.schema import SCHEMA_FILE, contract_schema
from ..bundle.signature import SIGNATURE, Signer
from ..proof.replay import replay
from .describe import describe
from .golden import record
from .onnx.control import control_graph
from .onnx.graph import OPSET
from .place import check_place, place
from .readme import readme
from .robot_files import pack_robot
from .robot_side import robot_side

_log = logging.getLogger(__name__)

POLICY, README = "policy.onnx", "README.md"


def export_bundle(
    env: Env,
    policy: AbstractPolicy,
    folder: Path,
    training: dict[str, Any],
    gate: dict[str, Any] | None,
    force: bool = False,
    signer: Signer | None = None,
) -> tuple[Path, Path]:
    """Write the bundle of a trained policy, having replayed its golden vectors.

    Args:
        env: the recipe's env with nominal parameters on the native engine.
        policy: its distribution's mode is the action.
        folder: the bundle's folder; files of an older bundle are replaced, others stay. The zip lies beside it.
        training: where the policy comes from, plain JSON values.
        gate: the gate's verdict on it in the training env, if there is one.
        force: overwrite files of those names that no export has written, or that were changed since.
        signer: signs the contract, if given.

    Returns:
        The folder and the zip.

    Raises:
        WildRobotError: the env or the policy holds what a bundle cannot describe, the player
            does not do what training does, the files cannot be written, or one of another's would be lost.
    """
    archive = folder.with_name(folder.name + ".zip")
    check_place(folder, archive, force)
    files = bundle_files(env, policy, training, gate)
    contract = read_contract(files[FILE])
    bundle = Bundle(contract, {name: data for name, data in files.items() if name != FILE}, str(folder))
    found = replay(bundle)
    if not found.passed:
        raise WildRobotError(
            f"The player does not do what training does: {found.wrong}.",
            where="golden vectors",
            hint="a command that draws what its `hold` does not fix cannot be repeated by a robot; where there is "
            "none, this is a mistake of the exporter: please report it with the run's recipe",
            exit_code=1,
        )
    if signer is not None:
        files[SIGNATURE] = signer.sign(files[FILE])
    if others := place(files, folder, archive, force):
        _log.info(
            f"other files lie in {folder} and stay: {', '.join(others[:5])}{', ...' if len(others) > 5 else ''}; "
            f"with them it is no bundle, hand on {archive.name}"
        )
    return folder, archive


def bundle_files(
    env: Env,
    policy: AbstractPolicy,
    training: dict[str, Any],
    gate: dict[str, Any] | None,
) -> dict[str, bytes]:
    """Every file of the bundle, by name. Equal arguments give equal bytes.

    Raises:
        WildRobotError: as `export_bundle`.
    """
    side, stack = robot_side(env), env.observations["policy"]
    size, history, reads = side.stack.size, stack.history, side.reads()
    meaning = describe(env, side, reads, np.zeros(side.robot.nu), None)
    # It may refuse: before the rollout, which takes a while.
    graph = control_graph(side, reads, policy, history, {"observation": observation_digest(meaning)})
    recording = record(env, side, policy)
    files: dict[str, bytes] = {}
    simulated: dict[str, str] | None = None
    try:
        files, simulated = pack_robot(env.physics.robot)
    except WildRobotError as error:
        _log.info(f"the bundle goes without its robot, so it cannot be played in simulation: {error}")
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "digest": "",
        **describe(env, side, reads, recording.target_speed, simulated),
        "training": training,
        "gate": gate,
    }
    document["policy"] = {
        "file": POLICY,
        "kind": type(policy).__name__,
        "inputs": [{"name": name, "size": length} for name, length in graph.inputs],
        "input_size": size,
        "observation_size": stack.size,
        "action_size": env.action_size,
        "history": history,
        "state": [
            {"kind": state.kind, "input": state.input, "output": state.output, "shape": list(state.shape)}
            for state in graph.states
        ],
        "opset": OPSET,
    }
    read = {f"sensor/{sensor['name']}" for sensor in document["sensors"]}
    golden = {name: rows for name, rows in recording.golden.items() if not name.startswith("sensor/") or name in read}
    files[POLICY] = graph.model
    files[GOLDEN] = _arrays(golden)
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
