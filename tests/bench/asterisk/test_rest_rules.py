"""The status codes and messages of Asterisk's REST interface, by the protocol document and Asterisk's own texts."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest

from bench.asterisk import Answer, Asterisk, Dialplan, NoOp, Stasis, Wait
from tests.bench.asterisk.client import APP, Client, in_loop, within
from tests.bench.asterisk.media_server import MediaServer

DIALPLAN: Dialplan = {
    "inbound": {"1000": [Stasis(APP)], "1002": [Answer(), Wait(30)]},
    "people": {"100": [NoOp(), Wait(30)]},
}

# Nothing exists: request, its query, status, message.
REFUSED: list[tuple[str, str, int, str]] = [
    ("GET /nothing", "", 404, "Resource not found"),
    ("PUT /channels", "", 405, "Invalid method"),
    ("GET /channels/externalMedia", "", 405, "Invalid method"),
    ("GET /channels/", "", 404, "ARI URLs do not end with a slash. Try /ari/channels"),
    ("GET /channels/x", "", 404, "Channel not found"),
    ("DELETE /channels/x", "", 404, "Channel not found"),
    ("GET /channels/x/variable", "", 400, "Variable name is required"),
    ("GET /channels/x/variable", "variable=A", 404, "Provided channel was not found"),
    ("GET /bridges/x", "", 404, "Bridge not found"),
    ("DELETE /bridges/x", "", 404, "Bridge not found"),
    ("POST /bridges", "type=dtmf_events", 500, "Unable to create bridge. Possible duplicate bridge id ''"),
    ("GET /playbacks/x", "", 404, "Playback not found"),
    ("POST /playbacks/x/control", "", 400, "Missing operation"),
    ("POST /playbacks/x/control", "operation=sing", 400, "Invalid operation sing"),
    ("POST /recordings/live/x/stop", "", 404, "Recording not found"),
    ("GET /recordings/stored/x", "", 404, "Recording not found"),
    ("GET /applications/x", "", 404, "Application not found"),
    ("POST /applications/agent/subscription", "", 400, "Missing parameter eventSource"),
    ("POST /applications/agent/subscription", "eventSource=x:y", 400, "Invalid event source URI scheme"),
    ("POST /applications/agent/subscription", "eventSource=channel:x", 422, "Event source does not exist"),
    ("DELETE /applications/agent/subscription", "eventSource=channel:x", 422, "Event source was not subscribed to"),
    ("GET /endpoints/SIP", "", 404, "No Endpoints found - invalid tech SIP"),
    ("GET /endpoints/PJSIP/x", "", 404, "Endpoint not found"),
    ("POST /channels", "endpoint=PJSIP&app=agent", 400, "Invalid endpoint specified"),
    ("POST /channels", "endpoint=PJSIP/x", 400, "Application or extension must be specified"),
    ("POST /channels", "endpoint=PJSIP/x&app=agent&formats=mp3", 400, "Provided format (mp3) was not found"),
    ("POST /channels", "endpoint=PJSIP/x&app=agent&originator=y", 400, "Provided originator channel was not found"),
    (
        "POST /channels",
        "endpoint=PJSIP/x&app=agent&channelId=iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii",
        400,
        "Uniqueid length exceeds maximum of 149",
    ),
    ("POST /channels/externalMedia", "", 400, "app cannot be empty"),
    (
        "POST /channels/externalMedia",
        "app=agent",
        400,
        "external_host is required for all but websocket server connections",
    ),
    (
        "POST /channels/externalMedia",
        "app=agent&external_host=h",
        400,
        "external_host must be <host>:<port> for all transports other than websocket",
    ),
    ("POST /channels/externalMedia", "app=agent&external_host=127.0.0.1:9", 400, "format cannot be empty"),
    (
        "POST /channels/externalMedia",
        "app=agent&encapsulation=audiosocket",
        400,
        "transport must be 'tcp' for audiosocket encapsulation",
    ),
    (
        "POST /channels/externalMedia",
        "app=agent&external_host=127.0.0.1:9&format=slin&encapsulation=audiosocket&transport=tcp",
        400,
        "data can not be empty",
    ),
    (
        "POST /channels/externalMedia",
        "app=agent&external_host=127.0.0.1:9&format=slin&encapsulation=audiosocket&transport=tcp&data=no-uuid",
        500,
        "An internal error prevented this request from being handled",
    ),
]


@in_loop
async def test_requests_about_nothing_are_refused_in_asterisks_words() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        for request, query, status, message in REFUSED:
            method, path = request.split()
            refused = await client.request(method, path, **dict(parse_qsl(query)))
            assert refused == (status, {"message": message}), (request, query)


@in_loop
async def test_only_the_right_credentials_open_the_door() -> None:
    async with Asterisk(DIALPLAN, user="u", password="p") as asterisk, aiohttp.ClientSession() as session:
        for query, status in (({}, 401), ({"api_key": "u:wrong"}, 401), ({"api_key": "u:p"}, 200)):
            async with session.get(f"{asterisk.url}/asterisk/ping", params=query) as response:
                assert response.status == status
                if status == 401:
                    assert await response.json() == {"message": "Authentication required"}
                    assert response.headers["WWW-Authenticate"].startswith("Basic realm=")
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"{asterisk.url}/events?app=a")


@in_loop
async def test_the_events_door_is_for_websockets_that_name_an_application() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        async with client.session.get(f"{asterisk.url}/events?app=a") as response:
            assert response.status == 426
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.session.ws_connect(f"{asterisk.url}/events")
        assert refused.value.status == 400


@in_loop
async def test_a_wrong_method_is_told_the_right_ones() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        response = await client.session.put(f"{asterisk.url}/bridges")
        assert response.headers["Allow"] == "OPTIONS,GET,POST"


@in_loop
async def test_a_channel_that_is_there_but_not_in_stasis_is_a_conflict() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1002")
        await within(phone.answered.wait())
        conflict = (409, {"message": "Channel not in Stasis application"})
        assert await client.request("POST", f"/channels/{phone.id}/answer") == conflict
        bridge = await client.bridged()
        unprocessable = (422, {"message": "Channel not in Stasis application"})
        assert await client.request("POST", f"/bridges/{bridge}/addChannel", channel=phone.id) == unprocessable
        # Hanging up and reading variables need no Stasis.
        assert (await client.get(f"/channels/{phone.id}/variable", variable="CALLERID(num)")) == {"value": "caller"}
        await client.delete(f"/channels/{phone.id}")
        await within(phone.ended.wait())


@in_loop
async def test_ids_are_given_once() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        asterisk.register("alice")
        await client.post("/bridges/b")
        duplicate = (409, {"message": "Bridge with id 'b' already exists"})
        assert await client.request("POST", "/bridges/b") == duplicate
        await client.post("/channels/c", endpoint="PJSIP/alice", app=APP)
        duplicate = (409, {"message": "Channel with given unique ID already exists"})
        assert await client.request("POST", "/channels", endpoint="PJSIP/alice", app=APP, channelId="c") == duplicate
        internal = {"message": "An internal error prevented this request from being handled"}
        media = {"app": APP, "external_host": "127.0.0.1:9", "format": "ulaw", "channelId": "c"}
        assert await client.request("POST", "/channels/externalMedia", **media) == (500, internal)


@in_loop
async def test_an_outbound_channel_that_nobody_answered_is_in_no_state_for_commands() -> None:
    """It does not even enter Stasis before the answer, so that 409 comes first."""
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        asterisk.register("alice")
        await client.post("/channels/c", endpoint="PJSIP/alice", app=APP)
        await client.event("Dial", dialstatus="RINGING")
        status, _ = await client.request("POST", "/channels/c/answer")
        assert status == 409
        status, _ = await client.request("POST", f"/bridges/{await client.bridged()}/addChannel", channel="c")
        assert status == 422


@in_loop
async def test_an_id_is_taken_while_its_channel_is_still_connecting() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client, MediaServer() as media:
        endpoint = f"AudioSocket/{media.address}/40325ec2-5efd-4bd3-805f-53576e581d13"
        both = (client.request("POST", "/channels/c", endpoint=endpoint, app=APP, formats="slin") for _ in range(2))
        assert sorted(status for status, _ in await asyncio.gather(*both)) == [200, 409]
        await client.event("StasisStart", channel="c")
        await client.delete("/channels/c")
        await client.event("ChannelDestroyed", channel="c")
        assert asterisk.channels == []


@in_loop
async def test_variables_of_a_body_reach_the_channel_and_bad_ones_are_refused() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        asterisk.register("alice")
        wanted: dict[str, Any] = {"endpoint": "PJSIP/alice", "app": APP, "channelId": "c"}
        wanted["variables"] = {"A": "1", "B": {"value": "2", "report_events": True}}
        status, body = await client.request("POST", "/channels", wanted)
        assert status == 200, body
        assert await client.get("/channels/c/variable", variable="A") == {"value": "1"}
        assert (await client.get("/channels/c"))["channelvars"] == {"B": "2"}
        for bad, says in (
            ({"A": 1}, "Each value in 'variables' must be a string or an object"),
            ({"A": {"x": 1}}, "Each object value in 'variables' must include string field 'value'"),
            (
                {"A": {"value": "1", "report_events": "yes"}},
                "Field 'report_events' in 'variables' entries must be boolean",
            ),
        ):
            status, body = await client.request("POST", "/channels", {**wanted, "channelId": "d", "variables": bad})
            assert status == 400
            assert body["message"].startswith(says)


@in_loop
async def test_a_bridge_made_without_an_id_takes_its_whole_body_for_variables() -> None:
    """Asterisk 22.10 and later: `variables` in that body is refused, after the bridge was made."""
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        status, _ = await client.request("POST", "/bridges", {"type": "mixing", "variables": {"A": "b"}})
        assert status == 400
        assert len(await client.get("/bridges")) == 1
        status, body = await client.request("POST", "/bridges/b", {"type": "mixing", "variables": {"A": "b"}})
        assert (status, body["bridgevars"]) == (200, {"A": "b"})


@in_loop
async def test_only_one_way_to_say_why_a_channel_is_hung_up() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        channel = await client.answered(phone)
        for query, says in (
            ({"reason": "busy", "reason_code": "17"}, "The reason and reason_code can't both be specified"),
            ({"reason": "boredom"}, "Invalid reason for hangup reason provided"),
            ({"reason_code": "x"}, "Invalid reason for hangup reason code provided"),
        ):
            assert await client.request("DELETE", f"/channels/{channel}", **query) == (400, {"message": says})
        await client.delete(f"/channels/{channel}", reason="busy")
        await within(phone.ended.wait())
        assert phone.cause == 17


@in_loop
async def test_asterisk_tells_about_itself_and_its_endpoints() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        asterisk.register("alice")
        assert (await client.get("/asterisk/ping"))["ping"] == "pong"
        info = await client.get("/asterisk/info", only="system,status")
        assert sorted(info) == ["status", "system"]
        assert info["system"]["version"].startswith("22.")
        expected = {"technology": "PJSIP", "resource": "alice", "state": "online", "channel_ids": []}
        assert await client.get("/endpoints") == [expected]
        assert await client.get("/endpoints/PJSIP/alice") == expected
