"""A client of the old protocol, version 1: one session on a connection, and no marks in its audio.

    client to gateway                                               gateway to client
    {type: set_mode, mode, call_id}                                 mode_ready
    {type: audio, data (base64), rate, mode, call_id, request_id}   stt_result; by mode also llm_response and speech
    binary: 16-bit samples at 16 kHz                                the same, in the session's mode
    {type: llm_request, text, call_id, request_id}                  llm_response
    {type: tts_request, text, call_id, request_id}                  tts_audio (with a request_id only), then binary
    {type: reload_models} or {type: reload_llm}                     reload_response

Speech is one binary frame, mu-law at 8 kHz, of a whole utterance. The mode says how far what was said goes: `stt` to
text only, `llm` to an answer, `full` to its speech; in `tts` mode nothing is heard. Other types are logged and not
answered.
"""

import asyncio
import base64
import binascii
import contextlib
import logging
import time
from collections.abc import Coroutine
from typing import Any, Literal, get_args

import msgspec
import numpy as np

from actors.gateway.answering import Answering, Rooms
from actors.gateway.answering import Lost as AnswerLost
from actors.gateway.endpointing import Endpointer
from actors.gateway.lending import Lending
from actors.gateway.listening import Listening
from actors.gateway.outbox import Outbox
from actors.gateway.recognising import Recognising
from actors.gateway.voicing import Lost as VoiceLost
from actors.gateway.voicing import Manner, Said, Voicing
from actors.pcm import Resampler, to_mulaw
from actors.pool import PATIENCE_S, NoEngine
from config.grammar import grammar
from ipc.bus import NoAnswer, Refused
from ipc.gateway import LONGEST_TEXT
from ipc.messages import Heard
from ipc.orders import Recycle
from ipc.thinking import PromptLine, Token

log = logging.getLogger(__name__)

Mode = Literal["full", "stt", "llm", "tts"]
MODES: tuple[Mode, ...] = get_args(Mode)

RATE = 16000
"""Of audio whose message does not say, and of binary frames."""

EAR_RATES = (8000, 16000)
"""Audio of another rate is converted to the second."""

SPEECH_RATE = 8000

ANSWER_S = 20.0
"""For a whole answer, as it was in the old server; then a sentence of the agent's comes in its place."""

MOST_LINES = 200
"""Of the conversation that is kept. How much of it a model is given is for its engine to say."""

RELEASE_S = 60.0
"""Without audio, after which the recogniser and the rings are given back: an idle client costs nothing."""

RELOAD_S = 300.0
"""For fresh actors of a role, one after the other, with models of several GB."""

SUPERVISOR = "supervisor"


class _Request(msgspec.Struct):
    """All that a message may hold. Clients put in more, which nobody minds."""

    type: str = ""
    mode: str = ""
    call_id: str = ""
    request_id: str = ""
    text: str = ""
    data: str = ""
    rate: int = RATE


