"""Which call a channel or bridge belongs to."""

import msgspec

from actors.call_control.sessions import (
    MediaLeg,
    Session,
    SessionStore,
    bridge_id,
    direct_call_id,
    is_media_channel,
    media_channel_id,
)
from ipc import media_uuid

FIRST, SECOND = media_uuid.make(), media_uuid.make()


def session(**changes: object) -> Session:
    return msgspec.structs.replace(Session(call_id="17.1", rate=8000, arrived_ns=1), **changes)


def test_a_call_is_found_by_its_callers_channel_its_media_legs_and_its_bridge() -> None:
    store = SessionStore()
    call = session(media=MediaLeg(uuid=SECOND), old_media=(MediaLeg(uuid=FIRST),))
    store.put(call)
    for channel in ("17.1", media_channel_id(FIRST), media_channel_id(SECOND)):
        assert store.of_channel(channel) is call
    assert store.of_bridge(bridge_id("17.1")) is call
    assert store.of_channel("17.2") is store.of_bridge("call-17.2") is store.get("17.2") is None


def test_a_media_leg_that_is_gone_leads_nowhere() -> None:
    store = SessionStore()
    store.put(session(media=MediaLeg(uuid=FIRST)))
    store.put(session(media=MediaLeg(uuid=SECOND)))
    assert store.of_channel(media_channel_id(FIRST)) is None
    assert store.of_channel(media_channel_id(SECOND)) is not None


def test_a_dropped_call_is_not_found_at_all() -> None:
    store = SessionStore()
    store.put(session(media=MediaLeg(uuid=FIRST)))
    store.drop("17.1")
    store.drop("17.1")
    assert (len(store), list(store), store.of_channel(media_channel_id(FIRST))) == (0, [], None)


def test_own_legs_are_known_by_the_ids_that_we_chose() -> None:
    assert is_media_channel(media_channel_id(FIRST))
    for stranger in (FIRST, "media-", "media-1", "media-40325ec2-5efd-4bd3-805f-53576e581d13", "1795348111.4"):
        assert not is_media_channel(stranger), stranger


def test_direct_calls_have_ids_of_their_own() -> None:
    assert direct_call_id("u") == "direct-u"
