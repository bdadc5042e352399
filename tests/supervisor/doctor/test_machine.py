"""What the machine gives, both ways."""

import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.keeping import History
from config.media import ExternalMedia, MediaSettings
from config.schema import Asterisk, Audio, AudioSocket, Settings
from supervisor.doctor import files, machine
from supervisor.doctor.findings import Finding, Subject
from tests.supervisor.doctor.ward import patient
from tests.supervisor.stage import free_port

HERE = Subject("Machine", "machine")


@pytest.fixture
def taken() -> Iterator[int]:
    """A TCP port and a UDP port of that number that somebody else has."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(tcp.getsockname())
        yield tcp.getsockname()[1]


def levels(findings: list[Finding]) -> dict[str, str]:
    return {finding.check.partition(".")[2]: finding.level for finding in findings}


def test_a_small_system_has_room() -> None:
    settings = Settings(audio=Audio(max_calls=1))
    assert levels(machine.memory(settings, HERE)) == {"memory": "ok"}
    assert levels(machine.descriptors(settings, None, HERE)) == {"descriptors": "ok"}


def test_too_little_shared_memory_is_told_with_the_size_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CALL_BYTES", 1 << 50)
    (found,) = machine.memory(Settings(), HERE)
    assert found.level == "warning"
    assert "mount -o remount,size=" in found.remedy


def test_a_low_limit_on_open_files_is_told() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        (found,) = machine.descriptors(Settings(audio=Audio(max_calls=100)), None, HERE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found.level == "warning"
    assert "LimitNOFILE=65536" in found.remedy


def test_a_free_port_is_fine_and_a_taken_one_is_an_error(taken: int) -> None:
    free = Settings(audiosocket=AudioSocket(port=free_port()))
    assert levels(machine.audio_port(free, None, HERE)) == {"port": "ok"}
    (found,) = machine.audio_port(Settings(audiosocket=AudioSocket(port=taken)), None, HERE)
    assert found.level == "error"
    assert str(taken) in found.what


@pytest.mark.parametrize(
    ("pbx", "host", "advertised", "allowed", "checks"),
    [
        ("127.0.0.1", "127.0.0.1", "", (), {"port": "ok"}),
        ("10.0.0.5", "127.0.0.1", "", (), {"port": "ok", "address": "error"}),
        ("10.0.0.5", "0.0.0.0", "10.0.0.9", ("10.0.0.5",), {"port": "ok"}),
        ("10.0.0.5", "0.0.0.0", "10.0.0.9", (), {"port": "ok", "open": "advice"}),
        ("10.0.0.5", "0.0.0.0", "127.0.0.1", ("10.0.0.5",), {"port": "ok", "address": "error"}),
    ],
)
def test_the_address_that_asterisk_is_told(
    pbx: str, host: str, advertised: str, allowed: tuple[str, ...], checks: dict[str, str]
) -> None:
    audio = AudioSocket(host=host, port=free_port(), advertise_host=advertised, allowed_hosts=allowed)
    assert levels(machine.audio_port(Settings(asterisk=Asterisk(host=pbx), audiosocket=audio), None, HERE)) == checks


def test_rtp_ports_that_somebody_else_has_are_told(taken: int) -> None:
    settings = Settings(external_media=ExternalMedia(port_range=f"{taken}-{taken}"), audio=Audio(max_calls=1))
    (found,) = machine.rtp_ports(settings, None, HERE)
    assert found.level == "warning"
    assert "1 ports, 0 of them usable" in found.evidence
    without = Settings(media=MediaSettings(transports=("audiosocket",)))
    assert machine.rtp_ports(without, None, HERE) == []


def test_real_time_priority_that_is_not_asked_for_needs_no_right() -> None:
    assert levels(machine.priority(Settings(audio=Audio(priority=0)), None, HERE)) == {"priority": "ok"}


def test_real_time_priority_is_really_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(machine.os, "sched_setscheduler", refuse)
    (found,) = machine.priority(Settings(), None, HERE)
    assert found.level == "warning"
    assert "LimitRTPRIO=40" in found.remedy


def test_a_slow_clock_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "current_clocksource"
    monkeypatch.setattr(machine, "CLOCKSOURCE", source)
    source.write_text("tsc\n")
    assert levels(machine.clock(HERE))["clock"] == "ok"
    source.write_text("hpet\n")
    assert levels(machine.clock(HERE))["clock"] == "warning"


# -- files


def test_the_call_history_needs_a_folder_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(history=History(directory=str(tmp_path / "not" / "yet" / "there")))
    assert levels(files.kept(settings, HERE)) == {"history": "ok"}
    monkeypatch.setattr(files, "FEW_BYTES", 1 << 60)
    assert levels(files.kept(settings, HERE)) == {"history": "warning"}
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)
    (found,) = files.kept(settings, HERE)
    assert f"install -d -o ringmaster -g ringmaster -m 0700 {tmp_path}/not/yet/there" in found.remedy


def test_a_directory_for_files_is_tried(tmp_path: Path) -> None:
    settings = patient(tmp_path, 1).settings
    found = levels(files.directory(settings, HERE))
    assert found["files"] == "ok"
    assert not list((tmp_path / "media").iterdir())


@pytest.mark.parametrize(("mode", "level"), [("stream", "warning"), ("file", "error")])
def test_a_directory_that_is_not_there_is_told_with_all_commands(tmp_path: Path, mode: str, level: str) -> None:
    config = patient(tmp_path, 1, streaming={"media_directory": str(tmp_path / "none"), "media_uri": "sound:ai"})
    settings = Settings(streaming=config.settings.streaming, downstream_mode=mode)  # type: ignore[arg-type]
    (found,) = files.directory(settings, HERE)
    assert found.level == level
    for word in (f"mkdir -p {tmp_path}/none\n", f"tmpfs {tmp_path}/none tmpfs size=256m", f"mount {tmp_path}/none\n"):
        assert word in found.remedy
    assert f"ln -sfn {tmp_path}/none /var/lib/asterisk/sounds/ai\n" in found.remedy


def test_a_file_in_the_directorys_place_is_told(tmp_path: Path) -> None:
    config = patient(tmp_path, 1)
    (tmp_path / "media").rmdir()
    (tmp_path / "media").write_text("not a directory")
    assert levels(files.directory(config.settings, HERE)) == {"files": "warning"}


def test_memory_is_told_from_disk() -> None:
    assert files.file_system(Path("/dev/shm")) == "tmpfs"
    assert files.file_system(Path("/proc/self")) == "proc"
