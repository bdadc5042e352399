"""A call as a picture: who spoke when, where turns were decided, what was interrupted, how long answers took."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from bench.report import PARTS, parts_ms
from ipc.journal import AgentSaid, BargedIn, CallEnded, CallerSaid, CallStarted, Record, TurnTimed

ROW_S = 20.0
WIDTH, LEFT, RIGHT = 1400, 90, 20
LANE, ROW, TOP = 34, 158, 96
CALLER, AGENT, CUT, INK, FAINT = "#2f6fb3", "#2e8b57", "#c9e4d4", "#222222", "#8a8a8a"
PART_COLOURS = dict(zip(PARTS, ("#f2c14e", "#e07a3f", "#b5495b", "#7d5ba6", "#5c7cfa"), strict=True))
CHARACTER_PX = 6.1


@dataclass
class Picture:
    """SVG elements on rows of twenty seconds."""

    start_ns: int
    end_ns: int
    parts: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return int((self.end_ns - self.start_ns) / 1e9 // ROW_S) + 1

    def spans(self, from_ns: int, to_ns: int) -> list[tuple[int, float, float]]:
        """Row, x and width of a stretch of time; one for each row that it touches."""
        scale = (WIDTH - LEFT - RIGHT) / ROW_S
        begin, end = ((at - self.start_ns) / 1e9 for at in (from_ns, max(to_ns, from_ns)))
        found = []
        for row in range(max(0, int(begin // ROW_S)), int(end // ROW_S) + 1):
            a, b = max(begin, row * ROW_S), min(end, (row + 1) * ROW_S)
            found.append((row, LEFT + (a - row * ROW_S) * scale, max(1.0, (b - a) * scale)))
        return found

    def bar(self, from_ns: int, to_ns: int, lane: int, colour: str, text: str = "", *, height: int = LANE - 8) -> None:
        """A stretch of time in a lane; the text stands in its first piece, as far as there is room."""
        for row, x, width in self.spans(from_ns, to_ns):
            y = TOP + row * ROW + lane * LANE
            self.parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" rx="3" fill="{colour}">'
                f"<title>{escape(text)}</title></rect>"
            )

    def words(self, at_ns: int, lane: int, text: str, colour: str, room_ns: int) -> None:
        """Text that begins at a time, cut to the room that it has."""
        row, x, _ = self.spans(at_ns, at_ns)[0]
        room = max(room_ns / 1e9 * (WIDTH - LEFT - RIGHT) / ROW_S, 60.0)
        room = min(room, WIDTH - RIGHT - x)
        letters = int(room / CHARACTER_PX)
        shown = text if len(text) <= letters else text[: max(1, letters - 1)] + "…"
        y = TOP + row * ROW + lane * LANE + 17
        self.parts.append(f'<text x="{x + 4:.1f}" y="{y}" fill="{colour}">{escape(shown)}</text>')

    def mark(self, at_ns: int, colour: str, text: str, lane: float) -> None:
        row, x, _ = self.spans(at_ns, at_ns)[0]
        y = TOP + row * ROW
        self.parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 4}" y2="{y + 3 * LANE}" stroke="{colour}"'
            ' stroke-dasharray="3 2"/>'
            f'<text x="{x + 3:.1f}" y="{y + lane * LANE}" fill="{colour}" font-size="10">{escape(text)}</text>'
        )

    def svg(self, title: str, subtitle: str) -> str:
        height = TOP + self.rows * ROW + 10
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
            f' viewBox="0 0 {WIDTH} {height}" font-family="Helvetica, Arial, sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="white"/>'
            f'<text x="16" y="26" font-size="17" font-weight="bold" fill="{INK}">{escape(title)}</text>'
            f'<text x="16" y="46" fill="{FAINT}">{escape(subtitle)}</text>'
        )
        return head + self._legend() + self._grid() + "".join(self.parts) + "</svg>\n"

    def _legend(self) -> str:
        entries = [("caller", CALLER), ("agent", AGENT), ("not heard: interrupted", CUT)]
        entries += [(part, PART_COLOURS[part]) for part in PARTS]
        made, x = [], 16.0
        for text, colour in entries:
            made.append(f'<rect x="{x:.0f}" y="58" width="12" height="12" rx="2" fill="{colour}"/>')
            made.append(f'<text x="{x + 17:.0f}" y="68" fill="{INK}">{escape(text)}</text>')
            x += 17 + len(text) * CHARACTER_PX + 22
        return "".join(made)

    def _grid(self) -> str:
        made = []
        for row in range(self.rows):
            y = TOP + row * ROW
            for name, lane in (("caller", 0), ("answer time", 1), ("agent", 2)):
                made.append(f'<text x="{LEFT - 8}" y="{y + lane * LANE + 17}" text-anchor="end">{name}</text>')
            for second in range(int(ROW_S) + 1):
                x = LEFT + second * (WIDTH - LEFT - RIGHT) / ROW_S
                made.append(
                    f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 4}" y2="{y + 3 * LANE}" stroke="#eeeeee"/>'
                    f'<text x="{x:.1f}" y="{y + 3 * LANE + 14}" text-anchor="middle" font-size="10"'
                    f' fill="{FAINT}">{int(row * ROW_S + second)} s</text>'
                )
        return "".join(made)


def draw(records: Sequence[Record], sent_by_caller: Sequence[tuple[int, int, str]]) -> str:
    """SVG of a call. `sent_by_caller`: begin, end and text of what the caller really said, by the wire."""
    started = next(record for record in records if isinstance(record, CallStarted))
    ended = next((record for record in records if isinstance(record, CallEnded)), None)
    end_ns = ended.at_ns if ended else max(record.at_ns for record in records)
    picture = Picture(started.arrived_ns, end_ns)
    for record in records:
        if isinstance(record, AgentSaid) and record.first_ns:
            _agent(picture, record)
        elif isinstance(record, TurnTimed):
            _answer_time(picture, record)
    for begin_ns, to_ns, text in sent_by_caller:
        picture.bar(begin_ns, to_ns, 0, CALLER, text)
        picture.words(begin_ns, 0, text, "white" if (to_ns - begin_ns) / 1e9 > 1 else INK, to_ns - begin_ns)
    for record in records:
        if isinstance(record, BargedIn):
            silent = (max(record.silent_ns, record.flushed_ns) - record.onset_ns) / 1e6
            picture.mark(record.onset_ns, "#c0392b", f"interrupted: silent after {silent:.0f} ms", 1.25)
        elif isinstance(record, CallerSaid) and not record.text:
            picture.mark(record.last_speech_ns, "#b5495b", "not understood", 1.25)
    said = [record for record in records if isinstance(record, TurnTimed)]
    typical = sorted((record.on_wire_ns - record.last_speech_ns) / 1e6 for record in said)
    middle = f", answers in {typical[len(typical) // 2]:.0f} ms (median)" if typical else ""
    engines = " + ".join(started.engines.values())
    seconds = (end_ns - started.arrived_ns) / 1e9
    return picture.svg(
        f"Call of {seconds:.0f} s with {started.agent}{middle}",
        f"{engines}; from the caller's last sound to the first of the answer on the wire, in ms, above each answer",
    )


def _agent(picture: Picture, said: AgentSaid) -> None:
    end_ns = said.last_ns + 20_000_000
    picture.bar(said.first_ns, end_ns, 2, AGENT, said.heard)
    picture.words(said.first_ns, 2, said.heard, "white", end_ns - said.first_ns)
    if said.interrupted and said.played < said.samples:
        # As long as it would have been, thin, under what the caller said instead.
        share = (end_ns - said.first_ns) / max(1, said.played)
        rest_ns = int((said.samples - said.played) * share)
        picture.bar(end_ns, end_ns + rest_ns, 2, CUT, said.text[len(said.heard) :])


def _answer_time(picture: Picture, timed: TurnTimed) -> None:
    at = timed.last_speech_ns
    for part, ms in parts_ms(timed).items():
        picture.bar(at, at + int(ms * 1e6), 1, PART_COLOURS[part], f"{part}: {ms:.0f} ms", height=12)
        at += int(ms * 1e6)
    whole = (timed.on_wire_ns - timed.last_speech_ns) / 1e6
    row, x, _ = picture.spans(timed.last_speech_ns, timed.last_speech_ns)[0]
    picture.parts.append(
        f'<text x="{x:.1f}" y="{TOP + row * ROW + LANE + 25}" font-size="11" fill="{INK}">{whole:.0f} ms</text>'
    )
