"""The model card that is published with a bundle: verdict, robot, commands, training, licence, and how to use it."""

import html
import json
from typing import Any

from ..deploy.bundle.bundle import Bundle

VIDEO = "video.mp4"
_OF_TRAINING = ("recipe", "recipe_sha256", "trainer", "seed", "iteration", "steps")
_VERSIONS = ("wildrobot-eqx", "jax", "mujoco")
_MOST = 12  # lines of a gate that fail, shown


def model_card(bundle: Bundle, licence: str, video: bool, address: str) -> str:
    """The card in Markdown, with the head in YAML that the Hugging Face Hub reads.

    Args:
        bundle: what is published.
        licence: under which the policy is published, as the Hub writes it, such as `apache-2.0`.
        video: whether a film lies beside it.
        address: what `load` is given.
    """
    document = bundle.contract.document
    robot, training = document["robot"], document["training"]
    title = f"{_plain(training.get('recipe', 'a policy'))} for {_plain(robot['name'])}"
    parts = [
        _head(licence, str(robot["name"])),
        f"# {title}\n",
        f'<video src="{VIDEO}" controls loop muted></video>\n' if video else "",
        f"{_verdict(document['gate'])}\n",
        f"## Robot\n\n{_robot(document)}\n",
        f"## Commands\n\n{_commands(document['command']['channels'])}\n",
        f"## Training\n\n{_training(training)}\n",
        f"## Use\n\n{_use(address, document['simulation'] is not None)}\n",
        f"## Licence\n\n{_licence(licence, document['simulation'] is not None)}",
    ]
    return "\n".join(part for part in parts if part)


def _head(licence: str, robot: str) -> str:
    """Values are written as JSON, which YAML reads, so that no name can end one."""
    entries = {
        "license": licence,
        "library_name": "wildrobot-eqx",
        "pipeline_tag": "robotics",
        "tags": ["wildrobot-eqx", "robotics", "reinforcement-learning", "onnx", robot],
    }
    return "---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in entries.items()) + "---\n"


def _verdict(gate: dict[str, Any] | None) -> str:
    if gate is None:
        return "**Not judged**: no gate has seen this policy."
    failed, lines = gate.get("failed") or [], f"{len(gate['lines'])} lines of its gate"
    judged = f" ({_plain(gate['episodes'])} episodes for each case)" if "episodes" in gate else ""
    provisional = f" Provisional: {_plain(gate['provisional'])}." if gate.get("provisional") else ""
    if gate["passed"]:
        return f"**Passed** all {lines}{judged}.{provisional}"
    shown = "".join(f"\n- {_plain(line)}" for line in failed[:_MOST])
    more = f"\n- ... and {len(failed) - _MOST} more" if len(failed) > _MOST else ""
    return f"**Failed** {len(failed)} of {lines}{judged}.{provisional}\n{shown}{more}"


def _robot(document: dict[str, Any]) -> str:
    robot, control, joints = document["robot"], document["control"], document["joints"]
    rows = {
        "name": robot["name"],
        "description": robot["description"],
        "joints": f"{len(joints)}: {', '.join(str(joint['name']) for joint in joints)}",
        "sensors": ", ".join(str(sensor["name"]) for sensor in document["sensors"] if sensor["required"]) or "none",
        "control": f"every {1e3 * control['dt']:g} ms",
        "model (SHA-256)": robot["model"],
    }
    return _table(("", ""), list(rows.items()))


def _commands(channels: list[dict[str, Any]]) -> str:
    if not channels:
        return "It is asked for nothing."
    rows = [(c["name"], c["unit"], f"{c['low']:g}", f"{c['high']:g}") for c in channels]
    return _table(("channel", "unit", "from", "to"), rows)


def _training(training: dict[str, Any]) -> str:
    versions, options = training.get("versions") or {}, training.get("options") or {}
    rows = [(name.replace("_", " "), training[name]) for name in _OF_TRAINING if name in training]
    rows.append(("options", ", ".join(f"{name}={value}" for name, value in options.items() if value is not None)))
    rows.append(("set", ", ".join(map(str, training.get("overrides") or [])) or "none"))
    rows.append(("versions", ", ".join(f"{name} {versions[name]}" for name in _VERSIONS if versions.get(name))))
    return _table(("", ""), rows)


def _use(address: str, plays: bool) -> str:
    play = "wildrobot-eqx play policy.zip            # in MuJoCo, through the player that runs on the robot\n"
    return (
        '```sh\npip install "wildrobot-eqx[deploy,hub]"\n'
        f"wildrobot-eqx load {address} --out policy.zip   # verified before it is kept\n"
        f"{play if plays else ''}```\n\n"
        "`bundle.zip` holds data alone: the policy (ONNX), the contract of its inputs and outputs, golden vectors, and "
        "a README for whoever runs it on a robot."
    )


def _licence(licence: str, model: bool) -> str:
    own = " The robot's model in the bundle stays under the terms of its makers." if model else ""
    return f"The policy: {_plain(licence)}.{own}\n"


def _table(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *(tuple(map(_plain, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(value: Any) -> str:
    """Text on one line that is neither HTML nor Markdown."""
    text = html.escape(" ".join(str(value).split()), quote=False)
    return "".join(f"\\{letter}" if letter in "\\`*_[]|#!" else letter for letter in text)
