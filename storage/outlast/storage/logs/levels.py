"""What a line says of itself: an error, a warning, or neither. Rules of many tools, cheap enough for every block.

They look at one folded line (folding.py) and know nothing of the lines around it. A line is an error where it says so
in the place where tools say it: a level (`ERROR`, `[error]`, `level=error`, `"severity":"FATAL"`), a word with a colon
(`error: …`, `fatal: …`), the name of an exception, the beginning of a traceback, a failed test, an exit code other
than 0, a number of errors other than 0. Names of files, counts of 0, settings and the word in a sentence are no errors.

RE2 goes over the whole block and stops only at lines that say something; only these are looked at once more.
"""

from typing import NamedTuple

from outlast.storage.logs.byte_patterns import Regexp, byte_pattern
from outlast.storage.logs.folding import folded

RULES = 1
"""Another number for other rules: what was counted by these is not used then. The digest's FORMAT changes too."""
PLAIN, WARNING, ERROR = 0, 1, 2
LEVEL_NAMES = (None, "warning", "error")
LEAST = {"error": ERROR, "warning": WARNING}
"""What somebody asks for, and the lowest level that meets it."""

BEFORE = r"(?:^|[\s:\[\](){}|,;>\"'!*<])"
AFTER = r"(?:[\s:\[\](){}|,;<>\"'!]|\.(?:\s|$)|$)"
FIELD = (
    r"(?:^|[\s{,\"'(\[])(?:level|lvl|severity|levelname|log\.level|[Ll]evel|[Ss]everity|LEVEL)[\"']?\s*[=:]\s*[\"']?"
)
SYSTEM = (
    "No such file or directory|Permission denied|Operation not permitted|Connection refused|Connection timed out|"
    "Connection reset by peer|Address already in use|No space left on device|Cannot allocate memory|"
    "Too many open files|Broken pipe|Read-only file system|[Cc]ommand not found"
)

ERRORS = (
    # A level, in capitals.
    rf"{BEFORE}(?:ERROR|ERR|FATAL|CRITICAL|CRIT|SEVERE|EMERGENCY|EMERG|ALERT|PANIC|FAILURE|FAILED|FAIL){AFTER}",
    # A word with a colon, perhaps with a code: error[E0308]: · error TS2322: · Error 404: · fatal error C1083:
    rf"{BEFORE}(?:[Ee]rror|[Ff]atal(?: error)?|[Pp]anic|[Ff]ailed|[Ff]ailure|[Cc]ritical|[Ee]xception)"
    r"(?:\[[^\]\s]*\]|\([^)\s]*\)| [A-Z]{0,8}\d+)?:(?:\s|$)",
    # The name of an exception, perhaps with where it lives: KeyError: · java.lang.IOException: · x.py:3: OSError
    r"(?:^|[\s:(\[|])(?:[A-Za-z_][\w$]*(?:\.|::))*[A-Z][\w$]*(?:Error|Exception|Interrupt|SystemExit):(?:\s|$)",
    r"(?:^|: )(?:[A-Za-z_][\w$]*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|SystemExit)$",
    r"Traceback \(most recent call last\)|Exception in thread |Uncaught |Unhandled (?:exception|rejection|promise)",
    r"(?:^|\s)Caused by: |panicked at |terminate called after|[Ss]egmentation fault|[Cc]ore dumped|stack overflow",
    r"Out of memory|OutOfMemory|Killed process |(?:^|: )Killed$|(?:^|: )Aborted\b",
    # A level as a field or in brackets; numbers are those of bunyan and pino.
    rf"{FIELD}(?i:error|err|eror|fatal|critical|crit|d?panic|emerg|alert|severe)\b",
    r"[\[(<|]\s*(?i:error|fatal|critical|crit|emerg|alert|panic|severe)\s*[\])>|]",
    r"\"level\":\s*(?:50|60)\b",
    # Letters and marks of single tools: apt, pytest, klog, Ruby, Android; npm, make, TAP, go test, TeX; eslint, shells.
    r"^E: |^E {2,}\S|^[EF]\d{4} \d\d:\d\d:\d\d|^[EF], \[|^(?:\d\d-\d\d \S+ +)?[EF]/\w",
    r"^npm (?:ERR!|error )|^make(?:\[\d+\])?: \*\*\* |^not ok\b|^\s*--- FAIL|^! [A-Z]|^CMake Error|^\s*(?:\xe2\x9c\x97|"
    r"\xe2\x9c\x96|\xe2\x9c\x98|\xe2\x9d\x8c)",
    r"^\s*\d+:\d+\s+error\s|^(?:ba|da|z|k)?sh: .*: not found$|undefined reference to |^ld: ",
    rf": (?:{SYSTEM})(?:[\s:.,'\")]|$)",
    # How something ended, and how many errors there were.
    r"(?i:exit(?:ed|ing)?|returned|terminated|finished)(?: with)?(?i: a)?(?: non-?zero)?(?: exit)?"
    r"(?: code| status)?[:=]? -?[1-9]\d*(?:[\s.,;:)\]'\"]|$)",
    r"non-?zero exit|[Kk]illed by signal|signal: (?:killed|aborted|segmentation|terminated)",
    r"(?:^|[\s=(,:])[1-9](?:[\d,]*\d)? (?:[a-z]+ )?(?:errors?|failures?|failed)\b",
    r"\b(?i:errors|failures|failed)[\"']?\s?[:=]\s?[1-9]",
)
WARNINGS = (
    rf"{BEFORE}(?:WARNING|WARN|DEPRECATED|DEPRECATION){AFTER}",
    rf"{BEFORE}[Ww]arn(?:ing)?(?:\[[^\]\s]*\]|\([^)\s]*\)| [A-Z]{{0,8}}\d+)?:(?:\s|$)",
    r"(?:^|[\s:(\[|])(?:[A-Za-z_]\w*\.)*[A-Z]\w*Warning:(?:\s|$)",
    rf"{FIELD}(?i:warn(?:ing)?)\b",
    r"[\[(<|]\s*(?i:warn|warning)\s*[\])>|]",
    r"\"level\":\s*40\b",
    r"^W: |^W\d{4} \d\d:\d\d:\d\d|^W, \[|^(?:\d\d-\d\d \S+ +)?W/\w|^npm (?:WARN|warn) |^CMake Warning|^\s*\xe2\x9a\xa0",
    r"^\s*\d+:\d+\s+warning\s|\b(?:is|are) deprecated\b",
    r"(?:^|[\s=(,:])[1-9](?:[\d,]*\d)? warnings?\b",
)
# What only looks like it; taken out of a line before it is judged.
INNOCENT = (
    r"\b(?:0+|no|zero|without|without any)(?: [a-z]+)? (?:errors?|warnings?|failures?|failed|fail|exceptions?)\b",
    r"\b(?:errors?|warnings?|failures?|failed|fail|exceptions?|fatal|critical|panic|skipped)[\"']?\s*[=:(]\s*[\"']?"
    r"(?:0+(?:\.0+)?%?(?:[\s,;)\]}\"'|]|$)"
    r"|(?:none|null|nil|undefined|false|n/a|\[\]|\{\}|\"\"|'')(?:[,;)\]}\"'|]|\s*$|\s+[\w.-]+[=:]))",
    # a setting: log level set to ERROR · logging level: WARNING · --log-level=error
    r"\b(?:log(?:ging|ger)?[ _-]?levels?|verbosity|threshold|min(?:imum)?[ ._-]levels?)[\s:=>\"']+"
    r"(?:(?:is|set|to|now|at|from|changed)[\s:=>\"']+)*\w+(?:(?:\s+to|\s*->)\s+\w+)?",
    # TAP's tests that are allowed to fail
    r"^not ok\b.*# (?:todo|skip)",
    r"\b(?:exit(?:ed|ing)?|returned|terminated|finished)(?: with)?(?: exit)?(?: code| status)?[:=]? 0\b",
)


