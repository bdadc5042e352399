"""A client of version 2: many calls on one connection, everything streamed, errors by code."""

import pytest

from ipc import gateway as wire
from ipc.thinking import PromptLine
from tests.actors.gateway.house import ANSWER, QUESTION, NewClient, Server, said, seconds_of_sound

ASKED = (PromptLine(who="caller", text=QUESTION),)


async def test_what_the_client_marks_as_an_utterance_is_heard_with_partials(server: Server) -> None:
    async with NewClient(server.url) as client:
        welcome = await client.welcome()
        assert welcome.engines == {"stt": "pocketsphinx", "llm": "scripted", "tts": "espeak"}
        await client.attend("c1", 1)
        await client.send(wire.Hear(call="c1", utterance=7))
        await client.say(1, said())
        partial = await client.told(wire.Partial)
        assert (partial.call, partial.utterance) == ("c1", 7)
        await client.send(wire.Finish(call="c1", utterance=7))
        heard = await client.told(wire.Heard)
        assert (heard.call, heard.utterance, heard.text, heard.lost_ms) == ("c1", 7, QUESTION, 0)
        assert 0.0 < heard.confidence <= 1.0


async def test_audio_before_and_after_an_utterance_is_not_part_of_it(server: Server) -> None:
    async with NewClient(server.url) as client:
        await client.welcome()
        await client.attend("c1", 1)
        await client.say(1, said("goodbye"))
        assert (await client.understood("c1", 1)).text == QUESTION
        await client.say(1, said("goodbye"))
        assert (await client.understood("c1", 1, "where are you")).text == "where are you"


async def test_the_gateway_finds_utterances_where_it_is_asked_to(server: Server) -> None:
    async with NewClient(server.url) as client:
        await client.welcome()
        await client.attend("c1", 1, endpointing="server")
        await client.say(1, said(after_ms=1200) + said("where are you", after_ms=1200))
        started: list[int] = []
        heard: list[tuple[int, str]] = []
        while len(heard) < 2:
            match await client.frame():
                case wire.SpeechStarted(utterance=number):
                    started.append(number)
                case wire.Heard(utterance=number, text=text):
                    assert number in started
                    heard.append((number, text))
        assert started == [1, 2]
        assert heard == [(1, QUESTION), (2, "where are you")]


