"""One env's parameters and outputs as rows of numbers: what kernels read and write."""

import functools
from typing import Any

import jax.numpy as jnp
import mujoco
from jaxtyping import Array, Float

from ...robots import Model
from ..params import MODEL_FIELDS, PhysicsParams
from .actuation import Gains
from .engine import Constants
from .inertia import central_inertia
from .model import read
from .scalar import Scalar
from .spatial import Vec


def shapes(model: Model) -> dict[str, tuple[int, ...]]:
    """The engine's outputs in the order in which they are packed."""
    mj = model.mj
    return {
        "qpos": (mj.nq,),
        "qvel": (mj.nv,),
        "time": (),
        "qacc_warmstart": (mj.nv,),
        "actuator_force": (mj.nu,),
        "xpos": (mj.nbody, 3),
        "xquat": (mj.nbody, 4),
        "site_xpos": (mj.nsite, 3),
        "sensordata": (mj.nsensordata,),
    }


def unpack(model: Model, row: Float[Array, " n"]) -> dict[str, Float[Array, "..."]]:
    """The packed outputs by name."""
    out, first = {}, 0
    for name, shape in shapes(model).items():
        size = functools.reduce(lambda a, b: a * b, shape, 1)
        out[name] = row[first : first + size].reshape(shape)
        first += size
    return out


def params_size(model: Model) -> int:
    """How many numbers one env's parameters are."""
    return sum(_size(model.mj, name) for name in MODEL_FIELDS)


def pack_params(params: PhysicsParams, dtype: Any) -> Float[Array, " p"]:
    """One env's parameters in one row."""
    return jnp.concatenate([getattr(params, name).ravel().astype(dtype) for name in MODEL_FIELDS])


def _size(mj: mujoco.MjModel, name: str) -> int:
    return int((mj.opt.gravity if name == "gravity" else getattr(mj, name)).size)


def constants(model: Model, packed: list[Scalar]) -> Constants:
    """One env's parameters from their packed entries."""
    mj, fields, first = model.mj, {}, 0
    for name in MODEL_FIELDS:
        size = _size(mj, name)
        fields[name] = packed[first : first + size]
        first += size

    def vectors(name: str) -> list[Vec]:
        values = fields[name]
        return [(values[i], values[i + 1], values[i + 2]) for i in range(0, len(values), 3)]

    bodies = read(model).bodies
    gain, bias, span = fields["actuator_gainprm"], fields["actuator_biasprm"], fields["actuator_forcerange"]
    width = mj.actuator_gainprm.shape[1] if mj.nu else 1
    return Constants(
        mass=fields["body_mass"],
        centre=vectors("body_ipos"),
        central=[central_inertia(body.principal, moments) for body, moments in zip(bodies, vectors("body_inertia"))],
        friction=vectors("geom_friction"),
        pair_friction=[fields["pair_friction"][i : i + 5] for i in range(0, len(fields["pair_friction"]), 5)],
        damping=fields["dof_damping"],
        friction_loss=fields["dof_frictionloss"],
        armature=fields["dof_armature"],
        gains=[
            Gains(gain[i * width : i * width + 3], bias[i * width : i * width + 3], span[2 * i : 2 * i + 2])
            for i in range(mj.nu)
        ],
        gravity=vectors("gravity")[0] if read(model).gravity else (0.0, 0.0, 0.0),
    )
