"""What a name stands for, and what a server listens to."""

import socket

import pytest

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.paths import data_dir
from wildrobot_eqx.view.opening import kind_of, open_simulation
from wildrobot_eqx.view.serve import free_port, is_local


def test_a_name_stands_for_one_thing(tmp_path):
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    run.mkdir()
    bundle.mkdir()
    (run / "manifest.json").write_text("{}")
    (bundle / "contract.json").write_text("{}")
    (tmp_path / "b.zip").write_bytes(b"")
    recipe = data_dir("recipes") / "walk.py"
    expected = {
        str(run): "run",
        str(bundle): "bundle",
        str(tmp_path / "b.zip"): "bundle",
        "wildrobot": "robot",
        str(data_dir("robots") / "hopper"): "robot",
        "walk": "recipe",
        str(recipe): "recipe",
        "cartpole": "robot",  # and the name of a recipe, too
    }
    assert {name: kind_of(name)[0] for name in expected} == expected
    assert kind_of("recipe:cartpole") == ("recipe", "cartpole")
    for wrong in ("nonsense", str(tmp_path), "nonsense:walk", "../wildrobot"):
        with pytest.raises(WildRobotError, match="no run, bundle, robot or recipe"):
            kind_of(wrong)


def test_what_cannot_be_read_is_told(tmp_path):
    (tmp_path / "b.zip").write_bytes(b"no zip")
    with pytest.raises(WildRobotError) as told:
        open_simulation(str(tmp_path / "b.zip"))
    assert "b.zip" in told.value.where


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("192.0.2.1", False), ("a.b", False)],
)
def test_who_reaches_a_host(host, local):
    assert is_local(host) is local


def test_a_port_that_is_taken_is_told_and_passed_over():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(WildRobotError) as told:
            free_port("127.0.0.1", port)
        assert (told.value.where, str(port) in told.value.what) == ("--port", True)
    assert free_port("127.0.0.1", None) >= 8080
    with pytest.raises(WildRobotError) as told:
        free_port("192.0.2.1", 8080)  # RFC 5737: no machine has it
    assert told.value.where == "--host"