async def test_calls_on_one_connection_are_apart(server: Server) -> None:
    async with NewClient(server.url) as client:
        await client.welcome()
        for call, stream in (("a", 1), ("b", 2)):
            await client.attend(call, stream)
            await client.send(wire.Hear(call=call, utterance=1))
        first, second = said(), said("where are you")
        for at in range(0, max(len(first), len(second)), 1280):
            for stream, pcm in ((1, first), (2, second)):
                if pcm[at : at + 1280]:
                    await client.socket.send_bytes(wire.pack_audio(stream, at // 1280, pcm[at : at + 1280]))
        for call in ("a", "b"):
            await client.send(wire.Finish(call=call, utterance=1))
        heard = {frame.call: frame.text for frame in [await client.told(wire.Heard), await client.told(wire.Heard)]}
        assert heard == {"a": QUESTION, "b": "where are you"}


async def test_a_grammar_of_the_clients_own_is_all_that_is_heard(server: Server) -> None:
    grammar = "#JSGF V1.0;\ngrammar g;\npublic <u> = goodbye | what are your opening hours;\n"
    async with NewClient(server.url) as client:
        await client.welcome()
        await client.attend("c1", 1, grammar=grammar, language="en-us")
        assert (await client.understood("c1", 1)).text == QUESTION
        await client.send(wire.Attend(call="c2", stream=2, rate=16000, grammar="no grammar at all"))
        error = await client.frame()
        assert isinstance(error, wire.Error)
        assert (error.code, error.call) == ("refused", "c2")
        assert "grammar" in error.text


async def test_an_answer_comes_token_by_token(server: Server) -> None:
    async with NewClient(server.url) as client:
        await client.welcome()
        await client.send(wire.Reserve(call="c1"))
        assert (await client.told(wire.Reserved)).call == "c1"
        await client.send(wire.Prepare(call="c1", lines=ASKED))
        await client.send(wire.Generate(call="c1", request="g1", lines=ASKED))
        tokens = []
        while isinstance(frame := await client.frame(), wire.Token):
            assert frame.request == "g1"
            tokens.append(frame.text)
        assert frame == wire.Generated(request="g1")
        assert len(tokens) > 10
        assert "".join(tokens).strip() == ANSWER


async def test_tools_are_wanted_of_the_client(server: Server) -> None:
    lines = tuple(
        PromptLine(who="caller", text=text)
        for text in ("can i make an appointment", "on wednesday", "at half past two", "yes please")
    )
    async with NewClient(server.url) as client:
        await client.welcome()
        await client.send(wire.Generate(call="c1", request="g1", lines=lines, tools=("take_booking",)))
        wanted = await client.told(wire.ToolWanted)
        assert (wanted.request, wanted.name) == ("g1", "take_booking")
        assert wanted.arguments["day"] == "Wednesday"
        await client.told(wire.Generated)


async def test_a_clause_comes_in_chunks_and_says_where_its_words_are(server: Server) -> None:
    async with NewClient(server.url) as client:
        await client.welcome()
        for rate in (8000, 16000):
            spoken, pcm = await client.spoken("c1", ANSWER, rate=rate)
            assert spoken.samples * 2 == len(pcm)
            assert 3.0 < seconds_of_sound(pcm, rate) < 8.0
            assert [ANSWER[word.start : word.start + word.length] for word in spoken.words][:3] == ["We", "are", "open"]
            assert all(word.sample < spoken.samples for word in spoken.words)


async def test_clauses_of_a_call_come_one_after_the_other(server: Server) -> None:
    async with NewClient(server.url) as client:
        await client.welcome()
        for number in (1, 2, 3):
            await client.send(wire.Speak(call="c1", request=f"s{number}", stream=number, text="Good morning."))
        ends = []
        while len(ends) < 3:
            frame = await client.frame()
            if isinstance(frame, wire.Spoken):
                ends.append(frame.request)
            if isinstance(frame, wire.Audio):
                assert frame.stream == len(ends) + (not frame.final or len(ends) < frame.stream)
        assert ends == ["s1", "s2", "s3"]


async def test_what_is_cancelled_ends_and_the_next_is_whole(server: Server) -> None:
    long = "One two three four five six seven eight nine ten. " * 60
    async with NewClient(server.url) as client:
        await client.welcome()
        whole, _ = await client.spoken("c1", "Good morning.")
        await client.send(wire.Speak(call="c1", request="long", stream=900, text=long))
        while not isinstance(await client.frame(), wire.Audio):
            pass
        await client.send(wire.Cancel(request="long"))
        await client.send(wire.Cancel(request="nobody knows it"))
        await client.send(wire.Speak(call="c1", request="next", stream=901, text="Good morning."))
        cut, following = 0, 0
        while not isinstance(frame := await client.frame(), wire.Spoken):
            assert isinstance(frame, wire.Audio) and not (frame.stream == 900 and frame.final)
            if frame.stream == 900:
                cut += len(frame.pcm) // 2
            else:
                following += len(frame.pcm) // 2
        assert frame.request == "next"
        assert frame.samples == whole.samples == following
        assert cut < 8000 * 60, "the rest was never sent"


async def test_room_is_given_back_with_the_call_and_with_the_connection(server: Server) -> None:
    async with NewClient(server.url) as client:
        await client.welcome()
        assert server.sessions() == [], "an idle client has none"
        await client.attend("c1", 1)
        await client.spoken("c1", "Hello.")
        assert len(server.sessions()) == 2
        await client.send(wire.Release(call="c1"))
        await server.no_session_is_left()
        await client.attend("c1", 1)
        assert len(server.sessions()) == 1
    await server.no_session_is_left()


WRONG = [
    ('{"type": "speek", "call": "c1"}', "bad_message", "speek"),
    ('{"type": "hear", "call": "c1"}', "bad_message", "utterance"),
    ('{"type": "attend", "call": "c1", "stream": 1, "rate": 44100}', "bad_message", "rate"),
    ("nonsense", "bad_message", ""),
    ('{"type": "hello", "protocol": 2}', "bad_message", "first"),
    ('{"type": "hear", "call": "c1", "utterance": 1}', "unknown_call", "attend"),
    ('{"type": "generate", "call": "c1", "request": "g", "agent": "nobody"}', "refused", "nobody"),
    (b"short", "bad_message", "head"),
]


@pytest.mark.parametrize(("sent", "code", "says"), WRONG, ids=[str(sent)[:30] for sent, _, _ in WRONG])
async def test_an_error_has_a_code_and_names_what_was_wrong(
    server: Server, sent: str | bytes, code: str, says: str
) -> None:
    async with NewClient(server.url) as client:
        await client.welcome()
        if isinstance(sent, str):
            await client.socket.send_str(sent)
        else:
            await client.socket.send_bytes(sent)
        error = await client.frame()
        assert isinstance(error, wire.Error)
        assert error.code == code
        assert says in error.text
        spoken, _ = await client.spoken("c1", "It goes on.")
        assert spoken.samples


async def test_fields_of_a_later_version_are_left_alone(server: Server) -> None:
    async with NewClient(server.url) as client:
        await client.socket.send_str('{"type": "hello", "protocol": 2, "mood": "good"}')
        assert (await client.told(wire.Welcome)).protocol == 2


async def test_a_second_request_of_the_same_name_is_refused_while_the_first_is_under_way(server: Server) -> None:
    async with NewClient(server.url) as client:
        await client.welcome()
        for _ in range(2):
            await client.send(wire.Speak(call="c1", request="s", stream=1, text="Hello there. " * 20))
        while not isinstance(frame := await client.frame(), wire.Error):
            pass
        assert (frame.code, frame.request) == ("refused", "s")
        await client.told(wire.Spoken)
