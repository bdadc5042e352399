"""Versions, modules, rights, TLS and booting: what an agent and `doctor` must cope with."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from bench.asterisk import Asterisk, Dialplan, Stasis
from bench.asterisk.release import Release
from tests.bench.asterisk.client import APP, Client, in_loop, within
from tests.bench.asterisk.media_server import MediaServer

DIALPLAN: Dialplan = {"inbound": {"1000": [Stasis(APP)]}}
CERTIFICATE = Path(__file__).parents[2] / "actors/call_control/ari/certificates/here.pem"


def server_side() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


@pytest.mark.parametrize(
    ("version", "feature", "there"),
    [
        ("22.10.0", "bulk variables", True),
        ("22.9.3", "bulk variables", False),
        ("20.20.1", "bulk variables", True),
        ("21.12.0", "bulk variables", False),
        ("23.4.0", "bulk variables", True),
        ("23.3.9", "bulk variables", False),
        ("24.0.0", "bulk variables", True),
        ("22.6.0", "progress", True),
        ("22.5.2", "media over websocket", False),
        ("18.20.0", "UUID()", False),
    ],
)
def test_a_feature_is_there_from_its_version_on_in_each_branch(version: str, feature: str, there: bool) -> None:
    assert Release(version).has(feature) is there


def test_a_version_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="is no version of Asterisk"):
        Release("trunk")


@in_loop
async def test_an_older_asterisk_lacks_the_newer_operations() -> None:
    async with Asterisk(DIALPLAN, version="22.5.0") as asterisk, Client(asterisk) as client:
        assert (await client.get("/asterisk/info", only="system"))["system"]["version"] == "22.5.0"
        phone = asterisk.dial("1000")
        await client.event("StasisStart")
        for method, path in (("GET", "variables"), ("POST", "variables"), ("POST", "progress")):
            status, body = await client.request(method, f"/channels/{phone.id}/{path}")
            assert (status, body) == (404, {"message": "Resource not found"}), path
        # What is older than all of these is there.
        assert (await client.get(f"/channels/{phone.id}/variable", variable="EXTEN"))["value"] == "1000"


WEBSOCKET = {"encapsulation": "none", "transport": "websocket", "connection_type": "server", "format": "slin"}


@in_loop
async def test_without_its_module_a_technology_cannot_be_originated() -> None:
    missing = ("chan_audiosocket.so", "chan_websocket", "res_stasis_snoop")
    async with (
        Asterisk(DIALPLAN, missing=missing) as asterisk,
        Client(asterisk) as client,
        MediaServer() as media,
    ):
        endpoint = f"AudioSocket/{media.address}/40325ec2-5efd-4bd3-805f-53576e581d13"
        wanted = {"endpoint": endpoint, "app": APP, "formats": "slin"}
        assert await client.request("POST", "/channels", **wanted) == (500, {"error": "Allocation failed"})
        status, body = await client.request("POST", "/channels/externalMedia", app=APP, **WEBSOCKET)
        assert (status, body["message"].split()[:3]) == (500, ["An", "internal", "error"])
        names = [module["name"] for module in await client.get("/asterisk/modules")]
        assert "chan_rtp.so" in names
        assert not {"chan_audiosocket.so", "chan_websocket.so"} & set(names)
        status, _ = await client.request("GET", "/asterisk/modules/chan_websocket.so")
        assert status == 404
        phone = asterisk.dial("1000")
        status, _ = await client.request("POST", f"/channels/{phone.id}/snoop", spy="in", app=APP)
        assert status == 500


@in_loop
async def test_an_older_audiosocket_knows_neither_keys_nor_wide_sound() -> None:
    async with (
        Asterisk(DIALPLAN, version="22.3.0") as asterisk,
        Client(asterisk) as client,
        MediaServer() as media,
    ):
        phone = asterisk.dial("1000")
        caller, leg = await client.answered(phone), await client.media_leg(media, formats="slin16")
        await client.bridged(caller, leg)
        await phone.press("5")
        await within(media.heard(3))
        # 16 kHz under the kind of 8 kHz, as that release sends whatever it has.
        assert {(kind, len(payload)) for kind, payload in media.messages[1:]} == {(0x10, 640)}
        media.write(b"\x12\x02\x80" + bytes(640))
        await client.event("ChannelDestroyed", channel=leg)


@in_loop
async def test_an_older_asterisk_has_no_media_over_websocket() -> None:
    async with Asterisk(DIALPLAN, version="22.5.0") as asterisk, Client(asterisk) as client:
        status, body = await client.request("POST", "/channels/externalMedia", app=APP, **WEBSOCKET)
        assert (status, body) == (501, {"message": "The encapsulation and/or transport is not supported"})
        async with client.session.get(f"http://127.0.0.1:{asterisk.port}/media/x") as response:
            assert response.status == 404


@pytest.mark.parametrize(
    ("missing", "path", "status"),
    [
        ("res_ari", "/asterisk/ping", 404),
        ("res_ari_recordings", "/recordings/stored", 404),
        ("res_ari_recordings", "/channels", 200),
        ("res_ari_channels", "/channels", 404),
        ("res_stasis", "/channels", 404),
    ],
)
@in_loop
async def test_without_its_module_a_part_of_ari_is_not_there(missing: str, path: str, status: int) -> None:
    async with Asterisk(DIALPLAN, missing=(missing,)) as asterisk:
        client = Client(asterisk)
        try:
            async with client.session.get(f"{asterisk.url}{path}") as response:
                assert response.status == status
        finally:
            await client.session.close()


@in_loop
async def test_a_user_who_may_only_read() -> None:
    async with Asterisk(DIALPLAN, read_only=True) as asterisk, Client(asterisk) as client:
        assert await client.get("/channels") == []
        assert await client.request("POST", "/bridges", type="mixing") == (403, {"message": "Write access denied"})


@in_loop
async def test_a_booting_asterisk_says_so_and_then_works() -> None:
    asterisk = Asterisk(DIALPLAN)
    await asterisk.start(booting_s=0.3)
    try:
        client = Client(asterisk)
        assert await client.request("GET", "/asterisk/ping") == (503, {"message": "Asterisk not booted"})
        with pytest.raises(ValueError, match="still booting"):
            asterisk.dial("1000")

        async def booted() -> None:
            while (await client.request("GET", "/asterisk/ping"))[0] != 200:
                pass

        await within(booted())
        await client.connect()
        asterisk.dial("1000")
        await client.event("StasisStart")
        await client.disconnect()
        await client.session.close()
    finally:
        await asterisk.stop_listening()


@in_loop
async def test_ari_over_tls() -> None:
    trust = ssl.create_default_context(cafile=str(CERTIFICATE))
    trust.check_hostname = False
    async with Asterisk(DIALPLAN, tls=server_side()) as asterisk, Client(asterisk, tls=trust) as client:
        assert asterisk.url.startswith("https://")
        phone = asterisk.dial("1000")
        await client.answered(phone)
        phone.hang_up()
        await client.event("StasisEnd")
