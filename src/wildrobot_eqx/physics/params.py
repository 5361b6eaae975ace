"""The model arrays that may differ from env to env, and what each change implies."""

from typing import TYPE_CHECKING, NoReturn

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..errors import MissingNameError, nearest
from ..robots import Model


class PhysicsParams(eqx.Module):
    """Domain parameters of one env, named and shaped as in `mujoco.MjModel`.

    Constants that MuJoCo derives from them follow one rule on every engine:

    | field | derived constants | rule |
    |---|---|---|
    | `body_mass` | `body_subtreemass` | recomputed |
    | `body_mass`, `body_inertia`, `body_ipos`, `dof_armature` | `*_invweight0`, `dof_M0` | nominal |
    | `geom_friction`, `pair_friction`, `dof_damping`, `dof_frictionloss`, `actuator_*`, `gravity` | none | |

    `invweight0` scales only the regularisation of soft constraints; docs/physics.md gives
    the measured effect of keeping it nominal.
    """

    body_mass: Float[Array, " nbody"]  # kg
    body_inertia: Float[Array, "nbody 3"]  # kg m^2, principal
    body_ipos: Float[Array, "nbody 3"]  # m, centre of mass in the body frame
    geom_friction: Float[Array, "ngeom 3"]  # slide, spin (m), roll (m)
    pair_friction: Float[Array, "npair 5"]  # of each <pair>: slide twice, spin (m), roll twice (m)
    dof_damping: Float[Array, " nv"]  # N m s/rad
    dof_frictionloss: Float[Array, " nv"]  # N m
    dof_armature: Float[Array, " nv"]  # kg m^2
    actuator_gainprm: Float[Array, "nu ngain"]
    actuator_biasprm: Float[Array, "nu nbias"]
    actuator_forcerange: Float[Array, "nu 2"]  # N m
    gravity: Float[Array, " 3"]  # m/s^2

    if not TYPE_CHECKING:  # a checker would take any name for one that there is

        def __getattr__(self, name: str) -> NoReturn:
            """Only for names that there are not, such as those of another library's system."""
            if name.startswith("__"):
                raise AttributeError(name)
            what = f"PhysicsParams has no {name!r}: it holds the parameters of an engine, and is no System of Brax's."
            known = nearest(name, type(self).__dataclass_fields__)
            hint = f"{known}; docs/brax.md says which of Brax's wrappers are served"
            raise MissingNameError(what, where="PhysicsParams", hint=hint)


MODEL_FIELDS = tuple(PhysicsParams.__dataclass_fields__)
"""Names of the parameters, all but `gravity` fields of MjModel; `gravity` is `opt.gravity`."""


def nominal_params(model: Model) -> PhysicsParams:
    """The parameters of the compiled model, float32."""
    mj = model.mj
    arrays = {f: getattr(mj.opt if f == "gravity" else mj, f) for f in MODEL_FIELDS}
    return PhysicsParams(**{f: jnp.asarray(a, jnp.float32) for f, a in arrays.items()})


def subtree_mass(
    parent: Int[np.ndarray, " nbody"], body_mass: Float[np.ndarray, "*batch nbody"]
) -> Float[np.ndarray, "*batch nbody"]:
    """Mass of each body with all its descendants, kg; leading axes of `body_mass` are kept."""
    total = body_mass.copy()
    for body in range(len(parent) - 1, 0, -1):
        total[..., parent[body]] += total[..., body]
    return total


def subtree_mass_jax(parent: tuple[int, ...], body_mass: Float[Array, " nbody"]) -> Float[Array, " nbody"]:
    """`subtree_mass` for tracers."""
    total = list(body_mass)
    for body in range(len(parent) - 1, 0, -1):
        total[parent[body]] = total[parent[body]] + total[body]
    return jnp.stack(total)
