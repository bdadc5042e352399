"""The control plane, between buses of one process: the sockets are the same as between processes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from ipc.bus import BadMessage, Bus, NoAnswer, Refused, decode, encode
from ipc.messages import ActorChanged, CallNote, CloseCall, Done, EndCall, HangUp, ListCalls, Message
from ipc.thinking import Generated


@asynccontextmanager
async def two(run_dir: Path) -> AsyncIterator[tuple[Bus, Bus]]:
    async with Bus(run_dir, "alice") as alice, Bus(run_dir, "bob") as bob:
        yield alice, bob


def run(tmp_path: Path, scene: Callable[[Bus, Bus], Awaitable[None]]) -> None:
    async def play() -> None:
        async with asyncio.timeout(20), two(tmp_path) as (alice, bob):
            await scene(alice, bob)

    asyncio.run(play())


async def agree(sender: str, message: Message) -> None:
    return None


def test_a_command_is_acknowledged_and_names_its_sender(tmp_path: Path) -> None:
    seen: list[tuple[str, HangUp]] = []

    async def scene(alice: Bus, bob: Bus) -> None:
        async def hang_up(sender: str, message: HangUp) -> None:
            seen.append((sender, message))

        bob.on(HangUp, hang_up)
        assert await alice.ask("bob", HangUp(call_id="1", reason="goodbye"), within=5) == Done()

    run(tmp_path, scene)
    assert seen == [("alice", HangUp(call_id="1", reason="goodbye"))]


def test_a_refusal_reaches_the_sender_as_an_exception_with_the_reason(tmp_path: Path) -> None:
    async def scene(alice: Bus, bob: Bus) -> None:
        async def refuse(sender: str, message: HangUp) -> None:
            raise Refused("no such call", busy=True)

        bob.on(HangUp, refuse)
        with pytest.raises(Refused, match="no such call") as refused:
            await alice.ask("bob", HangUp(call_id="1", reason=""), within=5)
        assert refused.value.busy

    run(tmp_path, scene)


def test_a_peer_that_is_not_there_is_reported_at_the_deadline(tmp_path: Path) -> None:
    async def scene(alice: Bus, bob: Bus) -> None:
        with pytest.raises(NoAnswer, match=r"carol did not answer ListCalls within 0\.05 s"):
            await alice.ask("carol", ListCalls(), within=0.05)

    run(tmp_path, scene)


def test_a_command_that_waited_past_its_deadline_is_not_carried_out_by_a_successor(tmp_path: Path) -> None:
    closed: list[str] = []

    async def play() -> None:
        async with asyncio.timeout(20), Bus(tmp_path, "alice") as alice:
            with pytest.raises(NoAnswer):
                await alice.ask("bob", CloseCall(call_id="old"), within=0.05)

            async def close(sender: str, message: CloseCall) -> None:
                closed.append(message.call_id)

            async with Bus(tmp_path, "bob") as bob:
                bob.on(CloseCall, close)
                await alice.ask("bob", CloseCall(call_id="new"), within=10)

    asyncio.run(play())
    assert closed == ["new"]


def test_notes_arrive_in_order(tmp_path: Path) -> None:
    async def scene(alice: Bus, bob: Bus) -> None:
        seen: list[str] = []
        complete = asyncio.Event()

        async def note(sender: str, message: CallNote) -> None:
            seen.append(message.what)
            if message.what == "499":
                complete.set()

        bob.on(CallNote, note)
        for number in range(500):
            alice.tell("bob", CallNote(call_id="1", what=str(number)))
        await complete.wait()
        assert seen == [str(number) for number in range(500)]

    run(tmp_path, scene)


def test_events_reach_every_subscriber_of_their_kind_only(tmp_path: Path) -> None:
    async def scene(alice: Bus, bob: Bus) -> None:
        changed: asyncio.Queue[Message] = asyncio.Queue()

        async def note(sender: str, message: ActorChanged) -> None:
            changed.put_nowait(message)

        await bob.subscribe("alice", ActorChanged, note)
        event = ActorChanged(name="stt.1", role="stt", state="ready", pid=1)
        while changed.empty():  # a subscription takes effect some time after it was made: until then events are lost
            alice.publish(Generated(request="r"))
            alice.publish(event)
            await asyncio.sleep(0)
        assert await changed.get() == event

    run(tmp_path, scene)


def test_an_unknown_message_type_is_an_error_that_names_sender_and_type() -> None:
    with pytest.raises(BadMessage, match=r"stt\.1 sent a wrong Sing.*Sing"):
        decode(msgspec.msgpack.encode({"type": "Sing"}), "stt.1")


def test_an_unknown_field_is_an_error_that_names_sender_message_and_field() -> None:
    with pytest.raises(BadMessage, match=r"carol sent a wrong CloseCall: .*colour"):
        decode(msgspec.msgpack.encode({"type": "CloseCall", "call_id": "1", "colour": "red"}), "carol")


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x01", b"hello", msgspec.msgpack.encode([1, 2])])
def test_garbage_is_an_error_that_names_the_sender(body: bytes) -> None:
    with pytest.raises(BadMessage, match="carol sent"):
        decode(body, "carol")


def test_a_message_survives_the_wire_unchanged() -> None:
    message = EndCall(call_id="1795348105.2", cause="caller hung up")
    assert decode(encode(message), "alice") == message


def test_a_message_that_nobody_takes_is_refused_by_name(tmp_path: Path) -> None:
    async def scene(alice: Bus, bob: Bus) -> None:
        with pytest.raises(Refused, match="bob does not take ListCalls"):
            await alice.ask("bob", ListCalls(), within=5)

    run(tmp_path, scene)


def test_a_handler_that_breaks_ends_the_actor(tmp_path: Path) -> None:
    async def play() -> None:
        async with asyncio.timeout(20), two(tmp_path) as (alice, bob):

            async def broken(sender: str, message: ListCalls) -> None:
                raise ZeroDivisionError

            bob.on(ListCalls, broken)
            await alice.ask("bob", ListCalls(), within=10)

    with pytest.raises(ExceptionGroup) as group:
        asyncio.run(play())
    assert group.group_contains(ZeroDivisionError)
