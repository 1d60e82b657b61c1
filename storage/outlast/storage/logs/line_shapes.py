"""What lines have in common: a line's shape is the line with all that varies masked.

`<num> <hex> <uuid> <id> <time> <url> <path> <str>` stand for numbers, hexadecimal and mixed identifiers, timestamps,
addresses, absolute or deep paths and quoted text. Errors and warnings keep quoted text and paths, which tell one from
another.

The shape is made in two steps. The first, `outline`, is cheap and goes over a whole block: digits become 0,
identifiers are masked and runs of 0 become one. Lines with the same outline have the same shape by definition, so the
second step is done once for each outline that is new. Whether it is done line by line or for many lines at once makes
no difference: no rule looks beyond the end of a line.
"""

import re

from outlast.storage.logs.byte_patterns import Regexp, byte_pattern

LONGEST = 400
"""Bytes of a line that its shape is made of."""

DIGITS = bytes.maketrans(b"0123456789\x00\x01\x02", b"0000000000???")
"""The first three bytes are free then, to mark lines with."""
UUID = re.compile(rb"[0a-fA-F]{8}-[0a-fA-F]{4}-[0a-fA-F]{4}-[0a-fA-F]{4}-[0a-fA-F]{12}")
HEX = re.compile(rb"\b(?=[0a-fA-F]{7,}\b)(?:0+[a-fA-F]+0|[a-fA-F]+0+[a-fA-F])[0a-fA-F]*\b")
ADDRESS = re.compile(rb"0[xX][0a-fA-F]+\b")
URL = re.compile(rb"[a-zA-Z][a-zA-Z0+.-]*://[^\s\"'<>)\]}]+")
ID = re.compile(rb"\b(?<!<)(?=[\w-]{12,}(?![\w-]))(?:[A-Za-z_-]*0){3}[A-Za-z0_-]*[A-Za-z][A-Za-z0_-]*")
ZONE = rb"(?: ?(?:Z\b|UTC\b|[+-]0:?0?))?"
CLOCK = rb"0:0:0\b(?:[.,]0)?(?!:)"
TIME = re.compile(
    rb"0(?<![\w:.]0)(?:(?:-0-|/0/)0(?:[T ]" + CLOCK + ZONE + rb"|\b)|T0Z?\b|/[A-Z][a-z]{2}/0:" + CLOCK + ZONE +
    rb"|" + CLOCK[1:] + ZONE + rb")"
)  # fmt: skip
DAY = re.compile(
    rb"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +)?(?:0 +)?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +"
    rb"(?:0 +)?(?:0 +)?" + CLOCK + ZONE + rb"(?: 0\b)?"
)  # fmt: skip
# With most texts RE2 says more quickly than a replacement that there is nothing to be masked.
UUID_THERE = byte_pattern(UUID.pattern.decode())
HEX_THERE = byte_pattern(HEX.pattern.decode().replace("(?=[0a-fA-F]{7,}\\b)", ""))  # RE2 does not look ahead
ID_THERE = byte_pattern(r"0[A-Za-z_-]+0[A-Za-z_-]+0")
DAY_THERE = byte_pattern(r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +0")
NUMBER = re.compile(rb"0(?:[.,_]0)*")
BLANK = re.compile(rb"[ \t]+")
STRING = re.compile(rb"\"[^\"\n]*\"|(?<!\w)'[^'\n]*'(?!\w)|`[^`\n]*`")
PATH = re.compile(
    rb"(?<![\w<>/.~-])(?:~|\.{1,2})?(?:/[\w.@+<>=-]+){2,}/?|(?<![\w<>/.~-])[\w.@-]+(?:/[\w.@+<>=-]+){2,}/?"
    rb"|(?<!\w)[A-Za-z]:\\[^\s\"'<>|]+"
)
# A JSON object's keys stay, and the values that say what its line is about.
TOLD = (
    rb"level|lvl|severity|msg|message|event|error|err|exception|reason|status|logger|name|type|kind|component|module|"
    rb"action|method"
)
MEMBER = re.compile(rb"(\"(?!(?:" + TOLD + rb")\")[^\"\n]*\"\s*:\s*)\"(?:[^\"\\\n]|\\.)*\"")


def outlines(text: bytes) -> bytes:
    """The outlines of a text's lines."""
    return bare(text.translate(DIGITS))


def bare(text: bytes) -> bytes:
    """Outlines of lines whose digits are 0 already."""
    if there(UUID_THERE, text):
        text = UUID.sub(b"<uuid>", text)
    if b"0x" in text or b"0X" in text:
        text = ADDRESS.sub(b"<hex>", text)
    if there(HEX_THERE, text):
        text = HEX.sub(b"<hex>", text)
    return squeezed(text)


def there(pattern: Regexp, text: bytes) -> bool:
    return pattern.search(text) is not None


def squeezed(text: bytes) -> bytes:
    """Each run of 0 as one 0."""
    for run in (b"0000", b"000"):
        text = text.replace(run, b"0")
    while b"00" in text:
        text = text.replace(b"00", b"0")
    return text


def shapes(outlined: bytes, *, telling: bool) -> bytes:
    """The shapes of lines with these outlines. `telling`: they are errors or warnings."""
    text = outlined
    if b"://" in text:
        text = URL.sub(b"<url>", text)
    if b"0" in text:
        if there(DAY_THERE, text):
            text = DAY.sub(b"<time>", text)
        text = TIME.sub(b"<time>", text)
        if there(ID_THERE, text):
            text = ID.sub(b"<id>", text)
        text = NUMBER.sub(b"<num>", text)
    if b"  " in text or b"\t" in text:
        text = BLANK.sub(b" ", text)
    if telling:
        return text
    if b"/" in text or b":\\" in text:
        text = PATH.sub(b"<path>", text)
    if b'{"' in text:
        return b"\n".join([json_shape(x) if x.startswith(b"{") else plain_shape(x) for x in text.split(b"\n")])
    return plain_shape(text)


def plain_shape(text: bytes) -> bytes:
    if b'"' in text or b"'" in text or b"`" in text:
        text = STRING.sub(b"<str>", text)
    return text


def json_shape(line: bytes) -> bytes:
    return MEMBER.sub(rb"\1<str>", line)
