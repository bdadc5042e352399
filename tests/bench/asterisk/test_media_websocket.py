"""chan_websocket: what the agent hears and says, what it may send, and how the connection ends. Beyond the recordings,
which hold commands, events and closing."""

from __future__ import annotations

import asyncio
import json
import ssl

import aiohttp
import pytest

from bench.asterisk import Asterisk, Dialplan, Phone, Stasis
from bench.asterisk.media.frames import BINARY, TEXT, Message, Reader, Unacceptable, frame
from bench.asterisk.sounds import tone
from tests.bench.asterisk.client import APP, Client, in_loop, within
from tests.bench.asterisk.media_client import MediaClient
from tests.bench.asterisk.test_releases import server_side

DIALPLAN: Dialplan = {"inbound": {"1000": [Stasis(APP)]}}


async def leg(client: Client, **options: str) -> tuple[str, str]:
    """A chan_websocket channel that waits for its agent: its id, and the path to connect to."""
    wanted = {"app": APP, "encapsulation": "none", "transport": "websocket", "connection_type": "server"}
    made = await client.post("/channels/externalMedia", **{**wanted, "format": "slin", **options})
    assert made["state"] == "Down"
    return made["id"], f"/media/{made['channelvars']['MEDIA_WEBSOCKET_CONNECTION_ID']}"


async def connected(asterisk: Asterisk, client: Client, phone: Phone, **options: str) -> tuple[str, MediaClient]:
    """The caller and a chan_websocket leg in a bridge."""
    caller = await client.answered(phone)
    channel, path = await leg(client, **options)
    agent = await MediaClient.connect(client.session, f"ws://127.0.0.1:{asterisk.port}{path}")
    await client.event("StasisStart", channel=channel)
    await client.bridged(caller, channel)
    return channel, agent


@pytest.mark.parametrize(("form", "size"), [("slin", 320), ("slin16", 640), ("ulaw", 160)])
@in_loop
async def test_each_hears_the_other_in_the_format_of_the_leg(form: str, size: int) -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000", coded=False)
        _, agent = await connected(asterisk, client, phone, format=form)
        heard = phone.listen()
        await phone.speak(tone(440, 0.1))
        await within(agent.heard(5))
        assert {len(sound) for sound in agent.sounds} == {size}
        assert any(any(sound) for sound in agent.sounds)
        # Half a second in one message: played in real time, frame by frame, and nothing behind it.
        await agent.socket.send_bytes(b"\x10" * size * 25)
        frames = [await within(heard.get()) for _ in range(25)]
        assert {frame.samples for frame in frames} == {160}
        # Not in one burst; how exact the clock is, is not the question here.
        assert frames[-1].at_ns - frames[0].at_ns >= 10 * 20_000_000
        await agent.socket.send_str("GET_STATUS")
        await within(agent.told(2))
        assert "queue_length:0" in agent.texts[-1]
        assert heard.empty()
        await agent.stop()


@in_loop
async def test_a_flush_takes_back_what_was_not_played() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000", coded=False)
        _, agent = await connected(asterisk, client, phone)
        heard = phone.listen()
        await agent.socket.send_bytes(b"\x11" * 320 * 100)
        await within(heard.get())
        await agent.socket.send_str("FLUSH_MEDIA")
        await agent.socket.send_bytes(b"\x22" * 320)
        while (await within(heard.get())).pcm[:1] != b"\x22":
            pass
        assert len(phone.log.heard) < 50
        await agent.stop()


@in_loop
async def test_keys_reach_the_agent_unless_the_bridge_absorbs_them() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        channel, agent = await connected(asterisk, client, phone)
        await phone.press("7")
        await within(agent.told(2))
        assert agent.texts[-1] == f"DTMF_END digit:7 channel_id:{channel}"
        await agent.stop()


@in_loop
async def test_the_phone_hears_nothing_of_an_empty_queue_and_silence_from_an_older_asterisk() -> None:
    async with Asterisk(DIALPLAN, version="22.8.0") as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        _, agent = await connected(asterisk, client, phone)
        await within(phone.media_started.wait())
        assert not any(phone.log.heard[0].pcm)
        await agent.stop()
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        _, agent = await connected(asterisk, client, phone)
        await within(agent.heard(10))
        assert phone.log.heard == []
        await agent.stop()


@in_loop
async def test_marks_are_not_known_before_22_8() -> None:
    async with Asterisk(DIALPLAN, version="22.7.1") as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        _, agent = await connected(asterisk, client, phone)
        await agent.socket.send_str("MARK_MEDIA one")
        await agent.socket.send_str("REPORT_QUEUE_DRAINED")
        await within(agent.told(2))
        assert agent.texts[1:] == ["QUEUE_DRAINED"]
        await agent.stop()


@in_loop
async def test_an_agent_that_only_hears_may_not_buffer_and_is_not_heard() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        _, agent = await connected(asterisk, client, phone, direction="in", transport_data="f(json)")
        await agent.socket.send_bytes(b"\x11" * 3200)
        await agent.socket.send_str(json.dumps({"command": "PAUSE_MEDIA"}))
        await within(agent.told(2))
        assert json.loads(agent.texts[-1])["error_text"] == "PAUSE_MEDIA not supported while media direction is 'in'"
        await within(agent.heard(5))
        assert phone.log.heard == []
        await agent.stop()


