"""Check the file's tree against the schema, all of it at once, with pydantic.

The models are made from the dataclasses of `bcss.config.schema`, so that no name is written
twice; what a field's type cannot say (lengths, addresses, references) stands in `_READERS`.
"""

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    create_model,
)
from pydantic import Field as ModelField

from bcss.config import schema, values

# pydantic would search every installed package for plugins of its own, which costs start-up time
# and runs code that has no business near the configuration.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

Place = tuple[str | int, ...]
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at one place of the file."""

    place: Place
    text: str


_READERS: Mapping[tuple[type, str], Callable[[object], Any]] = {
    (schema.Config, "name"): values.pattern("a name of letters, digits, dots and dashes", _NAME),
    (schema.BusinessCentral, "tenant"): values.pattern(
        "a domain name or id of a tenant", r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}"
    ),
    (schema.BusinessCentral, "environment"): values.pattern(
        "the name of an environment", r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
    ),
    (schema.BusinessCentral, "company"): values.text_up_to(100),
    (schema.BusinessCentral, "client_id"): values.pattern("a client id", r"[!-~]{1,100}"),
    (schema.BusinessCentral, "api_url"): values.url,
    (schema.BusinessCentral, "authority"): values.url,
    (schema.Certificate, "thumbprint"): values.pattern(
        "a thumbprint of 40 or 64 hexadecimal digits", r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}"
    ),
    (schema.ShipStation, "account"): values.pattern(
        "a label of letters, digits, dots and dashes", _NAME
    ),
    (schema.ShipStation, "api_url"): values.url,
    (schema.ShipStation, "v2_api_url"): values.url,
    (schema.ShipStation, "requests_per_minute"): values.whole(1, 10_000),
    (schema.Items, "variant_separator"): values.pattern(
        "one to three signs that are not blank", r"[!-~]{1,3}"
    ),
    (schema.Items, "catalog_store"): values.whole(1, 10**15),
    (schema.ItemAlias, "item"): values.code(31),
    (schema.ItemAlias, "variant"): values.code(10),
    (schema.ItemAlias, "unit"): values.code(10),
    (schema.KitPart, "item"): values.code(31),
    (schema.KitPart, "variant"): values.code(10),
    (schema.KitPart, "quantity"): values.quantity,
    (schema.KitPart, "share"): values.quantity,
    (schema.StoreRule, "customer"): values.customer,
    (schema.StoreRule, "currency"): values.pattern("a currency such as USD", r"[A-Z]{3}"),
    (schema.StoreRule, "shipping"): values.target(),
    (schema.StoreRule, "discount"): values.target(("spread",)),
    (schema.StoreRule, "adjustments"): values.target(),
    (schema.StoreRule, "tax"): values.target(("excluded", "business_central")),
    (schema.StoreRule, "tax_code"): values.code(20),
    (schema.StoreRule, "location"): values.code(10),
    (schema.StoreRule, "salesperson"): values.code(20),
    (schema.StoreRule, "payment_terms"): values.code(10),
    (schema.StoreRule, "dimensions"): values.dimensions,
    (schema.Orders, "countries"): values.translations(10),
    (schema.Orders, "states"): values.translations(30),
    (schema.Orders, "first_run_limit"): values.whole(0, 1_000_000),
    (schema.Orders, "marker"): values.marker,
    (schema.Agent, "agent"): values.code(10),
    (schema.Webhooks, "listen"): values.listen,
    (schema.Webhooks, "public_url"): values.url,
}
# Other names in the file than in the dataclass.
_FILE_NAMES: Mapping[tuple[type, str], str] = {
    (schema.Kit, "components"): "kit",
    (schema.Kit, "since"): "from",
    (schema.ItemAlias, "since"): "from",
}
# What the loader knows and the file does not say.
_NOT_IN_FILE = {(schema.Config, "path"), (schema.Config, "digest"), (schema.Config, "notes")}
_BY_TYPE: Mapping[Any, Callable[[object], Any]] = {
    Decimal: values.amount,
    bool: values.truth,
    timedelta: values.duration,
    date: values.day,
    ZoneInfo: values.zone,
    str: values.text_up_to(100),
}


@dataclass(frozen=True, slots=True)
class Context:
    """What readers of references and paths need to know besides the text."""

    connection: str
    folder: Path
    vault: Path | None = None

    def place(self, text: str) -> Path:
        """Read a path: `~` is the home folder, anything relative starts at the file's folder."""
        try:
            return self.folder / Path(text).expanduser()
        except RuntimeError:
            raise values.expected("a path on this machine", text) from None


