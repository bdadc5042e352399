"""The stand-in as one object: start it, dial, break it, stop it."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from pathlib import Path

from bench.asterisk.ari.server import Server
from bench.asterisk.channel import Location, Party
from bench.asterisk.dialing import call_in, make_phone
from bench.asterisk.dialplan import Dialplan, location_of
from bench.asterisk.exchange import Exchange
from bench.asterisk.media.clock import Lateness
from bench.asterisk.media.lending import Studio
from bench.asterisk.phone import Endpoint, Phone
from bench.asterisk.recording import StoredRecording

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

    async def start(self) -> None:
        """Boots with nothing in it. After `stop_listening` it is the same port again."""
        if self._exchange is not None:
            raise RuntimeError("the stand-in is running already")
        exchange = Exchange(self._dialplan, ASTERISK_ID, self._sounds, self._studio)
        exchange.endpoints = self._endpoints
        exchange.plane.start()
        self._exchange = exchange
        self._server = Server(exchange, self.user, self.password)
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

    # -- looking in -------------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        """Of ARI, without a slash at its end."""
        return f"http://{self._host}:{self._port}/ari"

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
