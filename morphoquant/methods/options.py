"""Methods from text and back: "morphoquant:variant=paper,lam=1.5", "quarot:seed=1+mdqfo"."""

from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from morphoquant.core.errors import SpecError
from morphoquant.core.offered import AUTO, RECOMMENDED, RECOMMENDED_BY_TOKEN
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import Method
from morphoquant.methods.catalog import METHODS
from morphoquant.methods.composed import Composed

_SWITCHES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_method(text: str, spec: QuantSpec | None = None) -> Method:
    """Reads a method with its fields.

    Args:
        text: name, then optionally a colon and field=value pairs with commas between them. Several names in one field are
            joined by "+"; "none" is the empty list: "morphoquant:mask_all_roles=down_proj+fc2". Several methods are joined by
            "+" as well and combined (`methods/composed.py`): "quarot:seed=1+mdqfo". "auto" is the recommended one.
        spec: that it will be used with; of it depends which one is recommended.

    Raises:
        UnknownNameError: no method has this name.
        SpecError: a field is unknown, given twice, or has a value that cannot be read, or methods cannot be combined.
    """
    if text.strip() == AUTO:
        text = RECOMMENDED_BY_TOKEN if spec is not None and spec.a_granularity == "token" else RECOMMENDED
    texts = _split(text)
    return _parse_one(texts[0]) if len(texts) == 1 else Composed(tuple(_parse_one(one) for one in texts))


def _split(text: str) -> list[str]:
    """The texts of combined methods. Behind a field's value "+" begins a method only if a method's name follows."""
    texts: list[str] = []
    for piece in text.split("+"):
        name = piece.partition(":")[0].partition(",")[0].strip()
        if texts and "=" in texts[-1] and name not in set(METHODS):
            texts[-1] += f"+{piece}"
        else:
            texts.append(piece)
    return texts


def _parse_one(text: str) -> Method:
    text = " ".join(text.split())  # errors stay on one line
    name, _, rest = text.partition(":")
    cls = METHODS[name.strip()]
    kinds = _kinds(cls)
    values: dict[str, Any] = {}
    for pair in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, value = (part.strip() for part in pair.partition("="))
        _known(name, key, kinds)
        if not equals or not value:
            raise SpecError(f'cannot read "{pair}" in method "{text}": expected field=value, for example "{key}=1".')
        if key in values:
            raise SpecError(f'method "{text}" says {key} twice: give each field once.')
        values[key] = _read(f"{name}.{key}", kinds[key], value)
    return cls(**values)


def make_method(name: str, values: Mapping[str, Any]) -> Method:
    """The method with the given fields, as `Method.options()` or a run's plan holds them.

    Raises:
        UnknownNameError: no method has this name.
        SpecError: a field is unknown.
    """
    if "+" in name:
        names = name.split("+")
        known = [f"{one}.{field}" for one in names for field in _kinds(METHODS[one])]
        for key in values:
            _known(name, key, known)
        parts = ({key.partition(".")[2]: values[key] for key in values if key.partition(".")[0] == one} for one in names)
        return Composed(tuple(make_method(one, part) for one, part in zip(names, parts, strict=True)))
    cls = METHODS[name]
    kinds = _kinds(cls)
    for key in values:
        _known(name, key, kinds)
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def describe_method(method: Method) -> str:
    """Text that `parse_method` reads back to an equal method: the fields that differ from their defaults."""
    if isinstance(method, Composed):
        return "+".join(describe_method(one) for one in method.methods)
    pairs = []
    for field in fields(method):
        value = getattr(method, field.name)
        if field.default is MISSING or value != field.default:
            pairs.append(f"{field.name}={written(value)}")
    return method.name + (":" + ",".join(pairs) if pairs else "")


def written(value: Any) -> str:
    """A field's value as `parse_method` reads it."""
    return ("+".join(value) or "none") if isinstance(value, list | tuple) else str(value).lower()


def _kinds(cls: type[Method]) -> dict[str, Any]:
    """Type of each field, `None` taken out of unions."""
    hints = get_type_hints(cls)
    kinds = {}
    for field in fields(cls):
        options = [kind for kind in get_args(hints[field.name]) if kind is not NoneType]
        optional = NoneType in get_args(hints[field.name])
        kinds[field.name] = options[0] if optional else hints[field.name]
    return kinds


def _known(name: str, key: str, kinds: Collection[str]) -> None:
    if key not in kinds:
        raise SpecError(f"method {name!r} has no field {key!r}:{_hint(key, kinds)} its fields are {', '.join(kinds) or 'none'}.")


def _read(where: str, kind: Any, text: str) -> Any:
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        if text not in choices:
            raise SpecError(f"{where} cannot be {text!r}:{_hint(text, choices)} allowed are {', '.join(choices)}.")
        return text
    if get_origin(kind) is tuple:
        return () if text == "none" else tuple(filter(None, text.split("+")))
    if kind is bool:
        if text.lower() not in _SWITCHES:
            raise SpecError(f"{where} cannot be {text!r}: allowed are true and false.")
        return _SWITCHES[text.lower()]
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise SpecError(f"{where} cannot be {text!r}: expected {wanted}.") from None


def _hint(text: str, known: Any) -> str:
    near = get_close_matches(text, list(known), n=1)
    return f" did you mean {near[0]!r}?" if near else ""
