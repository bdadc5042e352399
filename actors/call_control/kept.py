"""A call as it is kept on disk until it is over: its session, and the commands that have not been answered.

JSON, so that a version that knows a field more or less can read it: what it does not know is left out, what is missing
has its default.
"""

from typing import Any, TypeVar, Union

import msgspec

from actors.call_control import commands
from actors.call_control.chronicle import Redaction
from actors.call_control.commands import Abandon, Command, Judge, Note, Reply, Tell
from actors.call_control.sessions import Session
from ipc.history import plain

S = TypeVar("S", bound=msgspec.Struct)

AT_ONCE = (Note, Tell, Judge, Reply, Abandon)
"""Commands that are not answered."""

_COMMANDS = tuple(
    kind for kind in vars(commands).values() if isinstance(kind, type) and issubclass(kind, Command) and kind != Command
)


class Kept(msgspec.Struct, frozen=True, array_like=True):
    session: Session
    waiting: tuple[Command, ...] = ()
    """Commands that have not been answered: they may have been carried out, or not."""


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[tuple[Session, tuple[Command, ...]]] = msgspec.json.Decoder(
    tuple[Session, tuple[Union[_COMMANDS], ...]]  # type: ignore[valid-type]  # noqa: UP007 (made at run time)
)


def encoded(kept: Kept) -> bytes:
    try:
        return _encoder.encode(kept)
    except UnicodeEncodeError:  # half a surrogate pair, in what came from outside
        return _encoder.encode(printable(msgspec.to_builtins(kept)))


def decoded(kept: bytes) -> Kept:
    """Raises `msgspec.DecodeError` for what another version of this program has written, and this one cannot read."""
    return Kept(*_decoder.decode(kept))


def masked(kept: Kept, redaction: Redaction) -> Kept:
    """As it may be written. Who goes on with it asks Asterisk for number and name, where they are needed."""
    if not (redaction.numbers or redaction.names):
        return kept
    session = kept.session
    hidden = {
        "caller_number": redaction.number(session.caller_number),
        "caller_name": redaction.name(session.caller_name),
    }
    if redaction.numbers:
        hidden |= {"number": hidden["caller_number"], "endpoint": ""}
    outbound = with_values(session.outbound, hidden) if session.outbound is not None else None
    session = msgspec.structs.replace(with_values(session, hidden), outbound=outbound)
    return Kept(session, tuple(with_values(command, hidden) for command in kept.waiting))


def with_values(struct: S, values: dict[str, str]) -> S:
    """With these values in the fields of these names, as far as it has them."""
    return msgspec.structs.replace(struct, **{key: values[key] for key in struct.__struct_fields__ if key in values})


def printable(value: Any) -> Any:
    """The same with every text made printable."""
    match value:
        case str():
            return plain(value)
        case dict():
            return {plain(key): printable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [printable(inner) for inner in value]
        case _:
            return value
