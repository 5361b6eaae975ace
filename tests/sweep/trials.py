"""A sweep's folder with trials as a sweep leaves them, made by hand, and a program that stands for `run`."""

import json
from pathlib import Path

from wildrobot_eqx.sweep.folder import SweepFolder, Trial

RUN = '''
"""Writes what `run` writes: a line of figures for each of `--lines`, then waits for `--wait` or fails by `--exit`."""
import json, os, signal, sys, time
given = dict(a.removeprefix("--").split("=", 1) for a in sys.argv[1:] if "=" in a)
out = given.get("out") or given["resume"]
os.makedirs(out, exist_ok=True)
manifest = os.path.join(out, "manifest.json")
def write(status, error=None):
    with open(manifest, "w") as file:
        json.dump({"schema": 1, "status": status, "error": error, "arguments": sys.argv[1:]}, file)
def stop(number, frame):
    write("interrupted")
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
write("running")
gain = float(given["set"].partition("=")[2]) if "set" in given else 0.5
with open(os.path.join(out, "metrics.jsonl"), "a") as file:
    for i in range(1, int(given.get("lines", "3")) + 1):
        file.write(json.dumps({"iteration": i, "steps": 100 * i, "score": gain * i, "wall_clock_s": 1.0 * i}) + "\\n")
        file.flush()
        time.sleep(float(given.get("pause", "0")))
print("a line of progress")
if given.get("wait"):
    while True:
        time.sleep(0.05)
if given.get("exit", "0") != "0" or gain < 0.0:
    write("failed", "not finite")
    print("error: Not finite at iteration 3.\\n  where: there", flush=True)
    sys.exit(1)
write("trained")
'''


def figures(*values: float | None) -> str:
    """A metrics.jsonl with these scores, 100 control steps apart."""
    lines = [{"iteration": i, "steps": 100 * i, "wall_clock_s": float(i)} for i in range(1, len(values) + 1)]
    return "".join(json.dumps(x if v is None else {**x, "score": v}) + "\n" for x, v in zip(lines, values, strict=True))


def add_trial(
    folder: SweepFolder,
    number: int,
    values: dict[str, str],
    seed: int | None = None,
    scores: tuple[float | None, ...] = (),
    status: str = "finished",
    message: str = "",
    passed: bool | None = None,
) -> Path:
    """Write a trial and its run folder; returns the latter."""
    sets = [f"--set={key}={value}" for key, value in values.items()]
    arguments = ["run", "hop", *sets, *([] if seed is None else [f"--seed={seed}"])]
    folder.write(Trial(number, seed, values, tuple(arguments), status, message))
    run = folder.run(number)
    run.mkdir()
    (run / "metrics.jsonl").write_text(figures(*scores))
    if passed is not None:
        (run / "eval.json").write_text(json.dumps({"passed": passed}))
    return run
