"""The espeak-ng shared library behind two calls: which voices there are, and say this.

The library is https://github.com/espeak-ng/espeak-ng (`speak_lib.h`), as the wheel espeakng-loader carries it.

espeak-ng is GPL-3.0. Load it only in a process of its own kind, as the TTS actor and the synthetic caller are: nothing
else imports this module.

The library is one set of global variables: one voice, one text at a time, in one thread.
"""

import _ctypes
import ctypes
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
"""Mono samples at the library's `sample_rate`."""

CHUNK_MS = 60
"""The smallest that the library knows; it computes one in 0.1 ms."""

SYNCHRONOUS = 2
DO_NOT_EXIT = 0x8000
"""Without it the library ends the process when it does not find its data."""
UTF8 = 1
END_PAUSE = 0x1000
POSITION_IN_CHARACTERS = 1
RATE, VOLUME, PITCH = 1, 2, 3
EVENT_NONE, EVENT_WORD = 0, 1
DATA_PATH_LIMIT = 160
"""Bytes in the library's own copy of the path, its end included."""


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # characters, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class _VoiceEntry(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),  # (priority byte, string, zero byte), again and again, then a zero byte
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("unused", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Samples = ctypes.POINTER(ctypes.c_short)
_Events = ctypes.POINTER(_Event)
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, _Samples, ctypes.c_int, _Events)


@dataclass(frozen=True, slots=True)
class Speech:
    """What is said, and how."""

    text: str
    voice: str
    """One of `Library.voices`, or one of them, "+", and one of `Library.variants`: "en-us", "en-gb+f2"."""
    words_per_minute: int
    """The library bounds it to 80 to 450."""
    pitch: int
    """0 to 99."""
    volume: int
    """0 to 200; 100 is the library's normal."""
    end_pause: bool
    """Whether the pause of its last punctuation mark follows: half of a full stop's after a comma."""


WordEvent = tuple[int, int, int]
"""Offset in the text and length, in characters, and the first sample, counted from the start of the speech."""


class Library:
    """One loaded copy of the library."""

    def __init__(self, path: str, data_path: str) -> None:
        """Raises OSError if the library cannot be loaded or does not find its data."""
        if len(os.fsencode(data_path)) >= DATA_PATH_LIMIT:
            raise OSError(f"espeak-ng takes no data path longer than {DATA_PATH_LIMIT - 1} bytes: {data_path}")
        self._library = ctypes.CDLL(path)
        self._library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceEntry))
        self.sample_rate: int = self._library.espeak_Initialize(
            SYNCHRONOUS, CHUNK_MS, os.fsencode(data_path), DO_NOT_EXIT
        )
        if self.sample_rate <= 0:
            raise OSError(f"espeak-ng cannot use its data in {data_path}")

    @cached_property
    def voices(self) -> dict[str, str]:
        """The library's own identifier ("gmw/en-US") of each language tag in lower case ("en-us")."""
        found = [
            (priority, tag, identifier)
            for identifier, tags in self._list(None)
            if not identifier.startswith("mb/")  # those need a second synthesiser, MBROLA
            for priority, tag in tags
        ]
        # Several voices may claim a tag: the claim with the lowest number goes last and stays.
        return {tag: identifier for _, tag, identifier in sorted(found, reverse=True)}

    @cached_property
    def variants(self) -> tuple[str, ...]:
        """What may follow "+": another speaker's throat, "f2", "m3", "whisper"."""
        return tuple(sorted(identifier.removeprefix("!v/") for identifier, _ in self._list(b"variant")))

    def _list(self, language: bytes | None) -> Iterator[tuple[str, list[tuple[int, str]]]]:
        wanted = None
        if language is not None:
            tag = ctypes.create_string_buffer(language)
            wanted = ctypes.byref(_VoiceEntry(languages=ctypes.cast(tag, ctypes.c_void_p)))
        entries = self._library.espeak_ListVoices(wanted)
        for index in itertools.count():
            if not entries[index]:
                return
            entry = entries[index].contents
            yield os.fsdecode(entry.identifier), list(_tags(entry.languages))

    def say(self, speech: Speech, sink: Callable[[Pcm, list[WordEvent]], bool]) -> None:
        """Speaks into `sink`, 60 ms at a time, with the words that begin there; stops when it returns False.

        Raises KeyError when there is no such voice, and whatever `sink` raises.
        """
        self._choose(speech.voice)
        for parameter, value in ((RATE, speech.words_per_minute), (PITCH, speech.pitch), (VOLUME, speech.volume)):
            self._library.espeak_SetParameter(parameter, value, 0)
        trouble = _Trouble()

        def take(samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: "ctypes._Pointer[_Event]") -> int:
            # An exception must not cross the C code between here and `say`.
            with trouble:
                pcm = np.ctypeslib.as_array(samples, (count,)).copy() if samples and count else np.zeros(0, np.int16)
                return 0 if sink(pcm, list(_words(events))) else 1
            return 1

        callback = _Callback(take)
        self._library.espeak_SetSynthCallback(callback)
        # A zero byte would end the text; a lone surrogate cannot be encoded. Both keep their place as one character.
        text = speech.text.replace("\0", " ").encode(errors="replace")
        flags = UTF8 | (END_PAUSE if speech.end_pause else 0)
        self._library.espeak_Synth(text, len(text) + 1, 0, POSITION_IN_CHARACTERS, 0, flags, None, None)
        if trouble.error is not None:
            raise trouble.error

    def _choose(self, voice: str) -> None:
        language, plus, variant = voice.partition("+")
        if plus and variant not in self.variants:
            raise KeyError(voice)
        name = self.voices[language.lower()] + plus + variant
        if self._library.espeak_SetVoiceByName(name.encode()) != 0:
            raise KeyError(voice)

    def seed(self, seed: int) -> None:
        """Restarts the noise in breath and fricatives. The flutter of the pitch goes on from the last speech."""
        self._library.espeak_ng_SetRandSeed(seed)

    def close(self) -> None:
        """Unloads the library, of which nothing may be used afterwards."""
        self._library.espeak_Terminate()
        _ctypes.dlclose(self._library._handle)


class _Trouble:
    """Holds what was raised inside a callback until the C code has returned."""

    error: BaseException | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        self.error = error
        return True


def _tags(languages: int) -> Iterator[tuple[int, str]]:
    """Priority (the lower the better) and tag of each language in one voice's list, which lies at this address."""
    while priority := ctypes.c_ubyte.from_address(languages).value:
        tag = ctypes.string_at(languages + 1)
        yield priority, os.fsdecode(tag).lower()
        languages += len(tag) + 2


def _words(events: "ctypes._Pointer[_Event]") -> Iterator[WordEvent]:
    for index in itertools.count():
        event = events[index]
        if event.type == EVENT_NONE:
            return
        if event.type == EVENT_WORD:
            yield event.text_position - 1, event.length, event.sample
