"""One Piper voice, loaded: phoneme ids in, samples out, a stretch at a time.

A voice is two files, `<name>.onnx` and `<name>.onnx.json` (https://github.com/OHF-Voice/piper1-gpl, `voice.py`,
`phoneme_ids.py`, `export_onnx.py`). All that can be wrong with them is found when they are opened, and told as
`Unusable`.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as problems

from actors.catalogue import Unusable
from actors.tts import voice_parts

try:
    from piper import PiperConfig, PiperVoice
    from piper.config import PhonemeType
    from piper.const import BOS, EOS, PAD
except ModuleNotFoundError:
    raise
except ImportError as error:
    # Up to 1.2 the package was another one (rhasspy/piper), with other names in it.
    raise Unusable(f'piper-tts is too old ({error}): pip install "piper-tts>=1.8"') from error

Floats = NDArray[np.float32]

FIRST_FRAMES, MOST_FRAMES = 24, 96
"""Of the decoder's stretches: the first is heard soonest, and each is twice as long as the one before. At 256 samples a
frame and 22050 Hz the first is 279 ms long; the caller hears it while the next is computed."""
EDGES = (12, 16, 24)
"""Frames on either side of a stretch that the decoder must see for its samples to be the same. What a voice needs
depends on its decoder; the first of these with which they are the same is taken."""
SAME = 2e-3
"""Of the loudest sample: what a stretch may differ from the whole, -54 dB. Sums in another order differ by 1e-5."""

FAULTS = (
    problems.Fail,
    problems.InvalidArgument,
    problems.InvalidGraph,
    problems.InvalidProtobuf,
    problems.NoSuchFile,
    problems.NotImplemented,
    problems.RuntimeException,
)
"""What ONNX Runtime raises, which have no class in common."""
SPELLED = (PhonemeType.ESPEAK.value, PhonemeType.TEXT.value)
"""Kinds of phonemes. Others need a package of their own each, such as g2pW for Chinese."""
INPUTS = {"input", "input_lengths", "scales"}
REMEDY = "download it again, or run `ringmaster models setup`"


class Stopped(Exception):
    """The run was ended by its options."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a clause is said."""

    speaker: int | None
    length_scale: float
    noise_scale: float
    noise_w_scale: float


@dataclass(frozen=True)
class Run:
    """A sentence that is being said."""

    lengths: NDArray[np.int64] | None
    """[N]: samples of each phoneme id; None where the voice does not tell."""
    samples: int
    """Of all stretches."""
    stretches: Iterator[Floats]
    """Samples within +-1, a stretch after the other. Raises `Stopped`."""


