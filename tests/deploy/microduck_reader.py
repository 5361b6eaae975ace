"""A reader of Microduck's policy files, written from `policy_contract` in the robot's published figures alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

FIGURES = json.loads((Path(__file__).parents[1] / "data" / "microduck_figures.json").read_text())
CONTRACT = FIGURES["policy_contract"]


class RefusedError(ValueError):
    """What the robot would say of a file that is not for it."""


def robot_says() -> dict[str, Any]:
    """What the robot knows of itself, by the fields that a file must agree on."""
    names = FIGURES["actuator_order"]
    return {
        "obs_len": CONTRACT["onnx"]["input"][2][1],
        "action_len": CONTRACT["onnx"]["output"][2][1],
        "control_hz": FIGURES["timing"]["control_hz"],
        "joint_names": names,
        "default_joint_pos": [FIGURES["home_rad"][name] for name in names],
        "observation": CONTRACT["observation"],
    }


class MicroduckPolicy:
    """A policy file that the robot takes.

    Raises:
        RefusedError: a tensor, the opset, the metadata or a field of it is not as the contract has it.
    """

    def __init__(self, data: bytes):
        model = onnx.load_model_from_string(data)
        opsets = {entry.domain: entry.version for entry in model.opset_import}
        if opsets != {"": CONTRACT["onnx"]["opset"]}:
            raise RefusedError(f"opset {opsets}")
        for kind, found in (("input", model.graph.input), ("output", model.graph.output)):
            name, dtype, shape = CONTRACT["onnx"][kind]
            tensors = [(t.name, t.type.tensor_type.elem_type, dims(t)) for t in found]
            if tensors != [(name, getattr(onnx.TensorProto, {"float32": "FLOAT"}[dtype]), shape)]:
                raise RefusedError(f"{kind} {tensors}")
        told = {entry.key: entry.value for entry in model.metadata_props}
        if CONTRACT["metadata_key"] not in told:
            raise RefusedError(f"no metadata {CONTRACT['metadata_key']!r}")
        self.document = json.loads(told[CONTRACT["metadata_key"]])
        missing = set(CONTRACT["metadata_fields"]) - set(self.document)
        if missing:
            raise RefusedError(f"no field {', '.join(sorted(missing))}")
        robot = robot_says()
        for field in CONTRACT["refused_on_mismatch"]:
            if not agrees(self.document[field], robot[field]):
                raise RefusedError(f"{field} is {self.document[field]!r}, the robot's {robot[field]!r}")
        self.session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        """Actions for one observation."""
        return self.session.run(["actions"], {"obs": obs[None].astype(np.float32)})[0][0]

    def targets(self, actions: np.ndarray) -> np.ndarray:
        """rad, in the order of the joints."""
        return np.asarray(self.document["default_joint_pos"]) + np.asarray(self.document["action_scale"]) * actions


def dims(tensor: Any) -> list[Any]:
    """Its axes; the name of one that is dynamic."""
    return [axis.dim_param or axis.dim_value for axis in tensor.type.tensor_type.shape.dim]


def agrees(found: Any, wanted: Any) -> bool:
    """Numbers within 1e-6, all else exactly."""
    if isinstance(wanted, (int, float)):
        return isinstance(found, (int, float)) and abs(found - wanted) <= 1e-6
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(agrees, found, wanted))
    return found == wanted
