"""What can go wrong with a request to Asterisk. Each text is a sentence for the operator."""


class AriError(Exception):
    """A request that did not succeed."""

    def __init__(self, text: str, *, repeated: bool = False) -> None:
        super().__init__(text)
        self.repeated = repeated
        """True when the request had been sent once before, without an answer: it may have been done then."""


class Unreachable(AriError):
    """No connection: nothing was done."""


class Untrusted(Unreachable):
    """Asterisk's certificate is not one that we may trust."""


class NoReply(AriError):
    """No answer in time, or the connection broke: it may have been done."""


class WrongPassword(AriError):
    """401."""


class Forbidden(AriError):
    """403: a read-only user, or an access list."""


class NotFound(AriError):
    """404: the channel, bridge, variable or application of the URL is not there."""


class Conflict(AriError):
    """409: it exists already, or exists but is not in a Stasis application."""


class Invalid(AriError):
    """Any other 4xx: 400 wrong parameter, or no such channel (addChannel), 412 wrong state, 422 not in Stasis."""


class Broken(AriError):
    """5xx. An originate that cannot be set up is a 500 "Allocation failed"."""


class Starting(Broken):
    """503 for as long as we were willing to wait: nothing was done."""


BY_STATUS = {401: WrongPassword, 403: Forbidden, 404: NotFound, 409: Conflict}


def of_status(status: int) -> type[AriError]:
    return BY_STATUS.get(status, Broken if status >= 500 else Invalid)
