"""The base of every module that makes its fields of other arguments: `dataclasses.replace` works on it."""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import AbstractArray, jaxtyped

from .arrays import f32
from .errors import nearest

_INIT = "__init__"


class AbstractModule(eqx.Module):
    """An Equinox module that can be made of its fields, too, as `dataclasses.replace` makes it.

    A reward takes a robot and a site's name, and keeps the site's number: of its fields alone its
    `__init__` could not make it. So where a call does not fit that `__init__`, but names every
    field and nothing else, it sets the fields as they are (a plain number in the place of a
    float array becomes a float32). `__check_init__` runs either way.

    Raises:
        TypeError: there is no such field, or it is set to an array of another shape or dtype.
    """

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        own = cls.__dict__.get(_INIT)
        if own is not None:
            setattr(cls, _INIT, _or_of_fields(own))


def _or_of_fields(own: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(own)

    @typing.no_type_check  # the import hook has wrapped `own`, whose arguments these are
    @functools.wraps(own)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        fields = {field.name: field for field in dataclasses.fields(self)}
        if args or not kwargs.keys() >= fields.keys() or _fits(signature, self, kwargs):
            own(self, *args, **kwargs)
            return
        for name, value in kwargs.items():
            if name not in fields:
                raise TypeError(f"{type(self).__name__} has no field {name!r}; {nearest(name, fields)}")
            setattr(self, name, _as_field(type(self), fields[name], value))

    return init


def _fits(signature: inspect.Signature, self: Any, kwargs: dict[str, Any]) -> bool:
    try:
        signature.bind(self, **kwargs)
    except TypeError:
        return False
    return True


def _as_field(kind: type, field: "dataclasses.Field[Any]", value: Any) -> Any:
    wanted: Any = field.type
    if not _is_array(wanted):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = f32(value)
    with jaxtyped("context"):  # names of sizes are those of this field alone
        if isinstance(value, jax.Array) and not isinstance(value, wanted):
            found = f"{value.dtype}{list(value.shape)}"
            raise TypeError(f"{kind.__name__}.{field.name} is a {wanted.__name__}, not {found}")
    return value


def _is_array(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, AbstractArray)
