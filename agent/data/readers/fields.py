"""Get typed values from the rows of a data set."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

_TRUE = ("true", "yes", "1", "correct")
_FALSE = ("false", "no", "0", "error", "incorrect", "wrong")
"""Words in benchmarks and tables, in lower case."""
_SPLITS: dict[str, Literal["train", "dev", "test"]] = {
    "train": "train",
    "dev": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
}


class RowError(ValueError):
    """A row that cannot be converted; the message names the column."""


@dataclass(frozen=True)
class Row:
    """One row of a file."""

    place: str
    """Where it is, such as "line 3"."""
    values: Mapping[str, Any]

    @property
    def number(self) -> str:
        """Number of the row in its file, as text."""
        return self.place.split()[-1]


def get_text(values: Mapping[str, Any], name: str) -> str:
    """Return a text that is not blank."""
    text = get_optional_text(values, name)
    if not text.strip():
        problem = "is empty" if name in values else f"is missing; the row has {list_names(values)}"
        raise RowError(f"`{name}` {problem}")
    return text


def get_optional_text(values: Mapping[str, Any], name: str) -> str:
    """Return a text; an empty one if it is missing or null."""
    value = values.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError(f"`{name}` must be text, not {_type_name(value)}")
    return str(value)


def get_flag(values: Mapping[str, Any], name: str) -> bool | None:
    """Return a true or false value; None if it is missing, null or empty."""
    value = values.get(name)
    if value is None or value == "":
        return None
    if value in (0, 1):
        return bool(value)
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise RowError(f"`{name}` must be true or false, not {_shorten(value)}")


def get_number(values: Mapping[str, Any], name: str) -> float | None:
    """Return a finite number; None if it is missing, null or empty."""
    value = values.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError(f"`{name}` must be a number, not {_type_name(value)}")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise RowError(f"`{name}` must be a number, not {_shorten(value)}") from None
    if not math.isfinite(number):
        raise RowError(f"`{name}` must be a finite number, not {_shorten(value)}")
    return number


def get_list(values: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list; an empty one if it is missing or null."""
    value = values.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise RowError(f"`{name}` must be a list, not {_type_name(value)}")
    return value


def get_objects(values: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a list of objects; an empty one if it is missing or null."""
    items = get_list(values, name)
    for item in items:
        if not isinstance(item, dict):
            raise RowError(f"`{name}` must be a list of objects, not of {_type_name(item)}")
    return items


def get_object(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object; an empty one if it is missing or null."""
    value = values.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RowError(f"`{name}` must be an object, not {_type_name(value)}")
    return value


def get_split(
    values: Mapping[str, Any], name: str = "split"
) -> Literal["train", "dev", "test"] | None:
    """Return the name of the split; None if it is missing or another name."""
    return _SPLITS.get(str(values.get(name)).lower())


def get_rest(values: Mapping[str, Any], used: tuple[str, ...]) -> dict[str, Any]:
    """Return the columns that are not used and not null, as metadata."""
    rest = {}
    for name, value in values.items():
        if name not in used and value is not None:
            rest[name] = value
    return rest


def list_names(values: Mapping[str, Any]) -> str:
    """Return the names of the columns, for a message."""
    names = [f"`{name}`" for name in list(values)[:20]]
    if len(values) > len(names):
        names.append("…")
    return ", ".join(names) or "no columns"


def name_task(question: str, context: str = "") -> str:
    """Return a name that equal questions share, so that their answers belong to one task."""
    digest = hashlib.sha256(f"{context}\0{question}".encode("utf-8", "surrogatepass"))
    return f"task-{digest.hexdigest()[:12]}"


def _type_name(value: Any) -> str:
    names = {bool: "true or false", dict: "an object", list: "a list", str: "text"}
    if value is None:
        return "null"
    return names.get(type(value), "a number")


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
