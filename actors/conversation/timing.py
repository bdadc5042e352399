"""Where the time of one turn goes, from the caller's last sample to the reply's first on the wire."""

from dataclasses import dataclass

from ipc.journal import TurnTimed


@dataclass(slots=True)
class Timing:
    """Instants of the turn that is being answered, CLOCK_MONOTONIC ns; 0 for what has not happened."""

    last_speech_ns: int
    decided_ns: int
    heard_ns: int = 0
    first_token_ns: int = 0
    first_clause_ns: int = 0
    first_audio_ns: int = 0
    filler: bool = False

    def record(self, now_ns: int, turn: int, on_wire_ns: int) -> TurnTimed:
        return TurnTimed(
            at_ns=now_ns,
            turn=turn,
            last_speech_ns=self.last_speech_ns,
            decided_ns=self.decided_ns,
            heard_ns=self.heard_ns,
            first_token_ns=self.first_token_ns,
            first_clause_ns=self.first_clause_ns,
            first_audio_ns=self.first_audio_ns,
            on_wire_ns=on_wire_ns,
            filler=self.filler,
        )
