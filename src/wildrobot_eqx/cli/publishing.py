"""`publish` and `load`: bundles given to others, and taken from them once they are verified."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from ..errors import WildRobotError
from .bundles import Signer, findings, need
from .shared import Json, results

_log = logging.getLogger(__name__)


def publish(
    source: Annotated[Path, typer.Argument(metavar="BUNDLE|RUN", help="A bundle, or a run: then its own.")],
    to: Annotated[str, typer.Argument(metavar="TO", help="A folder, a .zip, or hf:OWNER/NAME.")],
    license: Annotated[
        str, typer.Option(metavar="NAME", help="Of the policy: apache-2.0, mit, cc-by-4.0 ...", show_default=False)
    ],
    video: Annotated[Path | None, typer.Option(help="A film for its card, an .mp4.", show_default="the run's")] = None,
    private: Annotated[bool, typer.Option("--private", help="On the Hub: for its owner only.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what was published there.")] = False,
    json: Json = False,
) -> None:
    """Publish a bundle with a model card: verdict, robot, commands, training, licence, film."""
    from ..release import publish as release

    with results(json) as show:
        bundle, film = _of_run(source) if (source / "manifest.json").is_file() else (source, None)
        film = video or film
        place = release.publish(bundle, to, license, film, private, force)
        document = {"bundle": str(bundle), "video": None if film is None else str(film), "published": place}
        show(document, [place, f"load it: wildrobot-eqx load {to}"])


def load(
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="What publish wrote, a bundle, or hf:OWNER/NAME[@REVISION].")
    ],
    out: Annotated[Path | None, typer.Option(help="The zip to write.", show_default="NAME.zip")] = None,
    episodes: Annotated[int, typer.Option(min=0, help="Per case in closed loop; 0: golden vectors only.")] = 8,
    signer: Signer = None,
    json: Json = False,
) -> None:
    """Fetch a bundle and keep it once it passes what `bundle verify` asks; nothing of it is executed."""
    need("jsonschema", "onnx", "onnxruntime")
    from ..release import publish as release
    from ..train.startup import enable_compilation_cache

    with results(json) as show:
        enable_compilation_cache()
        name = source.rstrip("/").rpartition("/")[2].partition("@")[0].removeprefix("hf:").removesuffix(".zip")
        target = Path(f"{name or 'bundle'}.zip") if out is None else out
        bundle, found = release.load(source, target, episodes, signer)
        kept = str(target) if found.passed else None
        lines = findings(found)
        robot, training = bundle.contract.document["robot"]["name"], bundle.contract.document["training"]["recipe"]
        lines.append(f"{training} for {robot}: {kept}" if kept else "It was not kept.")
        show({"source": source, "file": kept, **found.to_json()}, lines)
    raise typer.Exit(0 if found.passed else 1)


def _of_run(run: Path) -> tuple[Path, Path | None]:
    """The bundle of a run's newest policy, and its film."""
    from ..release.bundle import current_bundle, newest
    from ..report.run_summary import RunSummary
    from ..runs.folder import RunFolder

    folder = RunFolder.open(run)
    bundle = current_bundle(folder, newest(folder))
    if bundle is None:
        raise WildRobotError(
            "The run has no bundle of its newest policy.", where=str(run), hint=f"make it: wildrobot-eqx export {run}"
        )
    film = RunSummary.read(run).film
    if film is None:
        _log.info("no film: wildrobot-eqx render makes one")
    return Path(bundle), film
