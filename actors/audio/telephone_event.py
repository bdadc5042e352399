"""Key presses in RTP packets of their own (RFC 4733): which of them is a new key.

A press is sent in many packets that all bear the time stamp of its beginning; the last of them, with the end bit, comes
three times. Any of them may be lost. So a key counts once, with the first packet of its end, or, where all of these
were lost, when the next one begins or nothing more comes. Pure: it is told the time.
"""

DIGITS = "0123456789*#ABCD"
OVER_NS = 200_000_000
"""A key of which nothing has come for so long was let go: its packets come every 20 to 50 ms."""
_END = 0x80
_BYTES = 4


class KeyPresses:
    """The events of one RTP source, in the order in which they come."""

    def __init__(self) -> None:
        self._begun: int | None = None
        """Time stamp of the press that was heard of last."""
        self._digit = ""
        """Its key, as long as it has not been counted."""
        self._last_ns = 0

    def take(self, timestamp: int, payload: bytes, now_ns: int) -> str:
        """The keys that are complete with this packet: "" mostly, sometimes two. Tones that are no keys count for
        nothing; so does a payload that is too short. A packet that was overtaken by the next press is stale."""
        if len(payload) < _BYTES or payload[0] >= len(DIGITS):
            return ""
        keys = ""
        self._last_ns = now_ns
        if timestamp != self._begun:
            if self._begun is not None and (timestamp - self._begun) & 0xFFFFFFFF > 1 << 31:
                return ""
            keys, self._begun, self._digit = self._digit, timestamp, DIGITS[payload[0]]
        if payload[1] & _END:
            keys += self._digit
            self._digit = ""
        return keys

    def overdue(self, now_ns: int) -> str:
        """The key whose end will not be heard of any more, or ""."""
        if not self._digit or now_ns - self._last_ns < OVER_NS:
            return ""
        digit, self._digit = self._digit, ""
        return digit
