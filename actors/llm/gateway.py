"""The engine `gateway`: the language model of another machine, over its gateway (`actors.link`, `ipc.gateway`)."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Self

from actors.link import Broken, Gone, Link, News
from actors.llm.engine import Full, Line, Prompt, Token, ToolCall
from config.load import Config
from ipc import gateway as wire
from ipc.thinking import PromptLine

log = logging.getLogger(__name__)


BACK_S = 1.5
"""A gateway that has just been killed is back within about a second; whoever reserves waits for two."""


class Gateway:
    """All calls of one actor, over one connection. What a call has reserved there is forgotten when that breaks; it is
    served all the same, where there is room."""

    name = "gateway"

    def __init__(self, link: Link) -> None:
        self._link = link
        self._calls: dict[str, str] = {}
        """Our calls' names, as the gateway knows them."""

    @classmethod
    def of(cls, config: Config) -> Self:
        """As the configuration says. Raises `actors.catalogue.Unusable`."""
        return cls(Link.to(config, "llm"))

    def _name(self, call: str) -> str:
        if call not in self._calls:
            self._calls[call] = self._link.new_name()[0]
        return self._calls[call]

    async def reserve(self, call: str, agent: str, system: str, tools: tuple[str, ...]) -> None:
        """Raises `Full`, also where nobody can be asked."""
        name = self._name(call)
        news = _inbox(self._link, name)
        try:
            await self._link.until_up(time.monotonic() + BACK_S)
            self._link.send(wire.Reserve(call=name, agent=agent, system=system, tools=tools))
            async with asyncio.timeout(self._link.timeout_s):
                answer = await news.get()
        except (Broken, TimeoutError) as error:
            raise Full(str(error) or f"no answer from the gateway within {self._link.timeout_s:g} s") from error
        finally:
            self._link.forget(name)
        if isinstance(answer, wire.Error | Gone):
            raise Full(answer.text if isinstance(answer, wire.Error) else answer.reason)

    def prepare(self, prompt: Prompt) -> None:
        self._link.tell(
            wire.Prepare(
                call=self._name(prompt.call),
                agent=prompt.agent,
                system=prompt.system,
                lines=_lines(prompt.lines),
                tools=prompt.tools,
            )
        )

    async def generate(self, prompt: Prompt) -> AsyncIterator[Token | ToolCall]:
        """What has begun and breaks off ends where it is. Raises `Full`, and `Broken` where the gateway stays away: no
        other call can be answered here either then, and this process is of no use."""
        until = time.monotonic() + self._link.timeout_s
        begun = False
        while True:
            try:
                async with contextlib.aclosing(self._ask(prompt)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
                return
            except Broken as error:
                if begun:
                    log.error("an answer broke off: %s", error)
                    return
                if not await self._link.until_up(until):
                    raise
                log.warning("a question is asked again: %s", error)

    async def _ask(self, prompt: Prompt) -> AsyncGenerator[Token | ToolCall, None]:
        link = self._link
        request, _ = link.new_name()
        inbox = _inbox(link, request)
        complete = False
        try:
            link.send(
                wire.Generate(
                    call=self._name(prompt.call),
                    request=request,
                    agent=prompt.agent,
                    system=prompt.system,
                    lines=_lines(prompt.lines),
                    tools=prompt.tools,
                )
            )
            while not complete:
                async with asyncio.timeout(link.timeout_s):
                    news = await inbox.get()
                match news:
                    case wire.Token(text=text):
                        yield Token(text)
                    case wire.ToolWanted(name=name, arguments=arguments):
                        yield ToolCall(name, arguments)
                    case wire.Error(code="busy" | "refused", text=text):
                        complete = True
                        raise Full(text)
                    case wire.Error(text=reason) | Gone(reason=reason):
                        complete = True
                        raise Broken(reason)
                    case wire.Generated():
                        complete = True
        except TimeoutError:
            log.error("an answer ends where it is: nothing from the gateway for %g s", link.timeout_s)
        finally:
            link.forget(request)
            if not complete:
                link.tell(wire.Cancel(request=request))

    def release(self, call: str) -> None:
        name = self._calls.pop(call, None)
        if name is not None:
            self._link.tell(wire.Release(call=name))


def _inbox(link: Link, key: str) -> "asyncio.Queue[News]":
    """What comes under this key, for this loop."""
    loop = asyncio.get_running_loop()
    inbox: asyncio.Queue[News] = asyncio.Queue()

    def take(news: News) -> None:
        loop.call_soon_threadsafe(inbox.put_nowait, news)

    link.handle(key, take)
    return inbox


def _lines(lines: tuple[Line, ...]) -> tuple[PromptLine, ...]:
    return tuple(PromptLine(who=line.who, text=line.text) for line in lines)
