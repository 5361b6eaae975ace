"""The type checker that jaxtyping's import hook puts on every function of the package."""

from beartype import BeartypeConf, beartype

# PEP 484's numeric tower: an int is welcome where a float is asked for.
typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))
