"""Values are written into a file that belongs to a person: everything else stays, and nothing is ever half written."""

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest
from msgspec import structs

from config.load import SHIPPED, load
from config.persist import CannotPersist, persist

PERSON = "transfers: {destinations: {person: {context: from-internal, extension: '200'}}}\n"
"""What the agents that ship need."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(SHIPPED.parent / "agents", tmp_path / "agents")
    return tmp_path


def file(folder: Path, text: str) -> Path:
    path = folder / "ringmaster.yaml"
    path.write_bytes(text.encode())
    load(path)
    return path


def refused(path: Path, changes: dict[tuple[str, ...], object]) -> str:
    """Why. The file is as it was, and nothing lies beside it."""
    before, beside = path.read_bytes(), sorted(path.parent.iterdir())
    with pytest.raises(CannotPersist) as refusal:
        persist(path, changes)  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == beside
    return str(refusal.value)


# -- what changes, and what does not


def test_in_the_file_that_ships_only_the_values_change(folder: Path) -> None:
    """To the character, the columns of the comments included."""
    text = SHIPPED.read_text()
    path = file(folder, text)
    persist(
        path,
        {
            ("audio", "cores"): [0, 1],
            ("audio", "priority"): 0,
            ("audio", "calls_per_process"): 40,
            ("actors", "stt", "nice"): -3,
            ("vad", "margin_db"): 9.5,
            ("active_pipeline",): "embedded",
        },
    )
    for old, new in [
        ("  cores: auto                             #", "  cores: [0, 1]                           #"),
        ("  priority: 20                            #", "  priority: 0                             #"),
        ("  calls_per_process: 1                    #", "  calls_per_process: 40                   #"),
        ("  stt: {count: 0, cores: auto, nice: 5, ", "  stt: {count: 0, cores: auto, nice: -3, "),
        ("  margin_db: 8                            #", "  margin_db: 9.5                          #"),
    ]:
        assert text.count(old) == 1
        text = text.replace(old, new)
    assert path.read_text() == text


ODD = f"""\
---
# Somebody's own.
audio:
    # before
    cores:
      - 0     # the first
      - 1
    calls_per_process: "2"      # in quotes

{PERSON}
# about turns
turns:
    max_turn_s: 20   # long enough