class VoiceFile:
    """One voice. `say` may be called in any thread, also in several at once."""

    def __init__(self, path: Path, threads: int) -> None:
        """`threads`: of one run. Raises `Unusable`."""
        self.path = path
        self.name = path.name.removesuffix(".onnx")
        self.config = _config(path)
        self.sample_rate = self.config.sample_rate
        self.speakers: dict[str, int] = dict(self.config.speaker_id_map)
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.inter_op_num_threads = 1
        self._options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        self._options.log_severity_level = 4  # what goes wrong is raised; the log of it would be on stderr
        # Threads that wait for work by spinning take the cores from everybody else. With two of them on two busy cores
        # a clause of 12 words was heard after 390 to 490 ms and cost 480 ms of CPU; it is 180 and 230 without.
        self._options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._open(in_two=True)
        self._check_inputs()
        self._piper = PiperVoice(session=self._front, config=self.config)
        self._edge = 0
        self._hop = self.config.hop_length
        self._exercise()

    @property
    def exact(self) -> bool:
        """Whether it tells how long each phoneme lasts."""
        return bool(self._durations)

    @property
    def in_stretches(self) -> bool:
        """Whether its samples come while the rest is computed."""
        return self._back is not None

    def _open(self, *, in_two: bool) -> None:
        try:
            parts = voice_parts.cut(self.path, in_two=in_two)
            self._front = self._session(parts.front)
            self._back = None if parts.back is None else self._session(parts.back)
        except (*FAULTS, voice_parts.NoOnnx, OSError) as error:
            if in_two and isinstance(error, FAULTS):
                self._open(in_two=False)
                return
            raise Unusable(f"the voice {self.path} cannot be loaded ({_first_line(error)}): {REMEDY}") from error
        self._latent, self._durations = parts.latent, parts.durations
        self._sid_in_front = "sid" in {value.name for value in self._front.get_inputs()}
        self._sid_in_back = self._back is not None and "sid" in {value.name for value in self._back.get_inputs()}

    def _session(self, model: bytes) -> Any:
        return onnxruntime.InferenceSession(model, sess_options=self._options, providers=["CPUExecutionProvider"])

    def _check_inputs(self) -> None:
        """Raises `Unusable` where it is no Piper voice, or another one than its JSON says."""
        inputs = {value.name for value in self._front.get_inputs()} | ({"sid"} if self._sid_in_back else set())
        if inputs - {"sid"} != INPUTS:
            found = ", ".join(sorted(inputs))
            raise Unusable(
                f"{self.path} is no Piper voice: its inputs are {found}, those of a voice are "
                f"{', '.join(sorted(INPUTS))} and perhaps sid. Set `engines.piper.model` to a voice"
            )
        if ("sid" in inputs) != (self.config.num_speakers > 1):
            has = "has" if "sid" in inputs else "has not"
            raise Unusable(
                f"{self.path}.json does not belong to its voice: it says {self.config.num_speakers} speakers, and the "
                f"voice {has} the input `sid`. Download both again"
            )

    def _exercise(self) -> None:
        """Every phoneme once, and a sentence. Raises `Unusable` where the voice and its JSON do not fit."""
        every = sorted({number for ids in self.config.phoneme_id_map.values() for number in ids})
        manner = self.manner(0.1, None, None, None)
        try:
            self._run_front(np.array(every), manner, onnxruntime.RunOptions())
        except FAULTS as error:
            raise Unusable(
                f"{self.path}.json does not belong to its voice, which cannot say all of its phonemes "
                f"({_first_line(error)}). Download both again"
            ) from error
        try:
            sentences = self.spell("Ready to speak.")
        except (RuntimeError, ValueError, ImportError) as error:
            raise Unusable(
                f"the voice {self.path} cannot be asked to say anything: its JSON names the espeak voice "
                f'"{self.config.espeak_voice}" ({_first_line(error)}). {REMEDY[0].upper()}{REMEDY[1:]}'
            ) from error
        ids, _ = self.ids(sentences[0] if sentences else [])
        manner = self.manner(1.0, None, None, None)
        try:
            if self._back is not None and not self._fits(ids, manner):
                self._hop = self.config.hop_length
                self._open(in_two=False)
            said = np.concatenate(list(self.say(ids, manner, onnxruntime.RunOptions()).stretches))
        except (*FAULTS, ValueError) as error:
            raise Unusable(f"the voice {self.path} cannot speak ({_first_line(error)}): {REMEDY}") from error
        if not len(said) or not np.isfinite(said).all():
            raise Unusable(f"the voice {self.path} says nothing that could be heard: {REMEDY}")

    def _fits(self, ids: NDArray[np.int64], manner: Manner) -> bool:
        """Whether stretches of the decoder sound as the whole does, and with how much around them."""
        latent, _ = self._run_front(ids, manner, onnxruntime.RunOptions())
        whole = self._decode(latent, manner, onnxruntime.RunOptions())
        frames = latent.shape[2]
        self._hop, rest = divmod(len(whole), frames)
        if rest:
            return False
        loudest = float(np.abs(whole).max()) or 1.0
        for edge in EDGES:
            self._edge = edge
            stretches = list(self._in_stretches(latent, manner, onnxruntime.RunOptions()))
            if float(np.abs(np.concatenate(stretches) - whole).max()) <= SAME * loudest:
                return True
        return False

    # -- speaking

    def manner(self, pace: float, noise: float | None, noise_w: float | None, speaker: int | None) -> Manner:
        """`pace`: what the voice's own length is multiplied by. None: as the voice was made."""
        made = self.config
        if speaker is None and made.num_speakers > 1:
            speaker = made.default_speaker_id
        return Manner(
            speaker,
            made.length_scale * pace,
            made.noise_scale if noise is None else noise,
            made.noise_w_scale if noise_w is None else noise_w,
        )

    def spell(self, text: str) -> list[list[str]]:
        """The phonemes of each sentence of the text."""
        sentences: list[list[str]] = self._piper.phonemize(text)
        return sentences

    def ids(self, phonemes: list[str]) -> tuple[NDArray[np.int64], list[int]]:
        """The ids of a sentence, as `piper.phoneme_ids`; and for each phoneme how many ids are before it."""
        table = self.config.phoneme_id_map
        found = [*table[BOS], *table[PAD]]
        before: list[int] = []
        for phoneme in phonemes:
            before.append(len(found))
            if phoneme in table:
                found += [*table[phoneme], *table[PAD]]
        return np.array([*found, *table[EOS]], np.int64), before

    def say(self, ids: NDArray[np.int64], manner: Manner, options: Any, rest: Callable[[], bool] = lambda: True) -> Run:
        """`options.terminate` ends it from another thread, and so does `rest`, which is asked before each stretch but
        the first. Raises `Stopped`, and one of `FAULTS`."""
        try:
            first, durations = self._run_front(ids, manner, options)
        except FAULTS as error:
            raise _stopped(options, error) from error
        lengths = None
        if durations is not None:
            lengths = np.rint(durations.reshape(-1) * self._hop).astype(np.int64)
        if self._back is None:
            return Run(lengths, len(first), iter((first,)))
        return Run(lengths, first.shape[2] * self._hop, self._in_stretches(first, manner, options, rest))

    def _run_front(self, ids: NDArray[np.int64], manner: Manner, options: Any) -> tuple[Floats, Floats | None]:
        """The latent, or where there is no back the samples; and the frames of each id."""
        scales = np.array([manner.noise_scale, manner.length_scale, manner.noise_w_scale], np.float32)
        given: dict[str, Any] = {"input": ids[None], "input_lengths": np.array([len(ids)]), "scales": scales}
        if manner.speaker is not None and self._sid_in_front:
            given["sid"] = np.array([manner.speaker])
        wanted = [self._latent or voice_parts.OUTPUT]
        if self._durations:
            wanted.append(self._durations)
        made = self._front.run(wanted, given, options)
        return made[0] if self._back is not None else made[0].reshape(-1), made[1] if len(made) > 1 else None

    def _decode(self, latent: Floats, manner: Manner, options: Any) -> Floats:
        assert self._back is not None
        given: dict[str, Any] = {self._latent: np.ascontiguousarray(latent)}
        if manner.speaker is not None and self._sid_in_back:
            given["sid"] = np.array([manner.speaker])
        samples: Floats = self._back.run([voice_parts.OUTPUT], given, options)[0].reshape(-1)
        return samples

    def _in_stretches(
        self, latent: Floats, manner: Manner, options: Any, rest: Callable[[], bool] = lambda: True
    ) -> Iterator[Floats]:
        frames, at, size = latent.shape[2], 0, FIRST_FRAMES
        while at < frames:
            # Not to leave a last stretch that is shorter than its own edges.
            end = frames if frames - at <= size + self._edge else at + size
            if at and not rest():
                raise Stopped
            first, last = max(0, at - self._edge), min(frames, end + self._edge)
            try:
                samples = self._decode(latent[:, :, first:last], manner, options)
            except FAULTS as error:
                raise _stopped(options, error) from error
            yield samples[(at - first) * self._hop : (end - first) * self._hop]
            at, size = end, min(2 * size, MOST_FRAMES)


def _stopped(options: Any, error: BaseException) -> BaseException:
    return Stopped() if options.terminate else error


def _config(path: Path) -> Any:
    """What the JSON says. Raises `Unusable`."""
    file = path.with_name(f"{path.name}.json")
    if not path.is_file():
        raise Unusable(f"there is no voice at {path}: {REMEDY}")
    if not file.is_file():
        raise Unusable(f"the voice {path} lacks its description {file.name}, which belongs beside it: {REMEDY}")
    try:
        content = json.loads(file.read_bytes())
        phonemes = content.get("phoneme_type", PhonemeType.ESPEAK.value)
        if phonemes in SPELLED:
            config = PiperConfig.from_dict(content)
            for symbol in (BOS, PAD, EOS):
                config.phoneme_id_map[symbol]
            return config
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unusable(f"{file} is no description of a Piper voice ({_first_line(error)}): {REMEDY}") from error
    raise Unusable(
        f'the voice {path} needs phonemes of the kind "{phonemes}", for which there is no speller here: choose a voice '
        f"with {' or '.join(sorted(SPELLED))} phonemes"
    )


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}" if str(error) else type(error).__name__
