"""Mass matrix, bias forces, poses and Jacobians by themselves, to hold the engine against MuJoCo or to build on it."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...robots import Model
from . import bias, inertia, kinematics
from .batch import batched
from .kernels import check_compiler
from .model import read
from .packing import constants, pack_params, params_size
from .scalar import Num, Scalar, array
from .spatial import at


@functools.lru_cache(maxsize=32)
def smooth_quantities(model: Model) -> Callable[..., dict[str, Float[Array, "..."]]]:
    """A function `(params, qpos, qvel)` of one robot to its smooth dynamics by name.

    `mass_matrix` (nv, nv), `bias` (nv), `passive` (nv), `xpos` (nbody, 3), `xquat` (nbody, 4),
    `jacp` and `jacr` (nbody, 3, nv): velocities of the bodies' origins and angular velocities
    by qvel, world frame. Runs under jit, vmap and grad.
    """
    check_compiler()
    tree, nv, nbody = read(model), model.mj.nv, model.mj.nbody
    shapes = {
        "mass_matrix": (nv, nv),
        "bias": (nv,),
        "passive": (nv,),
        "xpos": (nbody, 3),
        "xquat": (nbody, 4),
        "jacp": (nbody, 3, nv),
        "jacr": (nbody, 3, nv),
    }

    def program(*entries: jax.Array) -> list[jax.Array]:
        values: list[Scalar] = [Num(a) for a in entries]
        c = constants(model, values[: params_size(model)])
        qpos, qvel = values[params_size(model) :][: tree.nq], values[params_size(model) :][tree.nq :]
        p = kinematics.poses(tree, qpos)
        v = kinematics.velocities(p, qvel)
        bodies = inertia.body_inertias(p, c.mass, c.centre, c.central)
        mass = inertia.mass_matrix(p, bodies, c.armature)
        out = [inertia.entry(mass, i, j) for i in range(nv) for j in range(nv)]
        out += bias.bias_forces(p, v, bodies, c.gravity)
        out += bias.passive_forces(tree, c.damping, qpos, qvel)
        out += [x for b in range(nbody) for x in p.position(b)]
        out += [x for q in kinematics.quaternions(tree, qpos) for x in q]
        chains = [_chain(model, b) for b in range(nbody)]
        for linear in (True, False):
            for b in range(nbody):
                columns = {i: at(p.motion[i], p.offset[b]) if linear else p.motion[i][0] for i in chains[b]}
                out += [columns[i][k] if i in columns else 0.0 for k in range(3) for i in range(nv)]
        return [array(x, entries[-1]) for x in out]

    outputs = sum(math.prod(shape) for shape in shapes.values())
    run = batched(program, (params_size(model), tree.nq + tree.nv), outputs, 1024)

    def quantities(params: Array, qpos: Float[Array, " nq"], qvel: Float[Array, " nv"]) -> dict[str, Array]:
        row, out, first = run(params, jnp.concatenate([qpos, qvel])), {}, 0
        for name, shape in shapes.items():
            size = functools.reduce(lambda a, b: a * b, shape, 1)
            out[name] = row[first : first + size].reshape(shape)
            first += size
        return out

    return lambda params, qpos, qvel: quantities(pack_params(params, qpos.dtype), qpos, qvel)


def _chain(model: Model, body: int) -> list[int]:
    """The dofs that move a body."""
    mj = model.mj
    while body and not mj.body_dofnum[body]:
        body = int(mj.body_parentid[body])
    if not body:
        return []
    last = int(mj.body_dofadr[body] + mj.body_dofnum[body] - 1)
    return [last, *read(model).dofs[last].parents]
