"""UUIDs of media connections that we ask Asterisk for: told apart from any that a dialplan makes.

They are of version 8, which RFC 9562 leaves to the application; `UUID()` in a dialplan and uuidgen make versions 1 and
4. So a connection of ours that comes late, when its call is gone, is never mistaken for a call from the dialplan.
"""

import secrets
import uuid

_MARK = b"ringmast"
"""Eight of the sixteen bytes, so that another program's version 8 is not taken for ours. The rest is chance: 2**62."""


def make() -> str:
    raw = bytearray(_MARK + secrets.token_bytes(8))
    raw[6] = 0x80 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    return str(uuid.UUID(bytes=bytes(raw)))


def is_ours(media_uuid: str) -> bool:
    """False for anything that is no UUID, too."""
    try:
        raw = uuid.UUID(media_uuid).bytes
    except ValueError:
        return False
    return raw[:6] == _MARK[:6] and raw[6] == 0x80 | _MARK[6] & 0x0F and raw[7] == _MARK[7]
