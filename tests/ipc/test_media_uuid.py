"""UUIDs of our own media connections are told apart from everybody else's."""

import uuid

from ipc import media_uuid


def test_ours_are_valid_and_of_version_8() -> None:
    made = uuid.UUID(media_uuid.make())
    assert (made.version, made.variant) == (8, uuid.RFC_4122)


def test_ours_are_recognised_however_they_are_written() -> None:
    made = media_uuid.make()
    assert media_uuid.is_ours(made)
    assert media_uuid.is_ours(made.upper())
    assert media_uuid.is_ours(str(uuid.UUID(bytes=uuid.UUID(made).bytes)))


def test_those_of_a_dialplan_are_not_ours() -> None:
    assert not any(media_uuid.is_ours(str(make())) for make in (uuid.uuid1, uuid.uuid4) for _ in range(1000))
    assert not media_uuid.is_ours("40325ec2-5efd-8bd3-805f-53576e581d13"), "another program's version 8"
    assert not media_uuid.is_ours("front-desk")


def test_no_two_are_alike() -> None:
    assert len({media_uuid.make() for _ in range(1000)}) == 1000
