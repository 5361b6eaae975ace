"""Who stands where: several sources as policies of one robot, or side by side."""

from collections.abc import Sequence

from ..errors import WildRobotError
from .session import Place, Session
from .simulation import AbstractSimulation

_APART = 2.2  # heights of the highest base, between two robots
_LEAST = 0.3  # m


def arrange(simulations: Sequence[AbstractSimulation], side_by_side: bool = False) -> Session:
    """A session of these simulations.

    Those of one robot share a place, and one of them acts at a time; with `side_by_side` each has a place.

    Raises:
        WildRobotError: there are none.
    """
    if not simulations:
        raise WildRobotError(
            "There is nothing to show.", where="view", hint="name a run, a bundle, a robot or a recipe"
        )
    groups: list[list[AbstractSimulation]] = []
    for simulation in simulations:
        same = [g for g in groups if g[0].robot == simulation.robot and g[0].model.nq == simulation.model.nq]
        if same and not side_by_side:
            same[0].append(simulation)
        else:
            groups.append([simulation])
    places = [Place(group) for group in groups]
    apart = max(_LEAST, _APART * max(float(place.shadow.place[2]) for place in places))
    for i, place in enumerate(places):
        place.offset = (0.0, -apart * (i - 0.5 * (len(places) - 1)))
    return Session(places)
