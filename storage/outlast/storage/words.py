"""What people type to find executions, as an FTS5 expression that nothing in it can break."""

from outlast.kernel.errors import InvalidInput

LONGEST_TEXT = 300


def match_of(text: str) -> str:
    """An expression for: every word stands there, the last one at least as a beginning.

    What stands between blanks is one string of FTS5, so that the words in `/srv/load.py` follow each other; a string
    without letters or digits asks for nothing. Raises InvalidInput where there is too much of it.
    """
    if len(text) > LONGEST_TEXT:
        raise InvalidInput(
            f"text: it has {len(text):,} characters; at most {LONGEST_TEXT} are looked for.",
            next="give a few words; search_logs searches what executions printed",
        )
    # No byte that ends a text inside SQLite, and nothing that UTF-8 cannot carry.
    words = text.replace("\0", " ").encode("utf-8", "replace").decode().split()
    quoted = ['"' + word.replace('"', '""') + '"' for word in words]
    for place in range(len(words) - 1, -1, -1):
        if says_something(words[place]):
            quoted[place] += "*"
            break
    return " ".join(quoted) or '""'


def says_something(text: str) -> bool:
    """Whether there is anything in it to look for."""
    return any(character.isalnum() for character in text)
