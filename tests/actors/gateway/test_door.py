"""Who may come in, and what becomes of those who may not."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from bench.system import Sections
from config.load import load
from config.problem import ConfigError
from ipc import gateway as wire
from tests.actors.gateway.house import QUESTION, NewClient, OldClient, Server, serving

TOKEN = "open sesame"
FEW: Sections = {"gateway": {"token": TOKEN, "max_clients": 3}}


async def test_only_who_shows_the_token_comes_in(tmp_path: Path) -> None:
    async with serving(tmp_path, FEW) as server:
        async with NewClient(server.url) as client:
            await client.hello(TOKEN)
            assert (await client.told(wire.Welcome)).protocol == wire.PROTOCOL
        async with NewClient(server.url, token=TOKEN) as client:
            assert (await client.welcome()).protocol == wire.PROTOCOL, "in the handshake's header, too"
        for wrong in ("", "open sesam", "open sesame "):
            async with NewClient(server.url, token="something else") as client:
                await client.hello(wrong)
                error = await client.frame()
                assert isinstance(error, wire.Error)
                assert error.code == "unauthorized"
                assert await client.closed() == wire.CLOSE_UNAUTHORIZED
        async with OldClient(server.url) as old:
            await old.send("llm_request", text=QUESTION)
            assert await old.closed() == wire.CLOSE_OLD_CLIENT, "the old protocol has no place for a token"
        async with OldClient(server.url, token=TOKEN) as old:
            await old.send("llm_request", text=QUESTION)
            assert (await old.told("llm_response"))["text"], "but for the handshake's header"
        assert TOKEN not in "\n".join(server.system.log())

        # As many as there may be: the next one is told by HTTP.
        async with NewClient(server.url) as one, NewClient(server.url) as two, NewClient(server.url) as three:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with NewClient(server.url):
                    pass
            assert refused.value.status == 503
            for client in (one, two, three):
                await client.hello(TOKEN)
                await client.told(wire.Welcome)


async def test_another_version_is_told_which_one_this_is(server: Server) -> None:
    async with NewClient(server.url) as client:
        await client.hello(protocol=3)
        error = await client.frame()
        assert isinstance(error, wire.Error)
        assert (error.code, error.text) == ("wrong_version", "this gateway speaks version 2, not 3")
        assert await client.closed() == wire.CLOSE_VERSION


async def test_a_browser_is_told_what_this_is(server: Server) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{server.port}/anything") as answer:
        assert answer.status == 426
        assert "WebSocket" in await answer.text()


async def test_a_web_page_does_not_come_in_without_a_token(server: Server) -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(server.url, origin="https://example.com")
        assert refused.value.status == 403


async def test_a_client_that_is_gone_without_a_word_leaves_nothing(server: Server) -> None:
    async with NewClient(server.url) as client:
        await client.welcome()
        await client.attend("c1", 1)
        await client.send(wire.Hear(call="c1", utterance=1))
        await client.send(wire.Speak(call="c1", request="s", stream=2, text="Hello there. " * 100))
        while not isinstance(await client.frame(), wire.Audio):
            pass
        transport = client.socket._response.connection.transport  # type: ignore[union-attr]
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
    await server.no_session_is_left()


def test_a_gateway_that_others_can_reach_must_have_a_token(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "a.yaml").write_text("name: front-desk\ngreeting: Hello.\nscript: {}\n")
    settings = tmp_path / "ai-agent.yaml"
    settings.write_text("gateway: {enabled: true, host: 0.0.0.0}\n")
    with pytest.raises(ConfigError) as refusal:
        load(settings)
    assert "gateway.token: on 0.0.0.0 others can reach the gateway: set a token" in str(refusal.value)
    for fine in ("{enabled: true, host: 0.0.0.0, token: x}", "{enabled: true, host: '::1'}", "{host: 0.0.0.0}"):
        settings.write_text(f"gateway: {fine}\n")
        assert load(settings).settings.gateway
