"""A call as a picture: who spoke when, where turns were decided, what was interrupted, how long answers took."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from bench.report import PARTS, parts_ms
from ipc.journal import AgentSaid, BargedIn, CallEnded, CallerSaid, CallStarted, Record, TurnTimed
from ipc.rings import FRAME_NS

ROW_S = 15.0
WIDTH, LEFT, RIGHT = 1400, 90, 20
LANE, ROW, TOP = 46, 204, 112
BAR, TEXT_LINES = 12, 2
CALLER, AGENT, CUT, INK, FAINT = "#2f6fb3", "#2e8b57", "#c9e4d4", "#222222", "#8a8a8a"
PART_COLOURS = dict(zip(PARTS, ("#f2c14e", "#e07a3f", "#b5495b", "#7d5ba6", "#5c7cfa"), strict=True))
CHARACTER_PX = 6.1


@dataclass
class Picture:
    """SVG elements on rows of fifteen seconds, three lanes each: caller, answer time, agent."""

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

    def bar(self, from_ns: int, to_ns: int, lane: int, colour: str, text: str = "") -> None:
        """A stretch of time in a lane; the text is shown under the pointer."""
        for row, x, width in self.spans(from_ns, to_ns):
            y = TOP + row * ROW + lane * LANE
            self.parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" rx="3" fill="{colour}">'
                f"<title>{escape(text)}</title></rect>"
            )

    def words(self, at_ns: int, until_ns: int, lane: int, text: str, colour: str) -> None:
        """Text under a bar, on two lines, cut where something else begins or the row ends.

        What begins so late in a row that its text has no room there has it in the next one.
        """
        stretches = self.spans(at_ns, until_ns)
        row, x, room = stretches[0]
        if len(text) * CHARACTER_PX > TEXT_LINES * room and len(stretches) > 1:
            row, x, room = stretches[1]
        letters = int((room - 8) / CHARACTER_PX)
        lines = textwrap.wrap(text, max(letters, 8), max_lines=TEXT_LINES, placeholder=" …")
        for number, line in enumerate(lines):
            y = TOP + row * ROW + lane * LANE + BAR + 12 + 12 * number
            self.parts.append(f'<text x="{x:.1f}" y="{y}" font-size="11" fill="{colour}">{escape(line)}</text>')

    def mark(self, at_ns: int, colour: str, text: str) -> None:
        """An instant, from the top of its row to the bottom."""
        row, x, _ = self.spans(at_ns, at_ns)[0]
        y = TOP + row * ROW
        self.parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 14}" y2="{y + 3 * LANE - 8}" stroke="{colour}"'
            ' stroke-dasharray="3 2"/>'
            f'<text x="{x + 4:.1f}" y="{y - 6}" fill="{colour}" font-size="11">{escape(text)}</text>'
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
                made.append(f'<text x="{LEFT - 8}" y="{y + lane * LANE + 10}" text-anchor="end">{name}</text>')
            for second in range(int(ROW_S) + 1):
                x = LEFT + second * (WIDTH - LEFT - RIGHT) / ROW_S
                made.append(
                    f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 4}" y2="{y + 3 * LANE - 8}" stroke="#eeeeee"/>'
                    f'<text x="{x:.1f}" y="{y + 3 * LANE + 6}" text-anchor="middle" font-size="10"'
                    f' fill="{FAINT}">{int(row * ROW_S + second)} s</text>'
                )
        return "".join(made)


def draw(records: Sequence[Record], sent_by_caller: Sequence[tuple[int, int, str]]) -> str:
    """SVG of a call. `sent_by_caller`: begin, end and text of what the caller really said, by the wire."""
    started = next(record for record in records if isinstance(record, CallStarted))
    ended = next((record for record in records if isinstance(record, CallEnded)), None)
    end_ns = ended.at_ns if ended else max(record.at_ns for record in records)
    picture = Picture(started.arrived_ns, end_ns)
    replies = [record for record in records if isinstance(record, AgentSaid) and record.first_ns]
    for reply, until_ns in zip(replies, _ends([reply.first_ns for reply in replies], end_ns), strict=True):
        _agent(picture, reply, until_ns)
    sent = [line for line in sent_by_caller if line[0]]  # a call may end before a line has begun
    for (begin_ns, to_ns, text), until_ns in zip(sent, _ends([line[0] for line in sent], end_ns), strict=True):
        picture.bar(begin_ns, to_ns, 0, CALLER, text)
        picture.words(begin_ns, until_ns, 0, text, CALLER)
    for record in records:
        if isinstance(record, TurnTimed):
            _answer_time(picture, record)
        elif isinstance(record, BargedIn):
            silent = (max(record.silent_ns, record.flushed_ns) - record.onset_ns) / 1e6
            picture.mark(record.onset_ns, "#c0392b", f"interrupted, silent after {silent:.0f} ms")
        elif isinstance(record, CallerSaid) and not record.text:
            picture.mark(record.last_speech_ns, "#b5495b", "not understood")
    said = [record for record in records if isinstance(record, TurnTimed)]
    typical = sorted((record.on_wire_ns - record.last_speech_ns) / 1e6 for record in said)
    middle = f", answers in {typical[len(typical) // 2]:.0f} ms (median)" if typical else ""
    engines = " + ".join(started.engines.values())
    seconds = (end_ns - started.arrived_ns) / 1e9
    return picture.svg(
        f"Call of {seconds:.0f} s with {started.agent}{middle}",
        f"{engines}; from the caller's last sound to the first of the answer on the wire, in ms, under each answer",
    )


def _ends(begins: Sequence[int], end_ns: int) -> Sequence[int]:
    """Where the text under each of these has to end: where the next one begins."""
    return (*begins[1:], end_ns)[: len(begins)]


def _agent(picture: Picture, said: AgentSaid, until_ns: int) -> None:
    end_ns = said.last_ns + FRAME_NS
    picture.bar(said.first_ns, end_ns, 2, AGENT, said.heard)
    picture.words(said.first_ns, until_ns, 2, said.heard, AGENT)
    if said.interrupted and said.played < said.samples:
        # As long as it would have been, had the caller not spoken, but not into the next reply.
        share = (end_ns - said.first_ns) / max(1, said.played)
        rest_ns = int((said.samples - said.played) * share)
        picture.bar(end_ns, min(end_ns + rest_ns, until_ns), 2, CUT, said.text[len(said.heard) :])


def _answer_time(picture: Picture, timed: TurnTimed) -> None:
    at = timed.last_speech_ns
    for part, ms in parts_ms(timed).items():
        picture.bar(at, at + int(ms * 1e6), 1, PART_COLOURS[part], f"{part}: {ms:.0f} ms")
        at += int(ms * 1e6)
    whole = (timed.on_wire_ns - timed.last_speech_ns) / 1e6
    row, x, _ = picture.spans(timed.last_speech_ns, timed.last_speech_ns)[0]
    x, y = min(x, WIDTH - RIGHT - 46), TOP + row * ROW + LANE + BAR + 12
    picture.parts.append(f'<text x="{x:.1f}" y="{y}" font-size="11" fill="{INK}">{whole:.0f} ms</text>')
