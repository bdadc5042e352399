"""Q.850 hang-up causes, as Asterisk names them, and what ARI and SIP make of them."""

from __future__ import annotations

NORMAL_CLEARING = 16
NO_ANSWER = 19

# Source: Asterisk's own table of cause texts; only those that a voice agent can meet.
CAUSE_TEXT = {
    0: "Unknown",
    1: "Unallocated (unassigned) number",
    3: "No route to destination",
    16: "Normal Clearing",
    17: "User busy",
    18: "No user responding",
    19: "User alerting, no answer",
    20: "Subscriber absent",
    21: "Call Rejected",
    22: "Number changed",
    26: "Answered elsewhere",
    27: "Destination out of order",
    28: "Invalid number format",
    31: "Normal, unspecified",
    34: "Circuit/channel congestion",
    38: "Network out of order",
    41: "Temporary failure",
    42: "Switching equipment congestion",
    44: "Requested channel not available",
    58: "Bearer capability not available",
    88: "Incompatible destination",
    102: "Recover on timer expiry",
    127: "Interworking, unspecified",
}

# `reason` of DELETE /channels/{channelId}.
REASONS = {
    "normal": 16,
    "busy": 17,
    "congestion": 34,
    "no_answer": 19,
    "timeout": 18,
    "rejected": 21,
    "unallocated": 1,
    "normal_unspecified": 31,
    "number_incomplete": 28,
    "codec_mismatch": 58,
    "interworking": 127,
    "failure": 38,
    "answered_elsewhere": 26,
}

# The `dialstatus` with which an outbound call ends before it is answered; every other cause says NOANSWER. Source:
# recordings, and the same table in Asterisk's dialling.
DIAL_STATUS = {17: "BUSY", 34: "CONGESTION", 3: "CHANUNAVAIL", 20: "CHANUNAVAIL"}
# The SIP status with which a phone refuses a call, where it differs from the table below (recordings).
REFUSAL = {21: 603}

# The SIP status that a PJSIP channel is hung up with; its `tech_cause`. 16 has none.
SIP_STATUS = {
    1: 404,
    3: 404,
    17: 486,
    18: 408,
    19: 480,
    20: 480,
    21: 403,
    22: 410,
    27: 502,
    28: 484,
    31: 480,
    34: 503,
    38: 500,
    42: 503,
    58: 488,
    127: 500,
}


def cause_text(cause: int) -> str:
    return CAUSE_TEXT.get(cause, "Unknown")


def dial_status(cause: int) -> str:
    return DIAL_STATUS.get(cause, "NOANSWER")
