"""A mixing bridge: who is in it, what its members are told about each other, which technology carries the sound.

The order of everything here is that of the recordings, which is that of Asterisk's `bridge_reconfigured`: first the
change is published, then the technology is chosen, then every member gets its BRIDGEPEER, then connected lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.asterisk.application import BRIDGE, Event
from bench.asterisk.channel import Channel
from bench.asterisk.media.leg import Player
from bench.asterisk.media.mixing import Mixer
from bench.asterisk.sounds import Source

if TYPE_CHECKING:
    from bench.asterisk.exchange import Exchange
    from bench.asterisk.media.leg import Leg

# BRIDGEPEER names no more members than this beside the channel itself.
NAMED_PEERS = 10


class Attendant:
    """A member that is nobody's call: announcer, recorder, music. Applications never see it as a channel."""

    def __init__(self, member_id: str, name: str, leg: Leg) -> None:
        self.id = member_id
        self.name = name
        self.leg = leg


Member = Channel | Attendant


class Bridge:
    def __init__(self, exchange: Exchange, bridge_id: str, name: str, holding: bool) -> None:
        self.exchange = exchange
        self.id = bridge_id
        self.name = name
        self.type = "holding" if holding else "mixing"
        self.technology = "holding_bridge" if holding else "simple_bridge"
        self.created = exchange.now()
        self.members: list[Member] = []
        self.variables: dict[str, str] = {}
        self.reported_variables: set[str] = set()
        self.dissolved = False
        self.music: tuple[Attendant, Player] | None = None
        self._mixer = Mixer(exchange.plane.clock, holding)

    def json(self) -> Event:
        shown: Event = {
            "id": self.id,
            "technology": self.technology,
            "bridge_type": self.type,
            "bridge_class": "stasis",
            "creator": "Stasis",
            "name": self.name,
            # Sorted: so it is in every recording, whoever joined first.
            "channels": sorted(member.id for member in self.members),
            "creationtime": self.created,
            "video_mode": "talker",
        }
        if self.reported_variables:
            shown["bridgevars"] = {name: self.variables[name] for name in sorted(self.reported_variables)}
        return shown

    def publish(self, kind: str, **fields: Any) -> None:
        event = {**fields, "type": kind, "timestamp": self.exchange.now(), "bridge": self.json()}
        self.exchange.publish(BRIDGE, self.id, event)

    @property
    def channels(self) -> list[Channel]:
        return [member for member in self.members if isinstance(member, Channel)]

    def join(self, member: Member, tell_lines: bool = True) -> None:
        """tell_lines: whether the members of a two-party bridge learn each other's number"""
        self.members.append(member)
        if isinstance(member, Channel):
            member.bridge = self
            member.stop_music()
            self.publish("ChannelEnteredBridge", channel=member.json())
        with self.exchange.plane.lock:
            self._mixer.join(member.leg)
        self._reconfigure(joined=member, tell_lines=tell_lines)
        for channel in self.channels:
            channel.leg.bridged([other.id for other in self.channels if other is not channel])

    def leave(self, member: Member) -> None:
        """The member is no longer here. A channel keeps its state; only its bridge variables go."""
        self._prepare_to_leave(member)
        self._pull(member)
        if not self.dissolved:
            self._reconfigure(joined=None, tell_lines=True)

    def start_music(self, source: Source) -> None:
        """Music for all members, by an announcer of its own."""
        self.stop_music()
        plane = self.exchange.plane
        leg = self.exchange.speaker()
        attendant = self.exchange.add_attendant("Announcer/ARI_MOH", leg)
        self.join(attendant)
        with plane.lock:
            self.music = (attendant, Player(plane.clock, leg.deliver, source, lambda: None))

    def stop_music(self) -> bool:
        """False if there was none."""
        if self.music is None:
            return False
        attendant, player = self.music
        self.music = None
        with self.exchange.plane.lock:
            player.stop()
        self.leave(attendant)
        return True

    def dissolve(self) -> None:
        """All members leave and go on with their lives."""
        self.dissolved = True
        leaving = list(self.members)
        for member in leaving:
            self._prepare_to_leave(member)
        for member in leaving:
            self._pull(member)

    def _prepare_to_leave(self, member: Member) -> None:
        if isinstance(member, Channel):
            member.leaves_bridge_because()
            member.set_bridge_peer(None, None)

    def _pull(self, member: Member) -> None:
        with self.exchange.plane.lock:
            self._mixer.leave(member.leg)
        self.members.remove(member)
        if isinstance(member, Channel):
            self.publish("ChannelLeftBridge", channel=member.json())
            member.bridge = None
            if member.session is not None:
                member.session.left_bridge(self)

    def _reconfigure(self, joined: Member | None, tell_lines: bool) -> None:
        if self.type != "mixing":
            return
        technology = "softmix" if len(self.members) > 2 else "simple_bridge"
        if technology != self.technology:
            self.technology = technology
            if joined is not None:
                # While the others are moved to the new technology, the newcomer stands first (recordings: BRIDGEPEER
                # lists the third member before the two that were there).
                self.members.remove(joined)
                self.members.insert(0, joined)
        self.tell_peers()
        if tell_lines and technology == "simple_bridge" and len(self.members) == 2:
            self._tell_lines()

    def tell_peers(self) -> None:
        """Every channel's BRIDGEPEER, anew."""
        if len(self.members) < 2:
            return
        if len(self.members) == 2:
            first, second = self.members
            for member, peer in ((first, second), (second, first)):
                if isinstance(member, Channel):
                    call = peer.protocol_id if isinstance(peer, Channel) else ""
                    member.set_bridge_peer(peer.name, call or None)
            return
        named = self.members[: NAMED_PEERS + 1]
        for member in self.members:
            if isinstance(member, Channel):
                member.set_bridge_peer(",".join(other.name for other in named if other is not member), None)

    def _tell_lines(self) -> None:
        first, second = self.members
        if not isinstance(first, Channel) or not isinstance(second, Channel):
            return
        if first.hung_up.is_set() or second.hung_up.is_set():
            return
        second.connected_to(first.caller)
        first.connected_to(second.caller)
