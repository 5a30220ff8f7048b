"""Take common options before the command as well as after it."""

from collections.abc import Sequence

GROUPS = ("audit", "auth", "hold")
_FLAGS = ("--json", "--quiet", "-q", "--verbose", "-v", "-vv", "--dry-run")
_WITH_VALUE = ("--config", "--max-post", "--max-amount", "--max-runtime")


def behind(given: Sequence[str]) -> list[str]:
    """Move the options that stand before a command behind it, where the command declares them.

    Whatever else stands there is left for the parser to refuse.
    """
    count = _leading(given)
    options, rest = list(given[:count]), list(given[count:])
    if not rest:
        return list(given)
    if rest[0] in GROUPS:
        if _leading(rest[1:]) == len(rest) - 1:
            return rest[:1]  # nothing but options: the group says which commands it has
        inner = behind(rest[1:])
        return [rest[0], *_insert(inner, options)]
    return _insert(rest, options)


def _leading(given: Sequence[str]) -> int:
    count = 0
    while count < len(given):
        if given[count] in _FLAGS or given[count].startswith(tuple(f"{o}=" for o in _WITH_VALUE)):
            count += 1
        elif given[count] in _WITH_VALUE and count + 1 < len(given):
            count += 2
        else:
            break
    return count


def _insert(rest: list[str], options: list[str]) -> list[str]:
    end = rest.index("--") if "--" in rest else len(rest)
    return [*rest[:end], *options, *rest[end:]]