class Client:
    """`take_text` and `take_audio` get what comes, in order; `close` gives everything back."""

    def __init__(self, lending: Lending, rooms: Rooms, outbox: Outbox) -> None:
        self._lending = lending
        self._rooms = rooms
        self._outbox = outbox
        self._settings = lending.config.settings
        self._agent = lending.config.agent
        self._mode: Mode = "full"
        self._call_id = "unknown"
        self._request_id = ""
        """Of the audio that came last: what was heard in it is answered under this."""
        self._listening: Listening | None = None
        self._rate = 0
        self._resampler: Resampler | None = None
        self._partial = ""
        self._audio_came = 0.0
        self._unheard = False
        """Audio has come since the last result."""
        self._answering = Answering(lending, rooms)
        self._lines: tuple[PromptLine, ...] = ()
        self._voicing = Voicing(lending, SPEECH_RATE)
        self._turn = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        """When we look whether audio still comes."""
        self._leave: asyncio.TimerHandle | None = None
        """When the recogniser is given back."""
        self._work: set[asyncio.Task[Any]] = set()

    async def take_text(self, text: str) -> None:
        """Returns when the next one may come."""
        try:
            request = msgspec.json.decode(text, type=_Request)
        except msgspec.DecodeError as error:
            log.warning("a client of the old protocol sent a message that cannot be read: %s", error)
            return
        match request.type:
            case "set_mode":
                self._name(request)
                self._send("mode_ready", mode=self._mode, call_id=self._call_id)
            case "audio":
                self._name(request)
                self._request_id = request.request_id
                try:
                    pcm = base64.b64decode(request.data, validate=True)
                except binascii.Error as error:
                    log.warning("a client of the old protocol sent audio that is not base64: %s", error)
                    return
                await self._hear(pcm, request.rate)
            case "llm_request":
                self._spawn(self._answer_request(request), "an answer")
            case "tts_request":
                self._spawn(self._speech_request(request), "speech")
            case "reload_models":
                self._spawn(self._reload("stt", "llm", "tts"), "fresh actors")
            case "reload_llm":
                self._spawn(self._reload("llm"), "fresh actors")
            case _:
                log.warning("a client of the old protocol sent a message of type %r, which there is not", request.type)

    async def take_audio(self, body: bytes) -> None:
        """Returns when the next one may come."""
        self._request_id = ""
        await self._hear(body, RATE)

    def _name(self, request: _Request) -> None:
        """What a message says of the session holds from then on."""
        if request.mode in MODES:
            self._mode = request.mode
        elif request.mode:
            log.warning("a client of the old protocol wants the mode %r; there are %s", request.mode, ", ".join(MODES))
        if request.call_id and request.call_id != self._call_id:
            self._call_id = request.call_id
            self._lines = ()

    def _send(self, kind: str, **fields: Any) -> None:
        present = {name: value for name, value in fields.items() if value is not None}
        self._outbox.put(msgspec.json.encode({"type": kind, **present}).decode())

    # -- hearing

    async def _hear(self, pcm: bytes, rate: int) -> None:
        if self._mode == "tts" or not pcm:
            return
        listening = await self._ear(rate)
        if listening is None:
            return
        self._note_audio()
        samples = pcm[: len(pcm) // 2 * 2]
        if self._resampler is not None:
            samples = self._resampler.feed(np.frombuffer(samples, dtype="<i2")).astype("<i2").tobytes()
        wait_s = listening.audio(samples)
        if wait_s:
            await asyncio.sleep(wait_s)

    async def _ear(self, rate: int) -> Listening | None:
        """The recogniser for audio of this rate; None where there is none, which the log tells."""
        if self._listening is not None and rate == self._rate:
            return self._listening
        await self._release_ear()
        if not 4000 <= rate <= 192_000:
            log.warning("a client of the old protocol sent audio of %d Hz, which nobody can hear", rate)
            return None
        ear_rate = rate if rate in EAR_RATES else EAR_RATES[-1]
        recogniser = Recognising(self._lending, self._guessed)
        agent = self._agent
        try:
            await recogniser.open(ear_rate, agent.language, grammar(agent), patience=PATIENCE_S)
        except (NoEngine, Refused, NoAnswer) as error:
            log.error("a client of the old protocol cannot be heard: %s", error)
            return None
        self._rate = rate
        self._resampler = None if rate == ear_rate else Resampler(rate, ear_rate)
        endpointer = Endpointer(ear_rate, self._settings.vad, self._settings.turns)
        self._listening = Listening(recogniser, self, self._spawn, endpointer)
        return self._listening

    def _note_audio(self) -> None:
        self._audio_came = time.monotonic()
        self._unheard = True
        if self._leave is not None:
            self._leave.cancel()
            self._leave = None
        if self._idle is None:
            self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._look_for_silence)

    @property
    def _idle_s(self) -> float:
        return self._settings.gateway.idle_stt_ms / 1000

    def _look_for_silence(self) -> None:
        """What was said has been said when no more audio comes for a while; later, the recogniser is given back."""
        loop = asyncio.get_running_loop()
        left = self._audio_came + self._idle_s - time.monotonic()
        if left > 0:
            self._idle = loop.call_later(left, self._look_for_silence)
            return
        self._idle = None
        self._leave = loop.call_later(RELEASE_S, lambda: self._spawn(self._release_ear(), "giving a recogniser back"))
        if self._listening is not None and self._listening.speaking:
            self._listening.finish_what_was_found()
        elif self._unheard and self._mode == "stt":
            self._result("", 0.0, final=True)
        self._unheard = False

    async def _release_ear(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            await listening.close()

    def _guessed(self, utterance: int, text: str) -> None:
        if text and text != self._partial:
            self._partial = text
            self._result(text, None, final=False)

    def began(self, utterance: int) -> None:
        self._partial = ""

    def heard(self, utterance: int, heard: Heard) -> None:
        self._unheard = False
        if heard.text or self._mode == "stt":
            self._result(heard.text, heard.confidence, final=True)
        if heard.text and self._mode in ("llm", "full"):
            self._spawn(self._reply(heard.text, self._request_id, aloud=self._mode == "full"), "a reply")

    def unheard(self, utterance: int, reason: str) -> None:
        log.error("what a client of the old protocol said is lost: %s", reason)

    def _result(self, text: str, confidence: float | None, *, final: bool) -> None:
        self._send(
            "stt_result",
            text=text,
            call_id=self._call_id,
            mode=self._mode,
            is_final=final,
            is_partial=not final,
            confidence=confidence,
            request_id=self._request_id or None,
        )

    # -- answering and speaking: answers come in order, and none waits for another's speech to be made

    async def _reply(self, text: str, request_id: str, *, aloud: bool) -> None:
        answer = await self._answer(text)
        self._send("llm_response", text=answer, call_id=self._call_id, mode="llm", request_id=request_id or None)
        if aloud:
            await self._say(answer, "full", request_id)

    async def _answer_request(self, request: _Request) -> None:
        call_id = request.call_id or self._call_id
        answer = await self._answer(request.text)
        self._send("llm_response", text=answer, call_id=call_id, mode="llm", request_id=request.request_id or None)

    async def _answer(self, text: str) -> str:
        """Always something: a client waits for it."""
        agent = self._agent
        async with self._turn:
            lines = (*self._lines, PromptLine(who="caller", text=text))[-MOST_LINES:]
            words: list[str] = []
            pieces = self._answering.generate(agent.name, agent.prompt, lines, ())
            try:
                async with asyncio.timeout(ANSWER_S), contextlib.aclosing(pieces):
                    async for piece in pieces:
                        if isinstance(piece, Token):
                            words.append(piece.text)
            except (TimeoutError, NoEngine, AnswerLost) as error:
                log.error("a client of the old protocol gets no answer: %s", error or f"none within {ANSWER_S:g} s")
            answer = "".join(words).strip() or agent.not_understood[0]
            self._lines = (*lines, PromptLine(who="agent", text=answer))
        return answer

    async def _speech_request(self, request: _Request) -> None:
        mode = request.mode if request.mode in MODES else "tts"
        await self._say(request.text, mode, request.request_id, request.call_id)

    async def _say(self, text: str, mode: str, request_id: str, call_id: str = "") -> None:
        voice = self._agent.voice
        manner = Manner(voice.name, voice.words_per_minute, voice.pitch)
        if len(text) > LONGEST_TEXT:
            log.warning("a client of the old protocol wants %d characters spoken; it gets the first of them", len(text))
            text = text[:LONGEST_TEXT]
        made = bytearray()
        try:
            async with contextlib.aclosing(self._voicing.speak(text, manner)) as chunks:
                async for chunk in chunks:
                    if not isinstance(chunk, Said):
                        made += chunk
        except (VoiceLost, Refused, NoAnswer) as error:
            log.error("a client of the old protocol gets no speech: %s", error)
        # Also where there is none: the client waits for it.
        speech = to_mulaw(np.frombuffer(bytes(made), dtype="<i2").astype(np.int16))
        if request_id:
            self._send(
                "tts_audio",
                call_id=call_id or self._call_id,
                mode=mode,
                request_id=request_id,
                encoding="mulaw",
                sample_rate_hz=SPEECH_RATE,
                byte_length=len(speech),
            )
        await self._outbox.room()
        self._outbox.put(speech)

    async def _reload(self, *roles: str) -> None:
        """Fresh actors in place of those that run: what they are in the middle of, others begin again."""
        try:
            for role in roles:
                await self._lending.bus.ask(SUPERVISOR, Recycle(target=role), within=RELOAD_S)
        except (Refused, NoAnswer) as error:
            self._send("reload_response", status="error", message=str(error))
        else:
            self._send("reload_response", status="success", message=f"{', '.join(roles)} started anew")

    # -- everything

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[Any]:
        task = self._lending.spawn(work, name)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    async def close(self) -> None:
        """The connection has ended."""
        for timer in (self._idle, self._leave):
            if timer is not None:
                timer.cancel()
        for task in tuple(self._work):
            task.cancel()
        if self._work:
            await asyncio.wait(tuple(self._work))
        await self._release_ear()
        self._answering.close()
        await self._voicing.close()
