"""llama.cpp's C interface, as much of it as the engine needs: a model and its vocabulary, a context and its memory.

Everything here but the vocabulary is to be called by one thread, always the same: the library keeps its own threads for
each thread that calls it. A step releases Python's lock while it computes.
"""

import ctypes
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before the library is loaded, which reads it then. Its threads wait for each other some hundred times a step, and spin
# for up to 300,000 rounds: a thread that has lost its core to another process's is waited for by burning the other
# core. On two cores that were busy besides, 0.5 B wrote 1 to 10 tokens a second so and 48 with this; on two that were
# not, 56 and 48.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import llama_cpp.llama_cpp as _llama_cpp
import numpy as np

from actors.llm.sequences import Change, Copy

lib: Any = _llama_cpp
"""Its types are those of C; they say nothing that the functions' own descriptions do not."""

log = logging.getLogger(__name__)

_WARN, _ERROR = 3, 4
"""Levels of its log (`enum ggml_log_level`)."""

said: list[str] = []
"""What the library had to say last, warnings and errors: the reason why something failed is nowhere else."""


def _hear(level: int, text: bytes | None, _: object) -> None:
    line = (text or b"").decode(errors="replace").strip()
    if level in (_WARN, _ERROR) and line:
        said.append(line)
        del said[:-20]
        log.debug("llama.cpp: %s", line)


_listener = lib.llama_log_callback(_hear)
lib.llama_log_set(_listener, None)
lib.llama_backend_init()


class LoadFailed(Exception):
    """The library cannot load the file, or has no memory for a context. The text is its own reason."""


class DecodeFailed(Exception):
    """A step could not be computed. Nothing that the context holds is certain any more."""


def system_info() -> str:
    """Which instruction sets the library was built for, such as "AVX2 = 1"."""
    info: bytes = lib.llama_print_system_info()
    return info.decode()


def _reason(instead: str) -> str:
    return next((line for line in said if "error" in line), said[-1] if said else instead)


class Model:
    """A model's weights: mapped from its file, so that actors that load the same one share its memory, or a copy that
    is ordered for this processor."""

    def __init__(self, path: Path, *, gpu_layers: int = 0, mlock: bool = False, own: bool = True) -> None:
        """`gpu_layers`: -1 is all. `own`: a copy, where the weights are of a kind for which the library knows a better
        order. Raises `LoadFailed`."""
        said.clear()
        params = lib.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        params.use_extra_bufts = own
        if mlock:
            params.load_mode = lib.LLAMA_LOAD_MODE_MMAP_MLOCK
        self.pointer = lib.llama_model_load_from_file(str(path).encode(), params)
        if not self.pointer:
            raise LoadFailed(_reason("no reason given"))
        self.vocab = lib.llama_model_get_vocab(self.pointer)
        self.words = int(lib.llama_vocab_n_tokens(self.vocab))
        self._pieces: dict[int, bytes] = {}

    def close(self) -> None:
        """Contexts must have been closed before."""
        lib.llama_model_free(self.pointer)

    def meta(self, key: str) -> str:
        """A value of the file's metadata as text; "" where it has none."""
        size = 1 << 16
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = lib.llama_model_meta_val_str(self.pointer, key.encode(), buffer, size)
            if length < size:
                return buffer.value.decode(errors="replace") if length >= 0 else ""
            size = length + 1

    @property
    def trained_context(self) -> int:
        """Tokens that the model can look back at."""
        return int(lib.llama_model_n_ctx_train(self.pointer))

    @property
    def writes(self) -> bool:
        """Whether it is a model that writes text one token after the other."""
        decoder, encoder = lib.llama_model_has_decoder(self.pointer), lib.llama_model_has_encoder(self.pointer)
        return bool(decoder and not encoder and self.words and not lib.llama_model_is_diffusion(self.pointer))

    def tokenize(self, text: str) -> list[int]:
        """All of a prompt's text; marks of the template are the tokens that they stand for. From any thread."""
        data = text.encode()
        size = len(data) + 2
        buffer = (lib.llama_token * size)()
        count = lib.llama_tokenize(self.vocab, data, len(data), buffer, size, False, True)
        tokens = list(buffer[:count])
        bos = lib.llama_vocab_bos(self.vocab)
        if lib.llama_vocab_get_add_bos(self.vocab) and tokens[:1] != [bos]:
            tokens.insert(0, bos)
        return tokens

    def piece(self, token: int) -> bytes:
        """A token's text, which may be part of a character. "" for those that only control."""
        known = self._pieces.get(token)
        if known is None:
            buffer = ctypes.create_string_buffer(256)
            length = lib.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, False)
            known = self._pieces[token] = buffer.raw[: max(0, length)]
        return known

    def ends(self, token: int) -> bool:
        """Whether an answer ends with it."""
        return bool(lib.llama_vocab_is_eog(self.vocab, token))

    def mark(self, which: str) -> str:
        """The text of the token `bos` or `eos`."""
        token = getattr(lib, f"llama_vocab_{which}")(self.vocab)
        if token < 0:
            return ""
        text: bytes | None = lib.llama_vocab_get_text(self.vocab, token)
        return (text or b"").decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Fed:
    """Tokens of one sequence that go through the model in one step."""

    sequence: int
    position: int
    tokens: Sequence[int]
    wanted: bool
    """Whether what comes behind the last one is wanted."""


