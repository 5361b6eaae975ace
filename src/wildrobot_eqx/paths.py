"""Where the package finds its data: the robots and the recipes."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_dir(kind: str) -> Path:
    """The folder `robots` or `recipes`: inside an installed wheel, else in the source tree."""
    installed = _PACKAGE / "_data" / kind
    return installed if installed.is_dir() else _PACKAGE.parents[1] / kind
