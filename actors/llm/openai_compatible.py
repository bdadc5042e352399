"""The engine `openai_compatible`: a server that speaks OpenAI's protocol, such as vLLM, llama.cpp's or Ollama's.

    GET  {base_url}/models                 once, at the start: is it there, does it let us in, has it the model
    POST {base_url}/chat/completions       each answer, with `stream`: lines `data: {...}`, at last `data: [DONE]`

One session is kept, and with it the connections. Closing one is how an answer is cancelled: servers stop computing.

Source: platform.openai.com/docs/api-reference/chat (streaming). What servers do besides: vLLM's last chunk has no
choices but usage, Ollama gives a whole tool call in one delta, llama.cpp's an `error` object amid the stream.
"""

import asyncio
import contextlib
import json
import logging
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from actors.catalogue import Unusable
from actors.llm.answer import Answer, wanted
from actors.llm.engine import Failed, Full, Prompt, Token, ToolCall
from actors.llm.messages import as_message, as_system, instructions
from actors.llm.tools import Tool, described
from config.agent import Agent
from config.engines import OpenAiCompatible as Settings
from config.load import Config

log = logging.getLogger(__name__)

_MODELS_S = 10.0
"""For the list of models, once, before the actor is ready."""
_END_S = 0.1
"""For the end of a stream, behind its last event."""
_LINE_BYTES = 1 << 20
"""Longest line of a stream: a whole tool call in one delta is a few kilobytes."""
_EXCERPT = 200
"""Characters of a server's own words that are repeated to the operator."""


@dataclass(slots=True)
class _Begun:
    """A tool call that comes in pieces."""

    name: str = ""
    arguments: str = ""