@dataclass(frozen=True, slots=True)
class ContextSize:
    """What a context is made for."""

    cells: int
    """Tokens that all sequences may hold together, those that they share counted once."""
    sequences: int
    batch: int
    """Most tokens of one step."""
    threads: int
    batch_threads: int
    kv_cache: str = "f16"
    """How exactly it remembers: f16 or q8_0."""


class Context:
    """A model at work: the memory of several sequences."""

    def __init__(self, model: Model, size: ContextSize) -> None:
        """Raises `LoadFailed`."""
        said.clear()
        params = lib.llama_context_default_params()
        params.n_ctx = size.cells
        # Beside what is read of prompts, everyone who is answered has a token in a step.
        most = size.batch + size.sequences
        params.n_batch = params.n_ubatch = most
        params.n_seq_max = size.sequences
        params.n_threads, params.n_threads_batch = size.threads, size.batch_threads
        params.type_k = params.type_v = {"f16": lib.GGML_TYPE_F16, "q8_0": lib.GGML_TYPE_Q8_0}[size.kv_cache]
        # One buffer for all: a copy of what calls have in common is then a note that it is theirs, too.
        params.kv_unified = True
        params.swa_full = True  # else what a sliding window has left behind could not be gone back to
        params.no_perf = True
        if size.kv_cache != "f16":
            params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_ENABLED
        self.model = model
        self.pointer = lib.llama_init_from_model(model.pointer, params)
        if not self.pointer:
            raise LoadFailed(_reason("no memory for its context"))
        self._memory = lib.llama_get_memory(self.pointer)
        self._batch = lib.llama_batch_init(most, 0, 1)
        for at in range(most):
            self._batch.n_seq_id[at] = 1

    def close(self) -> None:
        """Frees its memory."""
        lib.llama_batch_free(self._batch)
        lib.llama_free(self.pointer)

    def set_threads(self, writing: int, reading: int) -> None:
        """How many threads compute the steps of a single token, and the others."""
        lib.llama_set_n_threads(self.pointer, writing, reading)

    def clear(self) -> None:
        """Forgets everything."""
        lib.llama_memory_clear(self._memory, True)

    def change(self, changes: Sequence[Change]) -> None:
        """Cuts and copies. Raises `DecodeFailed` where the memory cannot be cut there."""
        for change in changes:
            if isinstance(change, Copy):
                lib.llama_memory_seq_cp(self._memory, change.source, change.sequence, 0, change.count)
            elif not lib.llama_memory_seq_rm(self._memory, change.sequence, change.keep, -1):
                raise DecodeFailed(f"the memory of sequence {change.sequence} cannot be cut at {change.keep}")

    def can_cut(self) -> bool:
        """Whether the end of what a sequence holds can be forgotten: tried, with an empty memory, which it leaves."""
        token = self.model.tokenize("hello")[-1]
        self.decode([Fed(0, 0, [token, token], True)])
        could = bool(lib.llama_memory_seq_rm(self._memory, 0, 1, -1))
        self.clear()
        return could

    def decode(self, shares: Sequence[Fed]) -> list["np.ndarray[Any, np.dtype[np.float32]]"]:
        """One step. For each share that wants it, in their order: how likely each token of the vocabulary is to follow,
        as logits; they stay what they are until the next step. Raises `DecodeFailed`."""
        batch, at, outputs = self._batch, 0, []
        for share in shares:
            for offset, token in enumerate(share.tokens):
                batch.token[at] = token
                batch.pos[at] = share.position + offset
                batch.seq_id[at][0] = share.sequence
                batch.logits[at] = False
                at += 1
            if share.wanted:
                batch.logits[at - 1] = True
                outputs.append(at - 1)
        batch.n_tokens = at
        if code := lib.llama_decode(self.pointer, batch):
            raise DecodeFailed(f"llama_decode returned {code}: {_reason('no reason given')}")
        return [self._logits(output) for output in outputs]

    def _logits(self, output: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
        pointer = lib.llama_get_logits_ith(self.pointer, output)
        return np.ctypeslib.as_array(pointer, (self.model.words,))