_Info = ValidationInfo[Context]


def validate(tree: object, context: Context) -> Mapping[str, Any] | list[Problem]:
    """Return the arguments of `Config` that stand in the file, or every problem."""
    try:
        model: BaseModel = _root().validate_python(tree, context=context)
    except ValidationError as error:
        return [_problem(entry) for entry in error.errors(include_url=False)]
    return {name: getattr(model, name) for name in type(model).model_fields}


@cache
def _root() -> TypeAdapter[BaseModel]:
    edge: Any = Annotated[_model(schema.Config, ()), BeforeValidator(_without_blanks)]
    return TypeAdapter(edge)


# The keys that may stand at a place; "*" is any key of a mapping and any position of a list.
_KEYS: dict[tuple[str, ...], tuple[str, ...]] = {}


def _model(cls: type, place: tuple[str, ...]) -> type[BaseModel]:
    hints = get_type_hints(cls, include_extras=False)
    own = {f.name: f for f in fields(cls) if (cls, f.name) not in _NOT_IN_FILE}
    members: dict[str, Any] = {}
    for name, member in own.items():
        key = _FILE_NAMES.get((cls, name), name)
        reader = _READERS.get((cls, name))
        kind = _plain(reader) if reader else _edge(hints[name], (*place, key))
        members[name] = (kind, ModelField(alias=key, **_default(cls, member, hints[name])))
    known = tuple(_FILE_NAMES.get((cls, name), name) for name in own)
    _KEYS[place] = tuple(dict.fromkeys((*_KEYS.get(place, ()), *known)))
    return create_model(
        cls.__name__, __config__=ConfigDict(extra="forbid", defer_build=True), **members
    )


def _default(cls: type, member: "Field[Any]", hint: Any) -> dict[str, Any]:
    if hint is schema.SecretRef and cls is not schema.Certificate:
        return {"default": "keyring:", "validate_default": True}
    if member.default is not MISSING:
        return {"default": member.default}
    if member.default_factory is not MISSING:
        return {"default_factory": member.default_factory}
    return {}


def _edge(hint: Any, place: tuple[str, ...]) -> Any:
    if get_origin(hint) in {Union, UnionType}:
        return _edge_of_union(tuple(a for a in get_args(hint) if a is not NoneType), place)
    if get_origin(hint) is Literal:
        return _plain(values.one_of(get_args(hint)))
    if get_origin(hint) is tuple:
        member: Any = _edge(get_args(hint)[0], (*place, "*"))
        return Annotated[tuple[member, ...], BeforeValidator(_bounded_list)]
    if isinstance(hint, type):
        return _edge_of_class(hint, place)
    key, value = get_args(hint)
    return _edge_of_mapping(key, value, place)


def _edge_of_class(cls: type, place: tuple[str, ...]) -> Any:
    if cls is schema.SecretRef:
        return Annotated[Any, PlainValidator(_secret_reader(".".join(place)))]
    if cls is Path:
        return Annotated[Any, PlainValidator(_read_path)]
    if issubclass(cls, StrEnum):
        words = values.one_of(tuple(member.value for member in cls))
        return _plain(lambda value: cls(words(value)))
    if is_dataclass(cls):
        return _section(cls, place)
    return _plain(_BY_TYPE[cls])


def _section(cls: type, place: tuple[str, ...]) -> Any:
    """Make the edge type of a dataclass: a model that is turned into the dataclass."""
    model = _model(cls, place)

    def build(read: BaseModel) -> Any:
        return cls(**{name: getattr(read, name) for name in model.model_fields})

    return Annotated[model, BeforeValidator(_without_blanks), AfterValidator(build)]


def _edge_of_mapping(key: Any, value: Any, place: tuple[str, ...]) -> Any:
    read_key: Any = _plain(values.whole(0, 10**15) if key is int else values.text_up_to(100))
    if get_args(value) == get_args(schema.StoreRule | schema.Ignored):
        inner: Any = _store(_section(schema.StoreRule, (*place, "*")))
    elif get_args(value) == get_args(schema.SkuRule):
        alias, kit = (_section(c, (*place, "*")) for c in (schema.ItemAlias, schema.Kit))
        inner = _sku(alias, kit)
    elif value is str:
        inner = _plain(values.code(10))
    else:
        inner = _edge(value, (*place, "*"))
    return Annotated[dict[read_key, inner], BeforeValidator(_blank_is_empty)]


