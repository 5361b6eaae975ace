"""What couples joints of different branches: equality constraints of joints, and contacts between moving bodies.

Both make the solver's Hessian denser than the mass matrix.
"""

import dataclasses

import mujoco

from .pairs import Pair, disabled, numbers

JOINT = int(mujoco.mjtEq.mjEQ_JOINT)


@dataclasses.dataclass(frozen=True)
class Tie:
    """A joint held to a polynomial of another, q - q0 = sum of c_k (p - p0)^k, or to the constant c_0."""

    dof: int
    qpos: int
    zero: float  # q0
    leader: tuple[int, int, float] | None  # dof, address in qpos and p0 of the other joint
    polynomial: tuple[float, ...]
    solref: tuple[float, ...]
    solimp: tuple[float, ...]
    invweight: float

    @property
    def degree(self) -> int:
        """The highest power with a coefficient."""
        return max((n for n, c in enumerate(self.polynomial) if c), default=0)


def ties_of(mj: mujoco.MjModel) -> tuple[Tie, ...]:
    """The model's equality constraints of joints, but for those that are switched off."""
    if disabled(mj, "EQUALITY", "CONSTRAINT"):
        return ()
    return tuple(_tie(mj, e) for e in range(mj.neq) if mj.eq_type[e] == JOINT and mj.eq_active0[e])


def _tie(mj: mujoco.MjModel, e: int) -> Tie:
    def joint(j: int) -> tuple[int, int, float]:
        qpos = int(mj.jnt_qposadr[j])
        return int(mj.jnt_dofadr[j]), qpos, float(mj.qpos0[qpos])

    dof, qpos, zero = joint(int(mj.eq_obj1id[e]))
    leader = joint(int(mj.eq_obj2id[e])) if mj.eq_obj2id[e] >= 0 else None
    return Tie(
        dof=dof,
        qpos=qpos,
        zero=zero,
        leader=leader,
        polynomial=numbers(mj.eq_data[e, :5]),
        solref=numbers(mj.eq_solref[e]),
        solimp=numbers(mj.eq_solimp[e]),
        invweight=float(mj.dof_invweight0[dof] + (mj.dof_invweight0[leader[0]] if leader else 0.0)),
    )


def chain(mj: mujoco.MjModel, body: int) -> set[int]:
    """The dofs that move a body."""
    while body and not mj.body_dofnum[body]:
        body = int(mj.body_parentid[body])
    out, at = set(), int(mj.body_dofadr[body] + mj.body_dofnum[body] - 1) if body else -1
    while at >= 0:
        out.add(at)
        at = int(mj.dof_parentid[at])
    return out


def filled(
    mj: mujoco.MjModel, parents: list[tuple[int, ...]], pairs: tuple[Pair, ...], ties: tuple[Tie, ...]
) -> tuple[tuple[int, ...], ...]:
    """Of each dof, the lower ones with which the factors of the solver's Hessian couple it, highest first.

    The parents alone where nothing ties branches together; else also what ties couple, and what elimination fills in.
    """
    below = [set(p) for p in parents]
    groups = [chain(mj, p.body) ^ chain(mj, p.other) for p in pairs if p.other is not None]
    groups += [{tie.dof, tie.leader[0]} for tie in ties if tie.leader]
    for group in groups:
        for i in group:
            below[i] |= {j for j in group if j < i}
    for k in range(len(below) - 1, -1, -1):
        for i in below[k]:
            below[i] |= {j for j in below[k] if j < i}
    return tuple(tuple(sorted(b, reverse=True)) for b in below)
