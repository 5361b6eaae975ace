"""A bundle's policy in onnxruntime."""

import functools

import onnxruntime

from ...errors import first_line
from ..bundle.archive import damaged
from ..bundle.bundle import Bundle
from ..bundle.contract import ACTION, OBSERVATION, TARGET, observation_digest

_MEMORY = 2**29  # bytes, of all policies


@functools.cache
def _bound_memory() -> None:
    """All policies of this process share so much memory: shapes inside a graph may ask for any."""
    cpu = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(cpu, onnxruntime.OrtArenaCfg({"max_mem": _MEMORY}))


def open_policy(bundle: Bundle) -> onnxruntime.InferenceSession:
    """The policy, ready to run on one core; its shapes, and what its vectors mean, are those of the contract.

    Raises:
        WildRobotError: it cannot be loaded, or is of another contract.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # what goes wrong is raised
    _bound_memory()
    options.add_session_config_entry("session.use_env_allocators", "1")
    where = f"{bundle.path}, {bundle.contract.document['policy']['file']}"
    if b"location" in bundle.policy:  # the key that every tensor in another file has, wherever in the graph
        raise damaged("The policy keeps tensors in another file.", where)
    try:
        session = onnxruntime.InferenceSession(bundle.policy, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises types of its own, which share no base
        raise damaged(f"The policy cannot be loaded: {first_line(error)}", where) from error
    policy = bundle.contract.document["policy"]
    states, kind = bundle.contract.states, "tensor(float)"
    nu = len(bundle.contract.joints)
    ends = [(OBSERVATION, policy["input_size"]), (ACTION, policy["action_size"]), (TARGET, nu)]
    expected = (
        [
            *((name, [1, size], kind) for name, size in bundle.contract.inputs.items()),
            *((s.input, list(s.shape), kind) for s in states),
        ],
        [*((name, [1, size], kind) for name, size in ends), *((s.output, list(s.shape), kind) for s in states)],
    )
    found = tuple([(n.name, n.shape, n.type) for n in nodes] for nodes in (session.get_inputs(), session.get_outputs()))
    if found != expected:
        raise damaged(f"The policy takes and gives {found}, the contract says {expected}.", where)
    if session.get_modelmeta().custom_metadata_map.get("observation") != observation_digest(bundle.contract.document):
        raise damaged("The policy was exported for another order of joints or of observations.", where)
    return session