# the end
"""


def test_another_indentation_and_comments_in_any_place_are_kept(folder: Path) -> None:
    path = file(folder, ODD)
    persist(path, {("audio", "cores"): [1], ("audio", "calls_per_process"): 3})
    changed = ODD.replace("    cores:\n      - 0     # the first\n      - 1\n", "    cores: [1]\n")
    changed = changed.replace('"2"      #', "3        #")
    assert path.read_text() == changed


def test_keys_and_sections_that_are_missing_are_added(folder: Path) -> None:
    path = file(folder, ODD)
    persist(path, {("audio", "priority"): 7, ("vad", "start_frames"): 4})
    settings = load(path).settings
    assert (settings.audio.priority, settings.audio.cores, settings.vad.start_frames) == (7, (0, 1), 4)
    assert all(line in path.read_text().splitlines() for line in ODD.splitlines())


def test_a_section_that_is_added_does_not_change_what_stood_there_by_default(folder: Path) -> None:
    path = file(folder, PERSON)
    before = load(path).settings.actors
    persist(path, {("actors", "stt", "nice"): 9})
    assert load(path).settings.actors == structs.replace(before, stt=structs.replace(before.stt, nice=9))


def test_into_a_file_of_nothing_but_comments(folder: Path) -> None:
    agent = folder / "agents" / "front-desk.yaml"
    agent.write_text("name: front-desk\ngreeting: Hello.\nscript:\n  intents: {hi: {heard: hi, reply: [Hi.]}}\n")
    path = file(folder, "# nothing yet\n\n# really\n")
    persist(path, {("audio", "warm"): 3})
    assert path.read_text() == "# nothing yet\n\n# really\naudio:\n  warm: 3\n"


def test_line_ends_and_the_mark_of_an_editor_are_kept(folder: Path) -> None:
    path = folder / "ringmaster.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + (PERSON + "audio:\n  warm: 3  # three\n").replace("\n", "\r\n").encode())
    persist(path, {("audio", "warm"): 4})
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert path.read_bytes().endswith(b"audio:\r\n  warm: 4  # three\r\n")


def test_rights_and_links_stay(folder: Path) -> None:
    path = file(folder, ODD)
    path.chmod(0o640)
    link = folder / "link.yaml"
    link.symlink_to(path)
    persist(link, {("audio", "warm"): 5})
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert load(path).settings.audio.warm == 5


# -- what is refused


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        (("audio", "priority"), 100, "audio.priority: this must be a whole number"),
        (("audio", "cores"), ["one"], "audio.cores[0]: this must be"),
        (("audio", "colour"), 1, "there is no such key"),
        (("actors", "stt", "cores"), "every", "actors.stt.cores: this must be"),
        (("active_pipeline",), "other", "there is no pipeline `other`"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place_in_the_file(
    folder: Path, key: tuple[str, ...], value: object, sentence: str
) -> None:
    path = file(folder, SHIPPED.read_text())
    told = refused(path, {key: value, ("audio", "warm"): 3})
    assert f"{path} was not changed, for it would be wrong:\n{path}:" in told
    assert sentence in told


def test_a_value_from_the_environment_is_refused_by_its_name(folder: Path) -> None:
    path = file(folder, PERSON + "audio: {warm: 3, cores: [0, '${SECOND:-1}'], priority: '${FIFO:-5}'}\n")
    assert "`audio.priority` comes from the environment, as `${FIFO:-5}`" in refused(path, {("audio", "priority"): 1})
    assert "`audio.cores` comes from the environment" in refused(path, {("audio", "cores"): [0]})


def test_a_value_that_others_share_is_refused(folder: Path) -> None:
    path = file(folder, PERSON + "actors:\n  stt: &model {count: 2, nice: 5}\n  llm: *model\n")
    told = refused(path, {("actors", "stt", "nice"): 6})
    assert "`actors.llm.nice` would change too" in told
    assert "change `actors.stt.nice` by hand" in told


def test_a_file_with_mistakes_is_refused(folder: Path) -> None:
    path = folder / "ringmaster.yaml"
    path.write_text("audio: {warm: few}\n")
    assert "has mistakes, which have to be put right first:" in refused(path, {("audio", "warm"): 3})


def test_a_file_that_is_not_there_or_read_only_is_refused(folder: Path) -> None:
    with pytest.raises(CannotPersist, match="cannot be read: No such file"):
        persist(folder / "none.yaml", {("audio", "warm"): 3})
    path = file(folder, ODD)
    path.chmod(0o444)
    assert "is read-only: make it writable" in refused(path, {("audio", "warm"): 3})


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EBUSY, "is mounted by itself, and cannot be replaced: mount its folder"),
        (errno.EACCES, "change it as a user who may write files there"),
    ],
)
def test_a_folder_that_refuses_the_new_file_costs_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    def replace(self: Path, target: Path) -> Path:
        raise OSError(number, os.strerror(number))

    path = file(folder, ODD)
    monkeypatch.setattr(Path, "replace", replace)
    assert sentence in refused(path, {("audio", "warm"): 3})


def test_what_somebody_else_has_written_meanwhile_is_not_lost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(folder, ODD)
    fsync = os.fsync

    def meanwhile(descriptor: int) -> None:
        fsync(descriptor)
        path.write_text(ODD + "# somebody was here\n")

    monkeypatch.setattr(os, "fsync", meanwhile)
    with pytest.raises(CannotPersist, match="was changed by somebody else"):
        persist(path, {("audio", "warm"): 3})
    assert path.read_text() == ODD + "# somebody was here\n"


def test_at_every_moment_the_file_is_the_old_one_or_the_new_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads it while it is being replaced finds it whole: it is written beside, and renamed."""
    path = file(folder, ODD)
    seen: list[str] = []
    replace = Path.replace

    def watched(self: Path, target: Path) -> Path:
        seen.extend([path.read_text(), self.read_text()])
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    persist(path, {("audio", "warm"): 3})
    assert seen == [ODD, path.read_text()]
    assert seen[0] != seen[1]