def one_of(patterns: tuple[str, ...], flags: str) -> Regexp:
    return byte_pattern(f"(?{flags})" + "|".join(f"(?:{pattern})" for pattern in patterns))


ERROR_SAID = one_of(ERRORS, "m")
WARNING_SAID = one_of(WARNINGS, "m")
NOTHING_SAID = one_of(INNOCENT, "im")


def level_of(line: bytes) -> int:
    """Of one line, as it was printed."""
    found = levels(folded(line))
    return found[0].level if found else PLAIN


class Said(NamedTuple):
    """A line that says more than nothing."""

    line: int
    """Its index in the text, from 0."""
    level: int


def levels(text: bytes) -> list[Said]:
    """The lines of a folded text that are errors or warnings, in order."""
    if ERROR_SAID.search(text) is None and WARNING_SAID.search(text) is None:
        return []
    doubtful = NOTHING_SAID.search(text) is not None
    errors = _lines(text, ERROR_SAID, doubtful=doubtful)
    warnings = _lines(text, WARNING_SAID, doubtful=doubtful)
    if not warnings:
        return [Said(index, ERROR) for index in errors]
    found = dict.fromkeys(warnings, WARNING) | dict.fromkeys(errors, ERROR)
    return [Said(index, found[index]) for index in sorted(found)]


def _lines(text: bytes, said: Regexp, *, doubtful: bool) -> list[int]:
    """The indexes of the lines in which it is said; with `doubtful` each is looked at for what only seems to say it."""
    found: list[int] = []
    index = line = position = 0
    size = len(text)
    while position < size and (match := said.search(text, position)) is not None:
        start = match.start()
        if start >= size:
            break  # an empty match behind the last newline, where no line is
        index += text.count(b"\n", line, start)
        end = text.find(b"\n", start) + 1 or size + 1
        if doubtful:
            line = text.rfind(b"\n", line, start) + 1 or line
            if not _innocent(text[line : end - 1], said):
                found.append(index)
        else:
            found.append(index)
        line, position = end, end
        index += 1
    return found


def _innocent(line: bytes, said: Regexp) -> bool:
    """Whether nothing is said any more once what only looks like it is taken out."""
    while (match := NOTHING_SAID.search(line)) is not None:
        start, end = match.span()
        # Something else takes its place: what stands around it must not become one word.
        line = line[:start] + b" - " + line[end:]
        if said.search(line) is None:
            return True
    return False
