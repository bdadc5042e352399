"""What Asterisk ignores without a word, the stand-in refuses, and says what is wrong."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from bench.asterisk import Asterisk, Dialplan, Stasis
from tests.bench.asterisk.client import APP, Client, in_loop

DIALPLAN: Dialplan = {"inbound": {"1000": [Stasis(APP)]}}

CARELESS: list[tuple[str, str, dict[str, str], Any, str]] = [
    ("POST", "/channels", {"channelVars": "x"}, None, "no parameter 'channelVars'; did you mean 'variables'?"),
    ("POST", "/channels", {"apArgs": "x"}, None, "POST /channels has no parameter 'apArgs'; did you mean 'appArgs'?"),
    ("POST", "/channels", {"variables": "x"}, None, "no parameter 'variables'; it is read from a JSON body only"),
    ("POST", "/channels", {"timeout": "soon"}, None, "POST /channels needs an integer as 'timeout', not 'soon'"),
    ("POST", "/channels", {}, {"timeout": "10"}, "POST /channels needs int as 'timeout' in its body, not \"10\""),
    ("POST", "/channels", {}, {"appArgs": ["a"]}, "POST /channels needs str as 'appArgs' in its body, not [\"a\"]"),
    ("POST", "/channels", {}, ["x"], "POST /channels takes a JSON object as its body"),
    ("POST", "/bridges/b", {"kind": "mixing"}, None, "POST /bridges/{bridgeId} has no parameter 'kind'"),
    ("POST", "/bridges/b/addChannel", {"absorbDTMF": "maybe"}, None, "needs a boolean as 'absorbDTMF', not 'maybe'"),
    ("POST", "/channels/c/answer", {"now": "1"}, None, "POST /channels/{channelId}/answer has no parameter 'now'"),
    ("DELETE", "/channels/c", {"cause": "16"}, None, "DELETE /channels/{channelId} has no parameter 'cause'"),
    ("GET", "/asterisk/info", {"only": "builds"}, None, "GET /asterisk/info has no section 'builds'"),
]


@pytest.mark.parametrize(("method", "path", "query", "body", "says"), CARELESS, ids=lambda value: str(value)[:30])
@in_loop
async def test_a_careless_request_is_refused_with_its_fault_by_name(
    method: str, path: str, query: dict[str, str], body: Any, says: str
) -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        status, reply = await client.request(method, path, body, **query)
        assert status == 400
        assert reply["message"].startswith("stand-in: ")
        assert says in reply["message"]


@in_loop
async def test_a_body_without_its_content_type_is_refused() -> None:
    async with Asterisk(DIALPLAN) as asterisk:
        credentials = {"api_key": f"{asterisk.user}:{asterisk.password}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{asterisk.url}/channels", params=credentials, data=b'{"endpoint": "PJSIP/x"}') as response,
        ):
            assert response.status == 400
            assert "content type" in (await response.json())["message"]


@in_loop
async def test_a_parameter_given_twice_is_refused() -> None:
    async with Asterisk(DIALPLAN) as asterisk, aiohttp.ClientSession() as session:
        query = [("api_key", "asterisk:asterisk"), ("channel", "a"), ("channel", "b")]
        async with session.post(f"{asterisk.url}/bridges/b/addChannel", params=query) as response:
            assert response.status == 400
            assert "twice" in (await response.json())["message"]


@in_loop
async def test_audiosocket_without_a_format_is_refused() -> None:
    """Asterisk would send whatever format comes first, under the kind of linear sound."""
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        endpoint = "AudioSocket/127.0.0.1:1/40325ec2-5efd-4bd3-805f-53576e581d13"
        status, reply = await client.request("POST", "/channels", endpoint=endpoint, app=APP)
        assert (status, reply["message"][:9]) == (400, "stand-in:")


@pytest.mark.parametrize("path", ["/channels/c/dial", "/channels/create", "/channels/c/transfer_progress"])
@in_loop
async def test_what_asterisk_has_and_the_stand_in_lacks_is_answered_501(path: str) -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        status, reply = await client.request("POST", path)
        assert status == 501
        assert "is not simulated" in reply["message"]


@in_loop
async def test_the_stand_in_does_not_leave_this_machine() -> None:
    with pytest.raises(ValueError, match="no loopback address"):
        Asterisk(DIALPLAN, host="0.0.0.0")
