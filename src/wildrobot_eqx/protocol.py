"""How a kind of module is called, as data: an abstract base says it, and the contract checker calls by it."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a module: its method, what it takes and what it gives, by name.

    `state` is the module's own state, the same tree wherever it comes; the other names are those of
    `check.slots`, such as `key`, `signals`, `physics`, `dt`, `rate` or `ctrl`.
    """

    method: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]


Protocol = tuple[Call, ...]