@in_loop
async def test_the_connection_breaks_on_command() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        channel, agent = await connected(asterisk, client, phone)
        assert asterisk.drop_media(channel) == 1
        gone = await client.event("ChannelDestroyed", channel=channel)
        assert gone["tech_cause"] == 1001
        await within(agent.closed.wait())
        assert agent.code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
        await agent.stop()


@in_loop
async def test_a_reboot_takes_the_connection_with_it() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        phone = asterisk.dial("1000")
        _, agent = await connected(asterisk, client, phone)
        await asterisk.stop_listening()
        await within(agent.closed.wait())
        await agent.stop()
        await asterisk.start()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 426),
        ({"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}, 400),
        ({"Upgrade": "websocket", "Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "6"}, 400),
        (
            {
                "Upgrade": "websocket",
                "Sec-WebSocket-Key": "x",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Protocol": "chat",
            },
            400,
        ),
    ],
)
@in_loop
async def test_a_handshake_that_is_none_is_refused(headers: dict[str, str], status: int) -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        _, path = await leg(client)
        async with client.session.get(f"http://127.0.0.1:{asterisk.port}{path}", headers=headers) as response:
            assert response.status == status


@in_loop
async def test_nobody_connects_to_a_channel_that_has_ended() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        channel, path = await leg(client)
        await client.delete(f"/channels/{channel}")
        await client.event("ChannelDestroyed", channel=channel)
        async with client.session.get(f"http://127.0.0.1:{asterisk.port}{path}") as response:
            assert response.status == 404


@in_loop
async def test_a_protocol_is_confirmed_and_a_tls_door_says_that_it_is_none() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        _, path = await leg(client)
        url = f"http://127.0.0.1:{asterisk.port}{path}"
        async with client.session.ws_connect(url, protocols=("media",)) as socket:
            assert socket.protocol == "media"
            assert (await within(socket.receive_str())).startswith("MEDIA_START connection_id:")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with (
        Asterisk(DIALPLAN, tls=server_side()) as asterisk,
        Client(asterisk, tls=context) as client,
        aiohttp.ClientSession() as session,
    ):
        _, path = await leg(client)
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await session.ws_connect(f"https://127.0.0.1:{asterisk.port}{path}", ssl=context)
        assert error.value.status == 501


# -- frames ---------------------------------------------------------------------------------------------------------


def masked(opcode: int, payload: bytes, final: bool = True) -> bytes:
    """A client's frame, up to 65,535 bytes."""
    mask = b"\x01\x02\x03\x04"
    size = len(payload)
    head = bytes((0x80 * final | opcode,))
    head += bytes((0x80 | size,)) if size < 126 else bytes((0xFE, size >> 8, size & 0xFF))
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


def test_frames_are_read_however_they_arrive() -> None:
    stream = masked(TEXT, b"GET_STATUS") + masked(BINARY, bytes(range(256)) * 5) + masked(0x9, b"ping")
    for step in (1, 3, 7, len(stream)):
        reader = Reader()
        found = [message for at in range(0, len(stream), step) for message in reader.feed(stream[at : at + step])]
        assert found == [(TEXT, b"GET_STATUS"), (BINARY, bytes(range(256)) * 5), (0x9, b"ping")]


def test_parts_of_a_message_are_put_together_up_to_a_kilobyte() -> None:
    reader = Reader()
    assert list(reader.feed(masked(BINARY, b"a" * 320, final=False))) == []
    assert list(reader.feed(masked(0x0, b"b" * 320))) == [Message(BINARY, b"a" * 320 + b"b" * 320)]
    assert list(reader.feed(masked(BINARY, b"c" * 1100, final=False))) == [Message(BINARY, b"c" * 1100)]


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"\x83\x00", 1003), (b"\x82\xfe\xff\xff", 1009), (b"\x82\xff" + (70_000).to_bytes(8, "big"), 1009)],
)
def test_what_asterisk_does_not_take_ends_the_connection(data: bytes, code: int) -> None:
    with pytest.raises(Unacceptable) as refusal:
        list(Reader().feed(data))
    assert refusal.value.code == code


@in_loop
async def test_an_unknown_opcode_hangs_up_with_its_own_code() -> None:
    async with Asterisk(DIALPLAN) as asterisk, Client(asterisk) as client:
        channel, path = await leg(client)
        reader, writer = await asyncio.open_connection("127.0.0.1", asterisk.port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = await within(reader.readuntil(b"\r\n\r\n"))
        # The example of RFC 6455, section 1.3.
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
        await client.event("StasisStart", channel=channel)
        writer.write(b"\x83\x80\0\0\0\0")
        gone = await client.event("ChannelHangupRequest", channel=channel)
        assert (gone["cause"], gone["tech_cause"]) == (38, 1003)
        assert (await within(reader.read())).endswith(frame(0x8, b"\x03\xeb"))
        writer.close()
