"""What a value may be, in words: `a whole number from 1 to 65535`. Error messages and the reference both say it so."""

import re

from msgspec import inspect

from config.secret import Secret


def describe(info: inspect.Type) -> str:
    """The type and its limits as a noun phrase. Raises `TypeError` for a type that the loader does not know."""
    match info:
        case inspect.StrType():
            if info.pattern:
                return f"text that matches `{info.pattern}`"
            return "text that is not empty" if info.min_length else "text"
        case inspect.IntType():
            return f"a whole number{_limits(info)}"
        case inspect.FloatType():
            return f"a number{_limits(info)}"
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType():
            return _either([f"`{value}`" for value in info.values])
        case inspect.VarTupleType():
            least = "one or more, each " if info.min_length else "each "
            return f"a list ({least}{describe(info.item_type)})"
        case inspect.DictType():
            return f"a section of names, each with {describe(info.value_type)}"
        case inspect.StructType():
            return "a section"
        case inspect.UnionType():
            return _either([choice for each in info.types for choice in _choices(each)])
        case inspect.CustomType() if info.cls is Secret:
            return "text (kept secret)"
        case _:
            raise TypeError(f"the schema uses a type that the loader does not know: {info}")


def within(value: object, info: inspect.Type) -> bool:
    """Whether a value of the right type keeps to the type's limits."""
    if isinstance(info, inspect.StrType) and isinstance(value, str):
        return len(value) >= (info.min_length or 0) and (not info.pattern or bool(re.search(info.pattern, value)))
    if isinstance(info, inspect.IntType | inspect.FloatType) and isinstance(value, int | float):
        return (
            (info.ge is None or value >= info.ge)
            and (info.gt is None or value > info.gt)
            and (info.le is None or value <= info.le)
            and (info.lt is None or value < info.lt)
        )
    return True


def _choices(info: inspect.Type) -> list[str]:
    """What one part of a union allows: single values are named one by one."""
    match info:
        case inspect.NoneType():
            return []
        case inspect.LiteralType():
            return [f"`{value}`" for value in info.values]
        case _:
            return [describe(info)]


def _limits(info: inspect.IntType | inspect.FloatType) -> str:
    if info.ge is not None and info.le is not None:
        return f" from {info.ge:g} to {info.le:g}"
    lower = f" of at least {info.ge}" if info.ge is not None else f" above {info.gt}" if info.gt is not None else ""
    upper = f" and at most {info.le:g}" if info.le is not None else ""
    return lower + upper


def _either(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"
