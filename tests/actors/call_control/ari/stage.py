"""An Asterisk that answers what the test says, and remembers what it was asked."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from actors.call_control.ari import Ari
from config.schema import Asterisk
from config.secret import Secret

T = TypeVar("T")

CERTIFICATES = Path(__file__).parent / "certificates"
"""Each with its key: made by themselves, for a hundred years. `here.pem` is for 127.0.0.1, `elsewhere.pem` is not."""
PASSWORD = "swordfish"
DEADLINE_S = 20.0


class Stage:
    """Answers requests in the order of `answers`; None breaks the connection instead. The last one is given to
    everybody who comes later."""

    def __init__(self, *answers: web.Response | None) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.bodies: list[Any] = []
        """Of JSON; None where there was none."""
        self.headers: list[dict[str, str]] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.rel_url}")
        self.headers.append(dict(request.headers))
        is_json = request.content_type == "application/json"
        self.bodies.append(await request.json() if is_json else None)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": "application/json"})


def play(stage: Stage, scene: Callable[[Ari], Awaitable[T]], *, certificate: str = "", **settings: Any) -> T:
    """`certificate`: with which the stage speaks TLS."""

    async def run() -> T:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", stage.serve)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        context = None
        if certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(CERTIFICATES / certificate)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        usual = {"port": runner.addresses[0][1], "username": "me", "password": Secret(PASSWORD), "app_name": "agent"}
        try:
            async with asyncio.timeout(DEADLINE_S), Ari(Asterisk(**{**usual, **settings})) as ari:
                return await scene(ari)
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def ok(body: object = None) -> web.Response:
    return web.Response(status=204) if body is None else web.json_response(body)


def refused(status: int, text: str = "") -> web.Response:
    return web.json_response({"message": text}, status=status)


async def one_by_one(*requests: Awaitable[Any]) -> list[Any]:
    return [await request for request in requests]
