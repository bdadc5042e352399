"""The stand-in as one object: start it, dial, break it, stop it."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.asterisk.ari.server import Credentials, Server
from bench.asterisk.channel import Location, Party
from bench.asterisk.dialing import call_in, make_phone
from bench.asterisk.exchange import Exchange, Watcher
from bench.asterisk.faults import Faults
from bench.asterisk.lines import Dialplan, location_of
from bench.asterisk.media.clock import Lateness
from bench.asterisk.media.lending import Studio
from bench.asterisk.media.weather import Weather
from bench.asterisk.phone import Endpoint, Phone
from bench.asterisk.recording import StoredRecording
from bench.asterisk.release import LATEST, Release

# The documentation range of EUI-48; the recordings have it too.
ASTERISK_ID = "00:00:5e:00:53:01"


class Asterisk:
    """A running stand-in is bound to the event loop that started it; its media runs in two threads of its own.

        async with Asterisk({"inbound": {"1000": [Stasis("agent")]}}, port=0) as asterisk:
            phone = asterisk.dial("1000")
            await phone.answered.wait()

    dialplan: context -> extension -> lines
    host:     a loopback address, nothing else is accepted
    port:     of ARI; 0 = a free one, see `url`
    sounds:   name after `sound:` -> 8 kHz PCM or a file
    media:    who speaks and hears on AudioSocket instead of the phones, see `media.lending`
    version:  which Asterisk it is, "22.11.0-rc1"; operations and features that it has not are not there
    missing:  modules that are not loaded, as "chan_websocket"; what needs them fails as the real one does
    tls:      ARI is https then; media over WebSocket is not to be had over it
    hints:    "extension@context" -> device, for EXTENSION_STATE
    read_only: the user may not change anything
    """

    def __init__(
        self,
        dialplan: Dialplan,
        host: str = "127.0.0.1",
        port: int = 0,
        user: str = "asterisk",
        password: str = "asterisk",
        sounds: Mapping[str, bytes | Path] | None = None,
        media: Studio | None = None,
        *,
        version: str = LATEST,
        missing: Iterable[str] = (),
        tls: ssl.SSLContext | None = None,
        hints: Mapping[str, str] | None = None,
        read_only: bool = False,
    ) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"the stand-in has no place on a network: {host!r} is no loopback address")
        self.user = user
        self.password = password
        self._dialplan = dialplan
        self._host = host
        self._port = port
        self._sounds = sounds or {}
        self._studio = media
        self._release = Release(version, missing)
        self._tls = tls
        self._hints = hints or {}
        self._read_only = read_only
        self._faults: Faults | None = None
        self._weather: Weather | None = None
        self._endpoints: dict[str, Endpoint] = {}
        self._exchange: Exchange | None = None
        self._server: Server | None = None
        self._resuming: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Asterisk:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop_listening()

    # -- running ----------------------------------------------------------------------------------------------------

    async def start(self, booting_s: float = 0.0) -> None:
        """Boots with nothing in it. After `stop_listening` it is the same port again.

        booting_s: everything is answered 503 for so long first, and no call comes in
        """
        if self._exchange is not None:
            raise RuntimeError("the stand-in is running already")
        exchange = Exchange(self._dialplan, ASTERISK_ID, self._sounds, self._studio, self._release)
        exchange.endpoints, exchange.hints = self._endpoints, self._hints
        exchange.faults, exchange.rtp_weather = self._faults, self._weather
        exchange.plane.start()
        self._exchange = exchange
        credentials = Credentials(self.user, self.password, self._read_only)
        self._server = server = Server(exchange, credentials, self._tls)
        server.booted = booting_s == 0
        if booting_s:
            asyncio.get_running_loop().call_later(booting_s, setattr, server, "booted", True)
        await self._server.start(self._host, self._port)
        self._port = self._server.port

    async def stop_listening(self) -> None:
        """Asterisk dies: no goodbye on any connection, all channels gone, phones' `cause` is None."""
        exchange, server = self._exchange, self._server
        if exchange is None or server is None:
            return
        self._exchange = self._server = None
        if self._resuming is not None:
            self._resuming.cancel()
        exchange.abandon()
        await server.stop()
        exchange.plane.stop()

    def drop_websockets(self) -> None:
        """Breaks every events WebSocket; calls go on, events are lost."""
        self._running_server.drop_sockets()

    def stall(self, seconds: float) -> None:
        """Asterisk does nothing for that long: no replies, no events, no sound; then everything at once."""
        server = self._running_server
        self.exchange.plane.stall(seconds)
        server.stall(True)
        self._resuming = asyncio.get_running_loop().call_later(seconds, server.stall, False)

    @property
    def faults(self) -> Faults | None:
        """What goes wrong from now on, also after a reboot; None = nothing. See `faults`."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults | None) -> None:
        self._faults = faults
        if self._exchange is not None:
            self._exchange.faults = faults

    def rtp_weather(
        self, loss: float = 0.0, jitter_ms: float = 0.0, reorder: float = 0.0, duplicate: float = 0.0, seed: int = 1
    ) -> None:
        """The line to the agent is bad for RTP legs made from now on, both ways; see `media.weather.Weather`."""
        self._weather = Weather(loss, jitter_ms, reorder, duplicate, seed)
        if self._exchange is not None:
            self._exchange.rtp_weather = self._weather

    def drop_media(self, channel_id: str = "") -> int:
        """Breaks the media connection of that channel, or of all, now; how many that were. RTP has none."""
        ids = [channel_id] if channel_id else list(self.exchange.channels)
        return sum(self.exchange.drop_media(channel) for channel in ids)

    # -- calling ----------------------------------------------------------------------------------------------------

    def dial(
        self,
        extension: str,
        caller_id: str = "caller",
        context: str = "inbound",
        endpoint: str = "caller",
        *,
        name: str = "",
        wideband: bool = False,
        coded: bool = True,
        keep_sound: bool = True,
    ) -> Phone:
        """A phone calls an extension, at once.

        caller_id:  number, and `name`, shown to the agent
        wideband:   16 kHz without mu-law, instead of 8 kHz with it
        coded:      False leaves mu-law out
        keep_sound: False keeps times and lengths only, for long benches
        ValueError if there is no such extension.
        """
        if not self._running_server.booted:
            raise ValueError("the stand-in is still booting: nobody can call")
        location = Location(context, extension, 1)
        if location_of(self._dialplan, location) is None:
            raise ValueError(f"the dialplan has no {extension!r} in {context!r}")
        station = self._endpoints.setdefault(endpoint, Endpoint(endpoint, takes_calls=False))
        station.wideband = wideband
        channel, phone = make_phone(self.exchange, station, coded=coded, keep_sound=keep_sound)
        call_in(self.exchange, channel, location, Party(name, caller_id))
        return phone

    def register(self, endpoint: str, wideband: bool = False) -> Endpoint:
        """A phone that can be called as PJSIP/<endpoint>; who calls it comes out of its queue `calls`."""
        station = Endpoint(endpoint, takes_calls=True)
        station.wideband = wideband
        self._endpoints[endpoint] = station
        return station

    def station(self, endpoint: str) -> Endpoint:
        """The phone that was registered under that name."""
        return self._endpoints[endpoint]

    def watch(self, watcher: Watcher) -> None:
        """`watcher` is told of requests and arrivals from now on."""
        self.exchange.watcher = watcher

    # -- looking in -------------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        """Of ARI, without a slash at its end."""
        return f"{'http' if self._tls is None else 'https'}://{self._host}:{self._port}/ari"

    @property
    def exchange(self) -> Exchange:
        """The inside, for tests of the stand-in itself."""
        if self._exchange is None:
            raise RuntimeError("the stand-in is not running")
        return self._exchange

    @property
    def lateness(self) -> Lateness:
        """How late the stand-in's own clock was: a bad figure elsewhere may be its fault."""
        return self.exchange.plane.clock.lateness()

    @property
    def recordings(self) -> Mapping[str, StoredRecording]:
        return self.exchange.stored_recordings

    @property
    def mailboxes(self) -> Mapping[str, list[StoredRecording]]:
        """What VoiceMail has kept, by mailbox."""
        return self.exchange.mailboxes

    @property
    def applications(self) -> list[str]:
        """The names of the Stasis applications that somebody listens to."""
        return [name for name, application in self.exchange.applications.items() if application.active]

    @property
    def channels(self) -> list[str]:
        """The ids of all channels there are."""
        return list(self.exchange.channels)

    @property
    def bridges(self) -> list[str]:
        return list(self.exchange.bridges)

    @property
    def _running_server(self) -> Server:
        if self._server is None:
            raise RuntimeError("the stand-in is not running")
        return self._server
