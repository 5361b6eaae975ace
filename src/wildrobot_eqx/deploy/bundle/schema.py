"""The contract's JSON Schema, and as much of a validator as it needs: the player has no library for that.

`contract.schema.json` beside this file is the published schema (draft 2020-12). `export` and
`bundle verify` check a contract with the `jsonschema` library, too; both must agree.
"""

import functools
import json
import math
import re
from pathlib import Path
from typing import Any

SCHEMA_FILE = Path(__file__).with_name("contract.schema.json")
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
_KNOWN = {
    "$defs",
    "$id",
    "$ref",
    "$schema",
    "additionalProperties",
    "const",
    "description",
    "enum",
    "exclusiveMinimum",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
    "uniqueItems",
}


@functools.cache
def contract_schema() -> dict[str, Any]:
    """The schema of `contract.json`."""
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def violations(value: Any, schema: dict[str, Any], at: str = "contract") -> list[str]:
    """Where `value` breaks `schema`, as `path: reason`; numbers must be finite.

    Knows the keywords that the contract's schema uses, and refuses any other.
    """
    return _violations(value, schema, schema, at)


def _violations(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> list[str]:
    unknown = set(schema) - _KNOWN
    if unknown:
        raise ValueError(f"the schema uses {sorted(unknown)}, which this validator does not know")
    if "$ref" in schema:
        return _violations(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, at)
    kinds = schema.get("type", list(_TYPES))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not any(_is(value, kind) for kind in kinds):
        return [f"{at}: must be {' or '.join(kinds)}, got {_short(value)}"]
    found = [f"{at}: {reason}" for reason in _reasons(value, schema)]
    if isinstance(value, dict):
        return found + _members(value, schema, root, at)
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            found += _violations(item, schema["items"], root, f"{at}[{i}]")
    return found


def _reasons(value: Any, schema: dict[str, Any]) -> list[str]:
    """What is wrong with one value, apart from what it holds."""
    found = []
    if "const" in schema and value != schema["const"]:
        found.append(f"must be {schema['const']!r}, got {_short(value)}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"must be one of {schema['enum']}, got {_short(value)}")
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            found.append("must not be empty")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            found.append(f"must match {schema['pattern']}, got {_short(value)}")
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0) or len(value) > schema.get("maxItems", math.inf):
            found.append(f"has a wrong number of items: {len(value)}")
        if schema.get("uniqueItems") and len({json.dumps(item, sort_keys=True) for item in value}) < len(value):
            found.append("holds an item twice")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            found.append(f"must be finite, got {value}")
        elif value < schema.get("minimum", -math.inf) or value > schema.get("maximum", math.inf):
            found.append(f"is out of range: {value}")
        elif value <= schema.get("exclusiveMinimum", -math.inf):
            found.append(f"must be greater than {schema['exclusiveMinimum']}, got {value}")
    return found


def _members(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], at: str) -> list[str]:
    found = [f"{at}: lacks {name!r}" for name in schema.get("required", ()) if name not in value]
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    for name, item in value.items():
        if name in known:
            found += _violations(item, known[name], root, f"{at}.{name}")
        elif others is False:
            found.append(f"{at}: {name!r} is not known")
        elif isinstance(others, dict):
            found += _violations(item, others, root, f"{at}.{name}")
    return found


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()  # as JSON Schema has it
    return isinstance(value, _TYPES[kind])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