def _edge_of_union(kinds: tuple[Any, ...], place: tuple[str, ...]) -> Any:
    """Make the edge type of an optional setting; other unions have readers of their own."""
    (kind,) = kinds
    return _edge(kind, place)


def _plain(reader: Callable[[object], Any]) -> Any:
    return Annotated[Any, PlainValidator(reader)]


def _secret_reader(slot: str) -> Callable[[object, _Info], schema.SecretRef]:
    def read(value: object, info: _Info) -> schema.SecretRef:
        scheme, rest = values.secret(value)
        if scheme == "file":
            rest = str(info.context.place(rest))
        return schema.SecretRef(scheme, rest, slot, info.context.connection, info.context.vault)

    return read


def _read_path(value: object, info: _Info) -> Path:
    place: Path = info.context.place(values.text_up_to(1000, "a path")(value))
    return place


def _store(section: Any) -> Any:
    adapter: TypeAdapter[schema.StoreRule] = TypeAdapter(section)

    def read(value: object, info: _Info) -> schema.StoreRule | schema.Ignored:
        if isinstance(value, Mapping):
            return adapter.validate_python(value, context=info.context)
        if value == "ignore":
            return schema.IGNORED
        raise values.expected("a section of rules, or ignore", value)

    return Annotated[Any, PlainValidator(read)]


def _sku(alias: Any, kit: Any) -> Any:
    aliases: TypeAdapter[schema.ItemAlias] = TypeAdapter(alias)
    kits: TypeAdapter[schema.Kit] = TypeAdapter(kit)

    def read(value: object, info: _Info) -> schema.SkuRule:
        if isinstance(value, str):
            return schema.ItemAlias(values.code(31)(value))
        if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            return schema.Dated(tuple(section(one, info) for one in value))
        if not isinstance(value, Mapping):
            raise values.expected("an item number, {item: NUMBER} or {kit: [...]}", value)
        return section(value, info)

    def section(value: object, info: _Info) -> schema.ItemAlias | schema.Kit:
        if isinstance(value, Mapping) and "kit" in value:
            return kits.validate_python(value, context=info.context)
        return aliases.validate_python(value, context=info.context)

    return Annotated[Any, PlainValidator(read)]


def _without_blanks(value: object) -> object:
    """Treat a key without value as not given, and a section without keys as all defaults."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return {key: entry for key, entry in value.items() if entry is not None}
    raise values.expected("a section", value)


def _blank_is_empty(value: object) -> object:
    if value is not None and not isinstance(value, Mapping):
        raise values.expected("a section", value)
    return {} if value is None else value


def _bounded_list(value: object) -> tuple[object, ...]:
    if not isinstance(value, list) or not value:
        raise values.expected("a list", value)
    return tuple(value)


def _problem(entry: Any) -> Problem:
    place: Place = tuple(part for part in entry["loc"] if part != "[key]")
    match entry["type"]:
        case "missing":
            return Problem(place, "is missing")
        case "extra_forbidden":
            return Problem(place, f"unknown key{_nearest(place)}")
        case "value_error":
            return Problem(place, f"{entry['ctx']['error']}{_nearest_word(entry)}")
        case _:
            return Problem(place, str(entry["msg"])[:200].lower())


def _nearest(place: Place) -> str:
    known = _known_keys(place[:-1])
    close = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.6)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; known here: {', '.join(known)}"


def _known_keys(place: Place) -> tuple[str, ...]:
    for shape, keys in _KEYS.items():
        if len(shape) == len(place) and all(
            want in ("*", part) for want, part in zip(shape, place, strict=True)
        ):
            return keys
    return ()


def _nearest_word(entry: Any) -> str:
    """Suggest the word that was probably meant, where one of a few words was expected."""
    said, value = str(entry["ctx"]["error"]), entry["input"]
    if not isinstance(value, str) or not said.startswith("expected "):
        return ""
    words = said.removeprefix("expected ").rsplit(", got ", 1)[0].replace(" or ", ", ").split(", ")
    close = difflib.get_close_matches(value, words, n=1, cutoff=0.7) if len(words) > 1 else []
    return f'; did you mean "{close[0]}"?' if close else ""
