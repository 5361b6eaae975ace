"""The libraries of the `deploy` and `sign` extras, asked for where they are needed."""

import importlib
import importlib.util
from typing import Any

from ...errors import WildRobotError

LIBRARIES = ("jsonschema", "onnx", "onnxruntime")
INSTALL = 'pip install "wildrobot-eqx[deploy]"'


def missing() -> list[str]:
    """The libraries of the extra that are not installed."""
    return [name for name in LIBRARIES if importlib.util.find_spec(name) is None]


def require(name: str, extra: str = "deploy", what: str = "Bundles") -> Any:
    """The library `name` of an extra, which `what` needs.

    Raises:
        WildRobotError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        hint = f'pip install "wildrobot-eqx[{extra}]"'
        raise WildRobotError(f"{what} need {name}, which is not installed.", where="import", hint=hint) from error
