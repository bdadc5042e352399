"""How fast a language model is on this machine: `python -m actors.llm.measure MODEL [--json | --check]`.

Threads are tried one number after the other, for tokens that are written and for prompts that are read, and sizes
of steps, too; what is best goes into `measured.json` (`models.measured.Llm`). `--check` only loads the model and has it
compute. Exit codes: 0 fine, 1 not fine (one sentence says why), 2 wrong usage.
"""

import argparse
import sys
from pathlib import Path

import msgspec

from actors.catalogue import Unusable
from models.measured import Llm


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m actors.llm.measure", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", type=Path, help="a GGUF file")
    parser.add_argument("--engine", choices=("llama_cpp",), default="llama_cpp", help="which engine loads it")
    parser.add_argument("--threads", default="", help="numbers of threads to try, such as 1,2,4")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as `models.measured.Llm`")
    form.add_argument("--check", action="store_true", help="only load the model")
    given = parser.parse_args(arguments)
    try:
        from actors.llm import pace  # the engine's library may be missing
    except ModuleNotFoundError as error:
        print(f'the engine llama_cpp needs the package {error.name}: pip install "ringmaster[local]"', file=sys.stderr)
        return 1
    try:
        if given.check:
            pace.check(given.model)
            return 0
        found = pace.measure(given.model, tuple(int(number) for number in given.threads.split(",") if number))
    except Unusable as reason:
        print(reason, file=sys.stderr)
        return 1
    print(msgspec.json.encode(found).decode() if given.json else _table(found))
    return 0


def _table(found: Llm) -> str:
    return (
        f"writes {found.tokens_per_s:g} tokens/s with {found.threads} threads, "
        f"{found.batched_tokens_per_s:g} in {found.sequences} answers at once\n"
        f"reads {found.prompt_tokens_per_s:g} tokens/s with {found.batch_threads} threads, {found.batch} a step\n"
        f"loaded in {found.load_s:g} s, {found.memory_mb:g} MB"
    )


if __name__ == "__main__":
    sys.exit(main())
