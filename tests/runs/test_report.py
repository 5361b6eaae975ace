import html.parser
import json
import math

import numpy as np
import pytest
from PIL import Image
from puppets import gather, walk

from wildrobot_eqx.evaluate.gate import GateResult
from wildrobot_eqx.evaluate.walking.meter import GaitMeter
from wildrobot_eqx.evaluate.walking.walk_gate import WalkGate
from wildrobot_eqx.report.page import write_report
from wildrobot_eqx.report.plots import read_lines, write_plots

HOSTILE = "<script>alert('x')</script>\"$\\frac&"


class Page(html.parser.HTMLParser):
    """What a page holds: its tags, the addresses that it names, and its text."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.cells: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "td":
            self.cells.append(dict(attrs).get("class") or "")

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def verdict(robot) -> dict:
    """A gate's result whose only fault is slip at 0.3 m/s."""
    gate, meter = WalkGate(), GaitMeter(robot, 10.0, 3.0)
    judged = [
        gate.judge(meter, gather(meter, walk(command, slip=0.06 if command == 0.3 else 0.0)), command, timestep)
        for timestep in (0.005, 0.002)
        for command in (0.0, 0.3, 0.5)
    ]
    lines = tuple(line for _, lines in judged for line in lines)
    return GateResult(lines, tuple(figures for figures, _ in judged), 1, 10.0).to_json()


def metrics(n: int = 30) -> str:
    rows = [
        {
            "iteration": i + 1,
            "steps": 5120 * (i + 1),
            "episode_return": float(i),
            "terminations_per_minute": 30.0 - i,
            "lin_vel_x": 0.3,
            "commanded_lin_vel_x": 0.3,
            "lin_vel_x_error": 0.3 / (i + 1),
            "diverged": 2.0 if i == 7 else 0.0,
            "reward/track": 0.1 * i,
            "reward/slip": -0.1,
            "learning_rate": 1e-3,
            "kl": 0.01,
        }
        for i in range(n)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def fill(folder, verdict):
    (folder / "manifest.json").write_text(json.dumps({"name": "walk", "seed": 7, "learner": {"num_envs": 256}}))
    (folder / "metrics.jsonl").write_text(metrics())
    (folder / "eval.json").write_text(json.dumps(verdict))
    (folder / "walk.mp4").write_bytes(b"film")
    Image.new("RGB", (8, 8), "white").save(folder / "stride.png")


def test_a_full_run_makes_a_self_contained_page(tmp_path, verdict):
    fill(tmp_path, verdict)
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert "Failed 2 of 46 lines" in " ".join(page.text.split())
    assert "foot slip at 0.3 m/s (5 ms physics): 0.060 m/s, must be <= 0.05 m/s" in page.text
    assert "learner.num_envs" in page.text
    assert "2 control steps diverged" in page.text
    assert page.tags.count("video") == 1
    assert page.tags.count("table") == 2 + 2  # figures and joints, of each timestep
    assert all(name in page.text for name in verdict["figures"][0]["joints"])
    assert page.tags.count("details") == 2 + 1
    assert page.cells.count("failed") == 2
    assert page.cells.count("passed") == 44
    assert len(page.addresses) == 1 + 1 + 7  # video, strip, plots
    assert all(address.startswith("data:") for address in page.addresses)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert not list(tmp_path.glob("*.partial"))


def test_the_plots_lie_in_the_run_folder(tmp_path, verdict):
    fill(tmp_path, verdict)
    drawn = {path.name for path in write_plots(tmp_path)}
    learning = {"return", "terminations", "diverged", "lin_vel_x_error", "reward_terms", "learning"}
    assert drawn == {f"{n}.png" for n in ("tracking", "gate", *learning)}
    for name in drawn:
        with Image.open(tmp_path / "plots" / name) as picture:
            assert min(picture.size) > 200
            assert np.unique(np.asarray(picture.convert("L"))).size > 10  # something is drawn on it


def test_a_passed_gate_says_so(tmp_path, verdict):
    passed = {**verdict, "passed": True, "failed": []}
    (tmp_path / "eval.json").write_text(json.dumps(passed))
    text = " ".join(Page(write_report(tmp_path).read_text()).text.split())
    assert "Passed all 46 lines" in text


def test_an_empty_folder_says_what_is_missing(tmp_path):
    page = Page(write_report(tmp_path).read_text())
    for missing in ("eval.json", "walk.mp4", "stride.png", "metrics.jsonl", "manifest.json"):
        assert missing in page.text
    assert "Not judged" in page.text
    assert page.addresses == []


def test_what_the_files_say_is_escaped(tmp_path, verdict):
    line = {**verdict["lines"][0], "limit": HOSTILE, "name": HOSTILE}
    figures = {**verdict["figures"][0], "values": {HOSTILE: 1.0, "speed": HOSTILE}}
    figures |= {"joints": {HOSTILE: {"torque_rms": HOSTILE}, "knee": HOSTILE}, "worst_joint": HOSTILE}
    bad = {"passed": "yes", "episodes": HOSTILE, "failed": [HOSTILE], "lines": [line], "figures": [figures]}
    (tmp_path / "manifest.json").write_text(json.dumps({"name": HOSTILE, HOSTILE: {HOSTILE: [HOSTILE]}}))
    (tmp_path / "eval.json").write_text(json.dumps(bad))
    (tmp_path / "metrics.jsonl").write_text(
        "".join(json.dumps({"reward/" + HOSTILE: i, "episode_return": HOSTILE}) + "\n" for i in range(3))
    )
    source = write_report(tmp_path).read_text()
    page = Page(source)
    assert "<script" not in source
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) >= 6
    assert "Failed" in page.text  # only a true `passed` passes


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"figures": 3, "lines": {}}', "\x00\xff", "NaN"])
def test_broken_files_are_taken_as_missing(tmp_path, content):
    for name in ("manifest.json", "metrics.jsonl", "eval.json"):
        (tmp_path / name).write_text(content, encoding="latin-1")
    page = Page(write_report(tmp_path).read_text())
    assert "There are no figures of a gate" in page.text
    assert page.tags.count("img") == 0


def test_a_line_cut_short_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(metrics(3) + '{"iteration": 4, "ste')
    assert [line["iteration"] for line in read_lines(path)] == [1, 2, 3]
    drawn = [path.stem for path in write_plots(tmp_path)]
    assert drawn == ["return", "terminations", "lin_vel_x_error", "reward_terms", "learning"]


def test_figures_that_could_not_be_measured_are_a_dash(tmp_path, verdict):
    figures = {**verdict["figures"][0], "values": {"speed": None, "drift": math.nan}}
    (tmp_path / "eval.json").write_text(json.dumps({"passed": False, "figures": [figures]}))
    source = write_report(tmp_path).read_text()
    assert source.count("<td>–</td>") == 2
