"""The events WebSocket: one connection, any number of applications."""

from __future__ import annotations

import asyncio
import contextlib
import json

from aiohttp import WSCloseCode, WSMsgType, web

from bench.asterisk.application import Application, Event
from bench.asterisk.exchange import Exchange
from bench.asterisk.faults import Delay

# A client that does not drain its socket this quickly is thrown out.
WRITE_LIMIT_S = 0.1


class EventSocket:
    """running: set while Asterisk is not stalled"""

    def __init__(self, exchange: Exchange, request: web.Request, running: asyncio.Event) -> None:
        self._exchange = exchange
        self._request = request
        self._running = running
        # Not closed by itself: by the time the client's close is answered, the application is inactive.
        self._socket = web.WebSocketResponse(protocols=("ari",), autoclose=False, max_msg_size=65_535)
        self._outgoing: asyncio.Queue[Event | Delay] = asyncio.Queue()
        self._applications: list[Application] = []

    async def serve(self, names: list[str], follow_all: bool) -> web.WebSocketResponse:
        await self._socket.prepare(self._request)
        for name in names:
            application = self._exchange.applications.get(name)
            if application is None:
                application = Application(name, self._exchange.asterisk_id, follow_all)
                self._exchange.applications[name] = application
            application.connect(self.put, self._exchange.now())
            self._applications.append(application)
        writer = asyncio.ensure_future(self._write())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self._answer(message.data)
        finally:
            writer.cancel()
            self._disconnect()
            with contextlib.suppress(ConnectionError):
                await self._socket.close()
        return self._socket

    def put(self, event: Event) -> None:
        faults = self._exchange.faults
        fault = None if faults is None else faults.event(event)
        if fault == "lose":
            return
        if fault == "cut":
            self.drop()
            return
        if isinstance(fault, Delay):
            # What is behind it waits too: one connection knows no overtaking.
            self._outgoing.put_nowait(fault)
        self._outgoing.put_nowait(event)
        if fault == "duplicate":
            self._outgoing.put_nowait(event)

    def drop(self) -> None:
        """The connection breaks: no close frame, and Asterisk knows at once."""
        self._disconnect()
        if self._request.transport is not None:
            self._request.transport.abort()

    def _disconnect(self) -> None:
        for application in self._applications:
            application.disconnect(self.put)
            self._exchange.forget(application)
        self._applications.clear()

    async def _write(self) -> None:
        while True:
            event = await self._outgoing.get()
            if isinstance(event, Delay):
                await asyncio.sleep(event.seconds)
                continue
            await self._running.wait()
            try:
                async with asyncio.timeout(WRITE_LIMIT_S):
                    await self._socket.send_str(json.dumps(event))
            except TimeoutError:
                self._disconnect()
                await self._socket.close(code=WSCloseCode.INTERNAL_ERROR)
                return
            except ConnectionError:
                return

    def _answer(self, text: str) -> None:
        """ARI over this socket exists in Asterisk 22; it is left out here, and says so."""
        try:
            asked = json.loads(text)
        except ValueError:
            asked = {}
        asked = asked if isinstance(asked, dict) else {}
        reply = {
            "type": "RESTResponse",
            "transaction_id": asked.get("transaction_id", ""),
            "request_id": asked.get("request_id", ""),
            "status_code": 501,
            "reason_phrase": "Not Implemented",
            "uri": asked.get("uri", ""),
            "content_type": "application/json",
            "message_body": json.dumps({"message": "stand-in: ARI over the WebSocket is not simulated"}),
            "timestamp": self._exchange.now(),
            "asterisk_id": self._exchange.asterisk_id,
        }
        for application in self._applications[:1]:
            self.put({**reply, "application": application.name})
