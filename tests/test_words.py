"""The one test of the program's words: what it says of mistakes, kept as a snapshot.

Other tests assert facts. After a change of words, look at the difference, and write the snapshot anew:

    WILDROBOT_EQX_SNAPSHOT=write python -m pytest tests/test_words.py
"""

import os
from pathlib import Path

import words

SNAPSHOT = Path(__file__).parent / "data" / "words.txt"


def test_the_program_says_what_it_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    robots = tmp_path / "robots"
    robots.mkdir()
    found = f"{words.of_usage()}\n\n{words.of_robots(robots)}\n"
    if os.environ.get("WILDROBOT_EQX_SNAPSHOT") == "write":
        SNAPSHOT.write_text(found, encoding="utf-8")
    assert found.splitlines() == SNAPSHOT.read_text(encoding="utf-8").splitlines()
