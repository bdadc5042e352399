"""Why somebody who was called did not talk, in a word for agent and operator, by the Q.850 cause of the end."""

REASONS = {
    1: "there is no such number",
    3: "there is no such number",
    16: "hung up",
    17: "busy",
    18: "no answer",
    19: "no answer",
    20: "not reachable",
    21: "declined",
    22: "the number has changed",
    27: "not reachable",
    28: "there is no such number",
    31: "hung up",
    34: "no line is free",
    38: "not reachable",
    42: "no line is free",
    44: "no line is free",
    58: "no line is free",
    127: "not reachable",
}
"""Causes of ITU-T Q.850 that Asterisk uses (include/asterisk/causes.h)."""


STATUSES = {
    "BUSY": "busy",
    "NOANSWER": "no answer",
    "CONGESTION": "no line is free",
    "CHANUNAVAIL": "not reachable",
}
"""Of Asterisk's event Dial, where the cause says nothing."""


def unreached(cause: int, text: str, status: str = "") -> str:
    """`text` is Asterisk's own, for causes that are not listed. status: that of the last Dial event."""
    return REASONS.get(cause) or STATUSES.get(status) or text or "not reachable"
