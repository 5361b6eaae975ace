"""mirror(obs(s)) == obs(mirror(s)): true of every shipped term, and of none whose mirror is planted wrong."""

import dataclasses

import equinox as eqx
import pytest
from helpers import critic_terms, make_env, with_switches

from wildrobot_eqx.check import mirror_stage
from wildrobot_eqx.observe import AbstractStatelessTerm, AbstractTerm, FootSwitches, ObservationStack
from wildrobot_eqx.robots import Mirror


class Reflected(AbstractStatelessTerm):
    """Another term under a mirror that is not its own."""

    inner: AbstractTerm
    reflection: Mirror
    unit: str = eqx.field(static=True, default="1")
    frame: str = eqx.field(static=True, default="world")
    measurable: bool = eqx.field(static=True, default=False)

    @property
    def size(self):
        return self.inner.size

    @property
    def mirror(self):
        return self.reflection

    @property
    def source(self):
        return self.inner.source

    def __call__(self, signals):
        return self.inner.step(self.inner.init(signals), signals)[0]


def observing(env, terms):
    return dataclasses.replace(env, observations={"critic": ObservationStack(terms, policy=False)})


def test_every_shipped_term_reflects_as_it_says(env, robot):
    terms = {**critic_terms(robot), "switches": FootSwitches(with_switches(robot))}
    assert mirror_stage(observing(env, terms)) == []


def test_a_wrong_mirror_is_found(env, robot):
    terms = critic_terms(robot)
    wrong = {}
    for name, term in terms.items():
        if name == "reserved":  # its entries are 0, in every mirror
            continue
        right, n = term.mirror, term.size
        flipped = Mirror(right.source, tuple(-sign for sign in right.sign))
        unpaired = Mirror(tuple(range(n)), (1.0,) * n)
        wrong[f"{name} flipped"] = Reflected(term, flipped)
        if right != unpaired:
            wrong[f"{name} unpaired"] = Reflected(term, unpaired)
    found = {finding.leaf for finding in mirror_stage(observing(env, wrong))}
    assert found == {f"env.observations['critic'].terms[{name!r}].mirror" for name in wrong}


def test_a_robot_without_a_mirror_has_none_to_prove(robot):
    env = make_env(dataclasses.replace(robot, mirror=None))
    assert mirror_stage(env) == []


@pytest.mark.parametrize("name", ["hopper_env"])
def test_a_planar_robot_reflects_onto_itself(name, request):
    assert mirror_stage(request.getfixturevalue(name)) == []
