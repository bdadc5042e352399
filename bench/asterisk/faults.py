"""Failing on command: what goes wrong with a request, an event or a media leg, decided by a plan.

    class OnlyOnce(Plan):
        def request(self, method, path, query):
            return Reply(500) if path.endswith("/answer") else None

    asterisk.faults = Faults(OnlyOnce())
    asterisk.faults = Faults.random(seed=7, requests=0.05, events=0.01, media=0.05)

Without a plan nothing is asked. Everything done is kept in `Faults.log`, for a failing test to print. The random plan
gives the same fate to the same seed, kind of request and number: its n-th `POST /channels/*/answer` fails or does not
fail whatever else goes on at the same time, so a seed repeats a failure as far as the order of calls repeats itself.
"""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Event = dict[str, Any]
LOG_KEPT = 20_000
# The last word of a path that is an operation and not an id.
OPERATIONS = frozenset({
    "addChannel", "answer", "continue", "control", "copy", "dial", "dtmf", "eventFilter", "externalMedia", "file",
    "hold", "info", "live", "moh", "move", "mute", "pause", "ping", "play", "progress", "record", "redirect",
    "removeChannel", "ring", "rtp_statistics", "silence", "snoop", "stop", "stored", "subscription", "variable",
    "variables",
})  # fmt: skip


class Reply(NamedTuple):
    """Asterisk answers this. `done`: it has also done what was asked. Without a body: its usual message."""

    status: int
    body: Any = None
    done: bool = False


class Delay(NamedTuple):
    """The answer, or the event and all behind it, comes so much later. A request has been carried out by then,
    unless `before`."""

    seconds: float
    before: bool = False


class Cut(NamedTuple):
    """The connection breaks before the answer; `done`: what was asked has been done all the same."""

    done: bool = False


RequestFault = Reply | Delay | Cut | None
EventFault = Delay | Literal["lose", "duplicate", "cut"] | None


class Plan:
    """Nothing goes wrong. Override what shall."""

    def request(self, method: str, path: str, query: Mapping[str, str]) -> RequestFault:
        """path: behind /ari, as "/channels/1.2/answer"."""
        return None

    def event(self, event: Event) -> EventFault:
        """Before it is sent to one application. "cut": its WebSocket breaks instead, and the event is lost."""
        return None

    def media(self, channel_id: str) -> float | None:
        """Asked when a media leg is connected: after how many seconds its connection breaks, None = never."""
        return None


class Random(Plan):
    """rates: between 0 and 1; see `Faults.random`"""

    REQUEST_FAULTS = ("404", "409", "500", "503", "late", "very late", "cut", "cut, done", "500, done")

    def __init__(self, seed: int, rates: Mapping[str, float], slow_s: float, spared: frozenset[str]) -> None:
        self._seed = seed
        self._rates = rates
        self._slow_s = slow_s
        self._spared = spared
        self._count: Counter[str] = Counter()

    def _dice(self, what: str) -> random.Random:
        self._count[what] += 1
        return random.Random(f"{self._seed} {what} {self._count[what]}")

    def request(self, method: str, path: str, query: Mapping[str, str]) -> RequestFault:
        kind = f"{method} {shape(path)}"
        if self._rates["requests"] == 0 or kind in self._spared:
            return None
        dice = self._dice(kind)
        if dice.random() >= self._rates["requests"]:
            return None
        match dice.choice(self.REQUEST_FAULTS):
            case "late":
                return Delay(dice.uniform(0, self._slow_s))
            case "very late":
                return Delay(dice.uniform(self._slow_s, 3 * self._slow_s), before=True)
            case "cut":
                return Cut()
            case "cut, done":
                return Cut(done=True)
            case "500, done":
                return Reply(500, done=True)
            case status:
                return Reply(int(status))

    def event(self, event: Event) -> EventFault:
        if self._rates["events"] == self._rates["sockets"] == 0 or event["type"] in self._spared:
            return None
        dice = self._dice(str(event["type"]))
        chance = dice.random()
        if chance < self._rates["sockets"]:
            return "cut"
        if chance - self._rates["sockets"] >= self._rates["events"]:
            return None
        fault = dice.choice(("lose", "duplicate", "late"))
        return Delay(dice.uniform(0, self._slow_s)) if fault == "late" else "lose" if fault == "lose" else "duplicate"

    def media(self, channel_id: str) -> float | None:
        if self._rates["media"] == 0:
            return None
        dice = self._dice("media leg")
        return dice.uniform(0, 2 * self._slow_s) if dice.random() < self._rates["media"] else None


class Faults:
    """A plan, and the log of what it did.

    log: one line each, oldest first, with the seconds since the beginning
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.log: deque[str] = deque(maxlen=LOG_KEPT)
        self._began_s = time.monotonic()

    @classmethod
    def random(
        cls,
        seed: int,
        requests: float = 0.0,
        events: float = 0.0,
        media: float = 0.0,
        sockets: float = 0.0,
        slow_s: float = 0.5,
        spared: frozenset[str] = frozenset(),
    ) -> Faults:
        """requests, events, media: which share of them goes wrong, 0 to 1
        sockets: at which share of events the events WebSocket breaks
        slow_s:  late answers and events are late by up to this, some requests by up to three times as much
        spared:  kinds of requests ("POST /channels/*/answer", see `shape`) and types of events that go well always
        """
        rates = {"requests": requests, "events": events, "media": media, "sockets": sockets}
        return cls(Random(seed, rates, slow_s, spared))

    def request(self, method: str, path: str, query: Mapping[str, str]) -> RequestFault:
        fault = self.plan.request(method, path, query)
        if fault is not None:
            self.note(f"{method} {path}: {fault}")
        return fault

    def event(self, event: Event) -> EventFault:
        fault = self.plan.event(event)
        if fault is not None:
            about = event.get("channel") or event.get("bridge") or event.get("playback") or event.get("peer") or {}
            self.note(f"{event['type']} of {about.get('id', '?')}: {fault}")
        return fault

    def media(self, channel_id: str) -> float | None:
        seconds = self.plan.media(channel_id)
        if seconds is not None:
            self.note(f"media leg {channel_id}: breaks {seconds:.3f} s after it came")
        return seconds

    def note(self, what: str) -> None:
        self.log.append(f"{time.monotonic() - self._began_s:9.3f} s  {what}")

    def text(self) -> str:
        return "\n".join(self.log) or "nothing has failed on command"


def shape(path: str) -> str:
    """The kind of a path: ids replaced by stars, "/bridges/*/addChannel"."""
    head, *rest = path.strip("/").split("/")
    return "/".join(("", head, *(word if word in OPERATIONS else "*" for word in rest)))
