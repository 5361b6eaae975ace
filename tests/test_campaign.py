"""What the campaign draws, how it judges a command, and the table that it writes."""

import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools" / "campaign"
MODULES = ("disks", "kills", "kinds", "launch", "many", "spoilt", "surroundings", "table", "trainings", "trial")


@pytest.fixture
def tools(monkeypatch):
    """The campaign's modules can be imported."""
    monkeypatch.syspath_prepend(str(TOOLS))
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


def test_a_trials_draws_follow_from_seed_kind_and_number(tools, tmp_path):
    from trial import Trial

    def drawn(*which):
        return Trial(*which, tmp_path, None).rng.random()

    assert drawn("kill", 3, 0) == drawn("kill", 3, 0)
    assert len({drawn(*which) for which in (("kill", 3, 0), ("stop", 3, 0), ("kill", 4, 0), ("kill", 3, 1))}) == 4


@pytest.mark.parametrize(
    ("status", "err", "wrong"),
    [
        (0, "", None),
        (2, "error: no recipe", None),
        (None, "", "it hung"),
        (1, "Traceback (most recent call last):\n  ...\nValueError: x", "a traceback: .*ValueError: x"),
        (-11, "", "status -11"),
        (2, "", "without a message"),
        (0, "Exception ignored in: <x>", "noise"),
    ],
)
def test_a_command_is_judged_by_its_end_and_what_it_printed(tools, status, err, wrong):
    from trial import FailedError, Finished, sound

    done = Finished("run", status, "", err)
    if wrong is None:
        assert sound(done) is done
    else:
        with pytest.raises(FailedError, match=wrong):
            sound(done)


def test_a_command_that_hangs_is_killed(tools, tmp_path, monkeypatch):
    import trial as module
    from trial import Trial

    monkeypatch.setattr(module, "IDLE", 0.0)
    trial = Trial("kill", 0, 0, tmp_path, None)
    command = trial.start_program([sys.executable, "-c", "import time; time.sleep(600)"])
    assert command.finish().status is None
    assert trial.commands[0].startswith("python -c ")
    trial.end()


def test_every_kind_has_a_trial_and_words(tools):
    from kinds import KINDS

    for kind in KINDS.values():
        assert kind.trials > 0
        assert kind.about
        assert kind.run.__doc__


def test_the_table_counts_and_names_what_repeats_a_failure(tools, tmp_path):
    from table import BEGIN, END, Tally, table, write

    one, two = Tally("first"), Tally("second")
    one.note(0, 2, "", ["run"])
    one.note(1, 1, "hung", ["wildrobot-eqx run hop"])
    text = table({"kill": one, "stop": two}, seed=7)
    assert "| `kill` | first | 3 | 2 | 1 |" in text
    assert "second" not in text
    assert "`python tools/campaign --seed 7 --only kill --trial 1`: hung" in text
    assert "    wildrobot-eqx run hop" in text
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(page, text)
    assert page.read_text() == f"before\n{BEGIN}\n{text}\n{END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="no <!--"):
        write(page, text)


def test_a_spoiled_text_differs_in_one_line(tools):
    import random

    from spoilt import edited_text

    text = "\n".join(f"name_{i} = {i}" for i in range(9))
    rng = random.Random(0)
    for _ in range(50):
        new, what = edited_text(text, rng)
        lost = [line for line in text.split("\n") if line not in new.split("\n")]
        assert len(lost) <= 1, what


def test_the_long_faults_are_those_that_are_told(tools):
    import launch

    assert set(launch.FAULTS) == {line.split("`")[1] for line in launch.__doc__.splitlines() if line.startswith("- `")}
