"""A client of the old protocol says a sentence, and gets what the old server gave it."""

import asyncio
import base64
import json

import pytest

from tests.actors.gateway.house import ANSWER, QUESTION, OldClient, Server, said

SILENCE_16K_MS = 32


async def test_what_is_said_comes_back_as_text_then_as_an_answer_then_as_speech(server: Server) -> None:
    async with OldClient(server.url) as client:
        await client.send("set_mode", mode="full", call_id="c1")
        assert await client.told("mode_ready") == {"type": "mode_ready", "mode": "full", "call_id": "c1"}
        await client.say(said(after_ms=1500))
        result = await client.final()
        assert result["text"] == QUESTION
        assert (result["call_id"], result["mode"], result["is_partial"]) == ("c1", "full", False)
        assert 0.0 < result["confidence"] <= 1.0
        assert "request_id" not in result
        answer = await client.told("llm_response")
        assert answer == {"type": "llm_response", "text": ANSWER, "call_id": "c1", "mode": "llm"}
        assert len(await client.speech()) > 3 * 8000, "mu-law at 8 kHz, of the whole sentence"


async def test_partials_come_while_it_is_said(server: Server) -> None:
    async with OldClient(server.url) as client:
        await client.send("set_mode", mode="stt", call_id="c1")
        await client.say(said(after_ms=1500))
        partials = []
        while not (result := await client.told("stt_result"))["is_final"]:
            assert result["is_partial"] and result["mode"] == "stt"
            partials.append(result["text"])
        assert any("what are" in text for text in partials)
        assert len(partials) == len(set(partials)), "each is told once"


async def test_audio_in_json_is_answered_under_its_request(server: Server) -> None:
    async with OldClient(server.url) as client:
        data = base64.b64encode(said(rate=8000, after_ms=1500)).decode()
        await client.send("audio", data=data, rate=8000, mode="llm", call_id="c2", request_id="r7")
        result = await client.final()
        assert (result["text"], result["request_id"], result["call_id"]) == (QUESTION, "r7", "c2")
        answer = await client.told("llm_response")
        assert (answer["text"], answer["request_id"]) == (ANSWER, "r7")


async def test_what_was_said_last_is_final_when_no_more_audio_comes(server: Server) -> None:
    async with OldClient(server.url) as client:
        await client.send("set_mode", mode="stt", call_id="c1")
        await client.say(said(after_ms=0))
        assert (await client.final())["text"] == QUESTION


async def test_silence_gives_one_empty_final_in_stt_mode(server: Server) -> None:
    async with OldClient(server.url) as client:
        await client.send("set_mode", mode="stt", call_id="c1")
        await client.say(bytes(SILENCE_16K_MS * 600))
        assert (await client.final())["text"] == ""
        await client.send("llm_request", text=QUESTION, request_id="r1")
        message = json.loads((await client.next()).data)
        assert message["type"] == "llm_response", "there was no second final"


async def test_a_text_is_answered_and_the_conversation_goes_on(server: Server) -> None:
    async with OldClient(server.url) as client:
        await client.send("llm_request", text=QUESTION, call_id="c1", request_id="r1")
        first = await client.told("llm_response")
        assert first == {"type": "llm_response", "text": ANSWER, "call_id": "c1", "mode": "llm", "request_id": "r1"}
        await client.send("llm_request", text=QUESTION, call_id="c1")
        second = await client.told("llm_response")
        assert second["text"].startswith("As I said"), "it knows what was said before, by both"
        assert "request_id" not in second


async def test_speech_is_announced_where_it_has_a_request_id(server: Server) -> None:
    async with OldClient(server.url) as client:
        await client.send("tts_request", text="Hello.", mode="tts", call_id="c1", request_id="r1")
        told = await client.told("tts_audio")
        speech = await client.speech()
        assert told == {
            "type": "tts_audio",
            "call_id": "c1",
            "mode": "tts",
            "request_id": "r1",
            "encoding": "mulaw",
            "sample_rate_hz": 8000,
            "byte_length": len(speech),
        }
        assert len(speech) > 2000
        await client.send("tts_request", text="Hello.", call_id="c1")
        assert await client.speech() == speech, "and nothing before it"


async def test_what_nobody_knows_is_not_answered(server: Server) -> None:
    async with OldClient(server.url) as client:
        await client.send("barge_in", call_id="c1")
        await client.socket.send_str("not even JSON")
        await client.send("audio", data="no base64!", call_id="c1")
        await client.send("set_mode", mode="sideways", call_id="c1")
        assert await client.told("mode_ready") == {"type": "mode_ready", "mode": "full", "call_id": "c1"}
    assert any("'barge_in'" in line for line in server.system.log())


async def test_speech_for_one_holds_up_nobody_elses_text(server: Server) -> None:
    """In the old server, synthesis ran where everybody's messages were read."""
    async with OldClient(server.url) as talker, OldClient(server.url) as writer:
        await talker.send("tts_request", text="One two three four five six seven eight nine ten. " * 60, request_id="r")
        await writer.send("llm_request", text=QUESTION)
        written = asyncio.create_task(writer.told("llm_response"))
        spoken = asyncio.create_task(talker.told("tts_audio"))
        done, _ = await asyncio.wait((written, spoken), return_when=asyncio.FIRST_COMPLETED)
        assert written in done
        assert (await spoken)["byte_length"] == len(await talker.speech())


async def test_fresh_actors_on_request(server: Server) -> None:
    before = await server.pid("llm.1")
    async with OldClient(server.url) as client:
        await client.send("reload_llm")
        assert (await client.told("reload_response"))["status"] == "success"
        assert await server.until_ready("llm.1") != before
        await client.send("llm_request", text=QUESTION)
        assert (await client.told("llm_response"))["text"] == ANSWER


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
async def test_audio_of_any_rate_is_heard(server: Server, rate: int) -> None:
    async with OldClient(server.url) as client:
        data = base64.b64encode(said(rate=rate, after_ms=1500)).decode()
        await client.send("audio", data=data, rate=rate, mode="stt", call_id="c1")
        assert (await client.final())["text"] == QUESTION