class OpenAiCompatible:
    """One server."""

    name = "openai_compatible"

    def __init__(self, settings: Settings, agents: dict[str, Agent] | None = None) -> None:
        """Asks the server which models it has. Raises `Unusable`."""
        self._settings = settings
        self._agents = agents or {}
        self._base = settings.base_url.rstrip("/")
        key = settings.api_key.reveal()
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._calls: set[str] = set()
        self._answers = 0
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        """To which the session belongs."""
        self._model = self._choose_model()

    @classmethod
    def of(cls, config: Config) -> Self:
        """The server that the settings name. Raises `Unusable`."""
        return cls(config.settings.engines.openai_compatible, dict(config.agents))

    def _choose_model(self) -> str:
        address = f"{self._base}/models"
        try:
            request = urllib.request.Request(address, headers=self._headers)
            with urllib.request.urlopen(request, timeout=_MODELS_S) as reply:
                listed = [str(model["id"]) for model in json.load(reply)["data"]]
        except urllib.error.HTTPError as error:
            error.close()
            raise Unusable(f"{address} answers {error.code}: {self._remedy(error.code)}") from error
        except OSError as error:
            raise Unusable(
                f"no language model server answers at {address} ({getattr(error, 'reason', error)}): start it, or "
                "correct `engines.openai_compatible.base_url`"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise Unusable(
                f"{address} gives no list of models: `engines.openai_compatible.base_url` must end where /models and "
                "/chat/completions begin, usually with /v1"
            ) from error
        wanted_model = self._settings.model or (listed[0] if listed else "")
        if wanted_model not in listed:
            raise Unusable(
                f"the server at {self._base} has no model {wanted_model!r}; it has {', '.join(listed) or 'none'}: "
                "correct `engines.openai_compatible.model`"
            )
        return wanted_model

    def _remedy(self, status: int) -> str:
        if status in (401, 403):
            return "set `engines.openai_compatible.api_key` to a key that the server accepts"
        if status == 404:
            return "correct `engines.openai_compatible.base_url` and `model`"
        if status == 429:
            return "it has too much to do, or the account is used up"
        return "see its log" if status >= 500 else "it does not take what we ask for"

    # -- admission: the server queues what it cannot do at once, and a caller must not wait in a queue

    def reserve(self, call: str, agent: str, system: str, tools: tuple[str, ...]) -> None:
        """Raises `Full`."""
        if call not in self._calls and len(self._calls) >= self._settings.calls:
            raise Full(f"all {self._settings.calls} calls of this language model are taken")
        self._calls.add(call)

    def prepare(self, prompt: Prompt) -> None:
        """The protocol has no such thing. Servers keep what they have read of a conversation by themselves."""

    def release(self, call: str) -> None:
        """Another call may have its place."""
        self._calls.discard(call)

    # -- answers

    async def generate(self, prompt: Prompt) -> AsyncIterator[Token | ToolCall]:
        """Streams the answer. Raises `Full`, and `Failed` for what the server or the network does."""
        if prompt.call not in self._calls and self._answers >= self._settings.calls:
            raise Full(f"all {self._settings.calls} calls of this language model are taken")
        tools = self._tools(prompt)
        names = [tool.name for tool in tools]
        answer = Answer(names, self._settings.max_tokens)
        begun: dict[int, _Begun] = {}
        complete = False
        self._answers += 1
        try:
            async with self._post(self._body(prompt, tools)) as reply:
                await self._check(reply)
                while not answer.over and (chunk := await self._chunk(reply)) is not None:
                    text, finished = _read(chunk, begun)
                    complete = complete or (bool(finished) and finished != "length")
                    for part in answer.take(text.encode()) if text else ():
                        yield part
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Failed(f"the language model server at {self._base} {_trouble(error, self._settings)}") from error
        finally:
            self._answers -= 1
        for part in answer.end(complete=complete):
            yield part
        for call in begun.values():
            if (found := _call(call, names)) is not None:
                yield found

    def _tools(self, prompt: Prompt) -> tuple[Tool, ...]:
        agent = self._agents.get(prompt.agent)
        return described(prompt.tools, agent.transfers if agent else ())

    def _body(self, prompt: Prompt, tools: tuple[Tool, ...]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            # News of a tool in a role of its own would have to answer a call by its number, which nobody has kept.
            "messages": [
                as_system(instructions(prompt)),
                *(as_message(line, tool_lines=False) for line in prompt.lines),
            ],
            "stream": True,
            "max_tokens": self._settings.max_tokens,
            "temperature": self._settings.temperature,
        }
        if tools:
            body["tools"] = [tool.schema() for tool in tools]
        return body

    def _post(self, body: dict[str, Any]) -> Any:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            self._loop = loop
            settings = self._settings
            limits = aiohttp.ClientTimeout(
                total=None, sock_connect=settings.connect_timeout_s, sock_read=settings.timeout_s
            )
            self._session = aiohttp.ClientSession(
                headers=self._headers, timeout=limits, read_bufsize=_LINE_BYTES, connector=aiohttp.TCPConnector(limit=0)
            )
        return self._session.post(f"{self._base}/chat/completions", json=body)

    async def close(self) -> None:
        """Ends all connections."""
        if self._session is not None:
            await self._session.close()

    async def _check(self, reply: aiohttp.ClientResponse) -> None:
        if reply.status != 200:
            text = " ".join((await reply.text()).split())[:_EXCERPT]
            raise Failed(f"{reply.url} answers {reply.status} ({text}): {self._remedy(reply.status)}")

    async def _chunk(self, reply: aiohttp.ClientResponse) -> dict[str, Any] | None:
        """The next event's object; None at the end."""
        while line := await reply.content.readline():
            field, _, value = line.decode(errors="replace").strip().partition(":")
            if field != "data" or not (value := value.strip()):
                continue  # a comment, which keeps the connection alive, or the empty line between two events
            if value == "[DONE]":
                with contextlib.suppress(TimeoutError):  # read to its end, the connection is used again
                    async with asyncio.timeout(_END_S):
                        await reply.content.read()
                return None
            try:
                chunk = json.loads(value)
            except ValueError:
                chunk = None
            if not isinstance(chunk, dict):
                raise Failed(
                    f"the language model server at {self._base} says what is no JSON object: {value[:_EXCERPT]}"
                )
            if error := chunk.get("error"):
                text = error.get("message", error) if isinstance(error, dict) else error
                raise Failed(f"the language model server at {self._base} broke off: {str(text)[:_EXCERPT]}")
            return chunk
        raise Failed(f"the language model server at {self._base} hung up in the middle of an answer: see its log")


def _trouble(error: Exception, settings: Settings) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"did not take the connection within {settings.connect_timeout_s:g} s"
    if isinstance(error, TimeoutError):
        return f"said nothing for {settings.timeout_s:g} s (`engines.openai_compatible.timeout_s`)"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot be reached ({error.os_error.strerror or error.os_error}): is it running?"
    return f"hung up in the middle of an answer ({error or type(error).__name__}): see its log"


def _read(chunk: dict[str, Any], begun: dict[int, _Begun]) -> tuple[str, str]:
    """The text in a chunk, and why the answer is finished, if it is. Pieces of tool calls are added to `begun`."""
    choices = chunk.get("choices") or [{}]
    delta = choices[0].get("delta") or {}
    for at, piece in enumerate(delta.get("tool_calls") or ()):
        call = begun.setdefault(piece.get("index", at), _Begun())
        function = piece.get("function") or {}
        call.name += function.get("name") or ""
        arguments = function.get("arguments") or ""
        call.arguments += arguments if isinstance(arguments, str) else json.dumps(arguments)
    return delta.get("content") or "", choices[0].get("finish_reason") or ""


def _call(call: _Begun, names: list[Any]) -> ToolCall | None:
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        log.warning("the model calls %.60r with arguments that are none: %.200s", call.name, call.arguments)
        return None
    return wanted(call.name, arguments, names)
