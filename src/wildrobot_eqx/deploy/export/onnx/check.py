"""A policy's file looked through with the `onnx` library: plain operators, nothing outside of the file."""

from ...bundle.archive import damaged
from ...bundle.bundle import Bundle
from ...bundle.extra import require


def check_graph(bundle: Bundle) -> None:
    """Hold the ONNX model to what a policy may be.

    Raises:
        WildRobotError: it is no valid model, has operators of another domain, functions of its
            own, or data in another file.
    """
    onnx = require("onnx")
    where = f"{bundle.path}, {bundle.contract.document['policy']['file']}"
    try:
        model = onnx.load_model_from_string(bundle.policy)
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker and the parser raise types of their own
        raise damaged(f"The policy is no valid ONNX model: {str(error).strip().splitlines()[0]}", where) from error
    if model.functions or model.training_info:
        raise damaged("The policy holds functions of its own, which no policy needs.", where)
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx"):
            raise damaged(f"The policy uses the operator {node.op_type!r} of the domain {node.domain!r}.", where)
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise damaged(f"The policy keeps {tensor.name!r} in another file.", where)
