"""Engines by name, and the one that `auto` takes."""

import jax
import pytest

from wildrobot_eqx import NativePhysics, TreePhysics, WildRobotError
from wildrobot_eqx.physics import engine_name, engine_refusals, explain_engines, fastest_engine, make_physics, mjx
from wildrobot_eqx.physics.select import LONG
from wildrobot_eqx.physics.tree import physics as tree


def test_names_lead_to_engines_and_back(hopper):
    for name in ("native", "mjx", "tree"):
        assert engine_name(make_physics(name, hopper)) == name


def test_auto_is_native_on_a_cpu(hopper):
    assert fastest_engine(hopper)[0] == "native"
    assert isinstance(make_physics("auto", hopper), NativePhysics)


def test_auto_is_tree_for_a_long_training_on_a_cpu(hopper, monkeypatch):
    assert fastest_engine(hopper, steps=LONG - 1)[0] == "native"
    engine, why = fastest_engine(hopper, steps=LONG)
    assert engine == "tree"
    assert "so long a training" in why
    assert isinstance(make_physics("auto", hopper, steps=LONG), TreePhysics)
    monkeypatch.setattr(tree, "check_class", refuse)
    engine, why = fastest_engine(hopper, steps=LONG)
    assert engine == "native"
    assert "tendons" in why


def refuse(*_):
    raise WildRobotError("The tree engine cannot simulate this model: tendons.")


def refuse_mjx(*_):
    raise WildRobotError("MJX cannot simulate this model: springs.")


def test_auto_is_tree_on_an_accelerator_and_mjx_where_tree_cannot(hopper, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert fastest_engine(hopper)[0] == "tree"
    assert isinstance(make_physics("auto", hopper), TreePhysics)

    monkeypatch.setattr(tree, "check_class", refuse)
    engine, why = fastest_engine(hopper)
    assert engine == "mjx"
    assert "gpu" in why
    assert "tendons" in why


def test_where_no_engine_in_jax_takes_the_robot_it_is_native(hopper, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(tree, "check_class", refuse)
    monkeypatch.setattr(mjx, "_engine", refuse_mjx)
    engine, why = fastest_engine(hopper)
    assert engine == "native"
    assert "tendons" in why
    assert "springs" in why
    assert set(engine_refusals(hopper)) == {"tree", "mjx"}
    told = explain_engines(NativePhysics(hopper))
    assert "tendons" in told
    assert "springs" in told
    assert told.endswith("Take --physics native.")


def test_what_all_engines_take_needs_no_word(hopper):
    assert engine_refusals(hopper, engines=("native", "tree")) == {}
    assert explain_engines(NativePhysics(hopper)) is None


def test_what_tree_refuses_names_who_takes_it(hopper, monkeypatch):
    monkeypatch.setattr(tree, "check_class", refuse)
    assert explain_engines(NativePhysics(hopper)).endswith("tendons. Take --physics native or mjx.")


def test_the_engine_of_an_env_is_not_said_to_refuse_its_robot(hopper, monkeypatch):
    """Once `check` said so of TreePhysics(robot, ignore_self_contact=True), in which the env ran."""
    monkeypatch.setattr(tree, "check_class", lambda model, ignored: None if ignored else refuse())
    assert explain_engines(TreePhysics(hopper, ignore_self_contact=True)) is None
    own = make_physics("mjx", hopper)
    monkeypatch.setattr(mjx, "_engine", refuse_mjx)
    assert explain_engines(own).endswith("tendons. Take --physics native or mjx.")
    assert explain_engines(NativePhysics(hopper)).endswith("springs. Take --physics native.")


def test_an_unknown_engine_is_reported_with_the_known_ones(hopper):
    with pytest.raises(WildRobotError, match="no physics engine 'nativ'") as caught:
        make_physics("nativ", hopper)
    assert "did you mean 'native'" in caught.value.hint
