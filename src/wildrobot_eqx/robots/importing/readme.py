"""The README of an imported robot: what was found, how sure that is, and what its joints have."""

import math

from .findings import Findings
from .mjcf import Imported
from .toml import MARK
from .trial import Trial


def robot_readme(robot: Imported, findings: Findings, origin: str, trial: Trial) -> str:
    """Markdown."""
    mass = robot.stand.body.skeleton.mass
    time = math.sqrt(robot.height / 9.81)
    lines = [
        f"# {robot.name}",
        "",
        f"<!-- {MARK.removeprefix('# ')} -->",
        f"Imported from {origin}. {mass:.3g} kg, {mass * 9.81:.3g} N; height of the root above the soles at home "
        f"{robot.height:.3f} m, which is the length L by which sizes scale; time sqrt(L/g) {time:.3f} s.",
        "",
        "Meshes are not copied: links are drawn as their collision shapes, with a box for a mesh. One primitive of "
        "each foot touches the floor, and nothing else collides. What is wrong is mended in robot.toml and in the "
        "MJCF, or by options of the import.",
        "",
        "`home.png` shows the home pose: axes of the root (x red, y green, z blue), the feet (dark), where they touch "
        "the floor (red), and the centre of mass (yellow).",
        "",
        "## What was found",
        "",
        "| what | value | how sure | where it comes from |",
        "|---|---|---|---|",
    ]
    for finding in findings:
        mark = "**check** " if finding.check else ""
        cells = (finding.what, finding.value, mark + finding.confidence, finding.why)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += [
        "",
        "## Feet",
        "",
        "| foot | link | contact | from | off by |",
        "|---|---|---|---|---|",
    ]
    for name, sole in zip(robot.feet, robot.stand.soles):
        link = robot.stand.body.skeleton.links[sole.link].name
        off = "unknown" if sole.assumed else f"{1e3 * sole.error:.1f} mm"
        lines.append(f"| {name} | {link} | {sole.word} | {sole.source} | {off} |")
    lines += [
        "",
        "## Joints",
        "",
        "| joint | home, rad | range, rad | kp | kv | torque, N m | armature | gains from |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for gain in robot.gains:
        row = [gain.joint, f"{robot.home[gain.joint]:.4g}", f"{gain.target[0]:.3g} to {gain.target[1]:.3g}"]
        row += [f"{x:.3g}" for x in (gain.kp, gain.kv, gain.torque, gain.armature)]
        lines.append(f"| {' | '.join(row)} | {gain.why} |")
    lines += [
        "",
        f"Held for {trial.seconds:g} s in MuJoCo, the home pose "
        f"{'stands' if trial.stands else f'does not stand: {trial.wrong}'}; at the end the root is tilted by "
        f"{math.degrees(trial.tilt):.1f} degrees and has sunk by {1e3 * trial.sank:.1f} mm, and "
        f"{trial.joint or 'no joint'} gives {trial.torque:.0%} of its torque limit, the most of all.",
        "",
    ]
    return "\n".join(lines)
