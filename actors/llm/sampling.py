"""Which token comes next: among the likeliest, by the settings, within the grammar once a tool call has begun.

The vocabulary has 150,000 tokens, for each answer and step. So the few that have any chance are picked out first, which
takes 0.14 ms (2.4 ms with a plain partition of all), and the library's samplers and grammar look only at these.
"""

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from actors.llm import grammar as grammars
from actors.llm.llama import Model, lib

Logits = np.ndarray[Any, np.dtype[np.float32]]

_CANDIDATES = 128
"""How many tokens are chosen among."""
_REPEATS = 64
"""How many of the answer's last tokens count as just used."""

_PAIR = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""As `llama_token_data`."""


class BadGrammar(Exception):
    """The library does not take a grammar."""


@dataclass(frozen=True, slots=True)
class Taste:
    """How an answer's words are chosen."""

    temperature: float
    top_p: float
    repeat_penalty: float
    grammar: str = ""
    """Of what comes once a tool call has begun; "" for none."""


class Sampler:
    """One answer's choice of words. It is made, used and closed by the thread that computes."""

    def __init__(self, model: Model, taste: Taste, seed: int) -> None:
        """The same seed chooses the same. Raises `BadGrammar`."""
        self._model = model
        self._chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        self._grammar = _grammar(model, taste)
        if taste.repeat_penalty != 1.0:
            self._add(lib.llama_sampler_init_penalties(model.words, _REPEATS, taste.repeat_penalty, 0.0, 0.0))
        if taste.temperature == 0.0:
            self._add(lib.llama_sampler_init_greedy())
        else:
            self._add(lib.llama_sampler_init_top_p(taste.top_p, 1))
            self._add(lib.llama_sampler_init_temp(taste.temperature))
            self._add(lib.llama_sampler_init_dist(seed))

    def _add(self, sampler: Any) -> None:
        lib.llama_sampler_chain_add(self._chain, sampler)

    def close(self) -> None:
        """Frees it."""
        lib.llama_sampler_free(self._chain)
        if self._grammar:
            lib.llama_sampler_free(self._grammar)

    def choose(self, logits: Logits) -> int:
        """The next token."""
        candidates = _likeliest(logits)
        if self._grammar:
            candidates = self._allowed(candidates, logits)
        array, _ = _as_array(candidates)
        lib.llama_sampler_apply(self._chain, ctypes.byref(array))
        token = int(array.data[array.selected].id)
        lib.llama_sampler_accept(self._chain, token)
        if self._grammar:
            lib.llama_sampler_accept(self._grammar, token)
        return token

    def _allowed(self, candidates: np.ndarray[Any, Any], logits: Logits) -> np.ndarray[Any, Any]:
        """Those that the grammar allows; where it allows none of the likeliest, the likeliest that it does."""
        for tried in (candidates, None):
            if tried is None:
                tried = np.zeros(len(logits), _PAIR)
                tried["id"], tried["logit"] = np.arange(len(logits)), logits
            array, data = _as_array(tried)
            lib.llama_sampler_apply(self._grammar, ctypes.byref(array))
            allowed = data[: array.size]
            allowed = allowed[np.isfinite(allowed["logit"])]
            if len(allowed):
                best = np.argsort(allowed["logit"])[::-1][:_CANDIDATES]
                return np.ascontiguousarray(allowed[best])
        return candidates


def _grammar(model: Model, taste: Taste) -> Any:
    if not taste.grammar:
        return None
    text, root = taste.grammar.encode(), grammars.ROOT.encode()
    patterns = (ctypes.c_char_p * 1)(grammars.TRIGGER.encode())
    sampler = lib.llama_sampler_init_grammar_lazy_patterns(model.vocab, text, root, patterns, 1, None, 0)
    if not sampler:
        raise BadGrammar("llama.cpp does not take the grammar")
    return sampler


def _likeliest(logits: Logits) -> np.ndarray[Any, Any]:
    """The tokens that have a chance, the likeliest first."""
    # There are at least so many as there are blocks whose best is as good: a quick way to the others' end.
    blocks = logits[: len(logits) // _CANDIDATES * _CANDIDATES].reshape(-1, _CANDIDATES).max(axis=1)
    floor = np.partition(blocks, -_CANDIDATES)[-_CANDIDATES] if len(blocks) > _CANDIDATES else -np.inf
    chosen = np.flatnonzero(logits >= floor)
    if len(chosen) > _CANDIDATES:
        chosen = chosen[np.argpartition(logits[chosen], -_CANDIDATES)[-_CANDIDATES:]]
    chosen = chosen[np.argsort(logits[chosen])[::-1]]
    pairs = np.zeros(len(chosen), _PAIR)
    pairs["id"], pairs["logit"] = chosen, logits[chosen]
    return pairs


def _as_array(pairs: np.ndarray[Any, Any]) -> tuple[Any, np.ndarray[Any, Any]]:
    """As the library wants it; the data must live as long as this is used."""
    data = np.ascontiguousarray(pairs)
    pointer = data.ctypes.data_as(ctypes.POINTER(lib.llama_token_data))
    return lib.llama_token_data_array(pointer, len(data), -1, False), data
