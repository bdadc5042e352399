"""ARI over TLS: whose certificate is taken, and what is said of one that is not."""

import asyncio
import ssl
from pathlib import Path

import pytest

from actors.call_control.ari import Ari, AriEvent, Unreachable, Untrusted
from actors.call_control.event_queue import Up
from actors.call_control.event_stream import EventStream
from bench.asterisk import Asterisk, Stasis, Wait
from config import schema
from config.secret import Secret
from tests.actors.call_control.ari.stage import CERTIFICATES, PASSWORD, Stage, ok, play

OURS = str(CERTIFICATES / "here.pem")


def test_a_certificate_that_asterisk_made_itself_is_taken_by_its_file() -> None:
    stage = Stage(ok([]))
    assert play(stage, lambda ari: ari.channels(), certificate="here.pem", scheme="https", ca_file=OURS) == []
    assert len(stage.asked) == 1


def test_events_come_over_tls_too() -> None:
    async def run() -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(OURS)
        async with Asterisk({"inbound": {"1000": [Stasis("agent"), Wait(60)]}}, tls=context) as asterisk:
            settings = schema.Asterisk(
                port=asterisk.port, scheme="https", ca_file=OURS, password=Secret("asterisk"), app_name="agent"
            )
            async with asyncio.timeout(20), Ari(settings) as ari:
                stream = EventStream(ari)
                running = asyncio.create_task(stream.run())
                assert isinstance(await stream.items.get(), Up)
                phone = asterisk.dial("1000")
                arrived = await stream.items.get()
                assert isinstance(arrived, AriEvent) and arrived.channel is not None
                assert (arrived.type, arrived.channel.id) == ("StasisStart", phone.id)
                running.cancel()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("certificate", "ca_file", "words"),
    [
        ("here.pem", "", "set asterisk.ca_file to the certificate of whoever signed it"),
        ("elsewhere.pem", OURS, "set asterisk.ca_file to the certificate of whoever signed it"),
        ("elsewhere.pem", str(CERTIFICATES / "elsewhere.pem"), "asterisk.host must be a name or address that"),
    ],
    ids=["nobody vouches for it", "it is another one", "it is for another host"],
)
def test_a_certificate_that_cannot_be_trusted_gets_no_password(certificate: str, ca_file: str, words: str) -> None:
    stage = Stage(ok([]))
    for request in (Ari.channels, Ari.open_events):
        with pytest.raises(Untrusted, match=words):
            play(stage, request, certificate=certificate, scheme="https", ca_file=ca_file)
    assert stage.asked == []


def test_unchecked_it_is_taken_whatever_it_says() -> None:
    stage = Stage(ok([]))
    play(stage, lambda ari: ari.channels(), certificate="elsewhere.pem", scheme="https", verify_tls=False)
    assert len(stage.asked) == 1


@pytest.mark.parametrize(
    ("text", "words"), [(None, "there is no such file"), ("no certificate", "holds no certificate in PEM form")]
)
def test_a_ca_file_that_is_of_no_use_is_named_and_nothing_is_sent(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    stage = Stage(ok([]))
    for request in (Ari.channels, Ari.open_events):
        with pytest.raises(Unreachable, match=f"asterisk.ca_file names {file}.*{words}"):
            play(stage, request, certificate="here.pem", scheme="https", ca_file=str(file))
    assert stage.asked == []


def test_https_at_a_port_that_speaks_http_is_explained() -> None:
    with pytest.raises(Unreachable, match=r"nobody speaks TLS at https://.*tlsbindaddr") as raised:
        play(Stage(ok([])), lambda ari: ari.channels(), scheme="https")
    assert PASSWORD not in str(raised.value)
