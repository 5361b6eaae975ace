"""Where the package finds its data: the robots, the recipes and the demos."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_dir(kind: str) -> Path:
    """The folder `robots`, `recipes` or `demos`: inside an installed wheel, else in the source tree."""
    installed = _PACKAGE / "_data" / kind
    return installed if installed.is_dir() else _PACKAGE.parents[1] / kind
