"""The Hugging Face Hub, through its own library: what is published goes up, and one file comes down."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..deploy.bundle.extra import require
from ..errors import WildRobotError, first_line

SCHEME = "hf:"
_ADDRESS = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w./-]+))?")


def is_address(text: str) -> bool:
    """Whether it names something on the Hub, such as `hf:OWNER/NAME`, and no path."""
    return text.startswith(SCHEME)


def parse(text: str) -> tuple[str, str | None]:
    """The repository and the revision of `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`.

    Raises:
        WildRobotError: it is no such address.
    """
    found = _ADDRESS.fullmatch(text.removeprefix(SCHEME))
    if found is None or ".." in text:
        raise WildRobotError(
            f"{text!r} is no address on the Hugging Face Hub.",
            where=text,
            hint="hf:OWNER/NAME or hf:OWNER/NAME@REVISION",
        )
    return found["repo"], found["revision"]


def upload(address: str, files: Mapping[str, bytes], private: bool, force: bool) -> str:
    """Make a repository and put the files there as one commit; returns its page.

    Who is logged in is the library's affair (`hf auth login`, or `HF_TOKEN`). With `force` the repository may be there
    already, and gets one commit more; its history keeps what it held.

    Raises:
        WildRobotError: the `hub` extra is not installed, the repository is there already, or the Hub refuses.
    """
    repo, revision = parse(address)
    if revision is not None:
        raise WildRobotError("A revision cannot be published to.", where=address, hint=f"name {SCHEME}{repo}")
    api = _library().HfApi(library_name="wildrobot-eqx")
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        try:
            api.create_repo(repo, repo_type="model", private=private, exist_ok=force)
            api.upload_folder(
                repo_id=repo, repo_type="model", folder_path=folder, commit_message="Publish a bundle of wildrobot-eqx"
            )
        except Exception as error:  # the library raises its own errors, and those of what it sends by
            raise _refused("published to", address, error) from error
    return f"https://huggingface.co/{repo}"


def download(address: str, name: str) -> Path:
    """One file of a repository, in the library's cache; with `HF_HUB_OFFLINE=1` from there alone.

    Raises:
        WildRobotError: the `hub` extra is not installed, there is no such repository, revision or file, or the Hub
            cannot be reached.
    """
    repo, revision = parse(address)
    try:
        return Path(_library().hf_hub_download(repo, name, revision=revision, library_name="wildrobot-eqx"))
    except WildRobotError:
        raise
    except Exception as error:  # as above
        raise _refused("loaded from", address, error) from error


def _library() -> Any:
    return require("huggingface_hub", "hub", "Addresses on the Hugging Face Hub")


def _refused(what: str, address: str, error: Exception) -> WildRobotError:
    there = getattr(getattr(error, "response", None), "status_code", None) == 409
    hint = "say --force to add a commit to it" if there else "see the name, the network, and `hf auth whoami`"
    return WildRobotError(f"Nothing was {what} the Hub: {first_line(error)}", where=address, hint=hint, exit_code=1)
