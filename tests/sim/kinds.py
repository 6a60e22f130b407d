"""What a scenario may hold, kind by kind, and what one does hold: each as (where it is declared, field, kind or word).

Invariant: all laws of chance count as one field, wherever one stands; a number or a text is only told to be given.
"""

from collections.abc import Iterator
from typing import get_args

from msgspec import Struct, inspect

from sim.laws import Law

Kind = tuple[str, str, object]
LAWS = frozenset(get_args(Law))


def kinds_possible(whole: type[Struct]) -> set[Kind]:
    """Everything that a value of this type may hold."""
    found: set[Kind] = set()
    _gather(inspect.type_info(whole), found, set())
    return found


def _gather(info: inspect.Type, found: set[Kind], seen: set[type]) -> None:
    for one in _parts(info):
        if isinstance(one, inspect.StructType) and one.cls not in seen:
            seen.add(one.cls)
            for field in one.fields:
                found |= {_kind(one.cls, field.name, name) for name in _names(field.type)}
                _gather(field.type, found, seen)


def _parts(info: inspect.Type) -> Iterator[inspect.Type]:
    """A type, without what is wrapped around it: all of a union, and the items of a sequence."""
    match info:
        case inspect.Metadata():
            yield from _parts(info.type)
        case inspect.UnionType():
            for one in info.types:
                yield from _parts(one)
        case inspect.VarTupleType():
            yield from _parts(info.item_type)
        case _:
            yield info


def _names(info: inspect.Type) -> set[object]:
    parts, found = list(_parts(info)), set[object]()
    for one in parts:
        match one:
            case inspect.LiteralType():
                found |= set(one.values)
            case inspect.BoolType():
                found |= {True, False}
            case inspect.StructType():
                found.add(one.cls)
            case inspect.NoneType():
                found.add(None)
            case _ if len(parts) > 1:
                found.add("given")
            case _:
                pass
    return found


def kinds_held(value: object) -> set[Kind]:
    """Everything that a value holds."""
    found: set[Kind] = set()
    parts = value if isinstance(value, tuple) else (value,)
    for struct in (part for part in parts if isinstance(part, Struct)):
        for field in struct.__struct_fields__:
            held = getattr(struct, field)
            found |= {_kind(type(struct), field, name) for name in _held(held)} | kinds_held(held)
    return found


def _held(value: object) -> set[object]:
    if isinstance(value, tuple) and any(isinstance(part, Struct) for part in value):
        return {type(part) for part in value}
    if isinstance(value, Struct):
        return {type(value)}
    return {value} if value is None or isinstance(value, bool) else {value, "given"}


def _kind(struct: type[Struct], field: str, name: object) -> Kind:
    if name in LAWS:
        return "Law", "law", name
    ancestors = [one for one in reversed(struct.__mro__) if issubclass(one, Struct) and one is not Struct]
    first = next(one for one in ancestors if field in one.__struct_fields__)
    return first.__name__, field, name
