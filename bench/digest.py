"""Whether the digest of a real log names every error, and how fast digests are made: python bench/digest.py [--tests N]

The log is what pytest prints of N tests (default 7,000, about 200,000 lines) of Python's own library, of which some
fail. What failed, and how, is taken from pytest's JUnit report, not from our rules. Numbers in messages do not count:
`line 1 column 5` and `line 1 column 9` are one error. Everything lies in a temporary directory below $TMPDIR.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from outlast.storage.logs.digest import Digest
from outlast.storage.logs.lines import WHOLE, Piece

SUITE = """
import codecs, datetime, decimal, fractions, ipaddress, json, logging, random, struct, uuid
import pytest

PART = 25
N = {count} * PART
log = logging.getLogger("suite")
chance = random.Random(11)
DATES = [(chance.randrange(1990, 2030), chance.randrange(1, 13), chance.randrange(1, 29)) for _ in range(N)]
DATES[::1997] = [(2020, 13, 1)] * len(DATES[::1997])
DATES[5::2999] = [(2021, 2, 30)] * len(DATES[5::2999])
DATES[9::4999] = [(0, 2, 3)] * len(DATES[9::4999])
TEXTS = [json.dumps({{"n": n, "parts": [n, n + 1], "name": "part %d" % n}}) for n in range(N)]
TEXTS[7::1499] = ["{{'n': 1}}"] * len(TEXTS[7::1499])
TEXTS[8::2499] = ['{{"n": 1'] * len(TEXTS[8::2499])
TEXTS[9::3499] = ['{{"n": "x'] * len(TEXTS[9::3499])
TEXTS[10::4499] = ["[1, 2] 3"] * len(TEXTS[10::4499])
TEXTS[11::5499] = [""] * len(TEXTS[11::5499])
TEXTS[12::6499] = ['"\\\\q"'] * len(TEXTS[12::6499])
ADDRESSES = ["10.%d.%d.%d" % (n // 65536, n // 256 % 256, n % 256) for n in range(N)]
ADDRESSES[3::1777] = ["10.0.0.256"] * len(ADDRESSES[3::1777])
ADDRESSES[4::2777] = ["not an address"] * len(ADDRESSES[4::2777])
NUMBERS = [str(n * 7) for n in range(N)]
NUMBERS[6::1333] = ["seven"] * len(NUMBERS[6::1333])
NUMBERS[7::2333] = ["1/0"] * len(NUMBERS[7::2333])
NUMBERS[8::3333] = ["twelve and a half"] * len(NUMBERS[8::3333])
ROWS = [{{"region": "north", "town": "T%d" % n, "sales": n}} for n in range(N)]
for row in ROWS[2::1123]: del row["region"]
for row in ROWS[3::2123]: del row["town"]
for row in ROWS[4::3123]: row["sales"] = None
for row in ROWS[5::4123]: row["sales"] = "many"
PACKED = [struct.pack("<IH", n, n % 9) for n in range(N)]
PACKED[1::2221] = [b"short"] * len(PACKED[1::2221])
PACKED[2::3221] = [None] * len(PACKED[2::3221])
CODECS = ["utf-8", "latin-1", "utf-16", "cp1252"] * (N // 4 + 1)
CODECS[5::1901] = ["klingon"] * len(CODECS[5::1901])
CODECS[6::2901] = ["ascii"] * len(CODECS[6::2901])
IDS = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(N)]
IDS[8::2003] = ["nobody"] * len(IDS[8::2003])


@pytest.mark.parametrize("part", range(N // PART))
def test_date(part):
    for number in range(part * PART, (part + 1) * PART):
        when = datetime.date(*DATES[number])
        print("the day after", when, "is", when + datetime.timedelta(days=1))


@pytest.mark.parametrize("part", range(N // PART))
def test_json(part):
    for number in range(part * PART, (part + 1) * PART):
        print("read", len(json.loads(TEXTS[number])), "members")


@pytest.mark.parametrize("part", range(N // PART))
def test_address(part):
    for number in range(part * PART, (part + 1) * PART):
        print("address", ipaddress.ip_address(ADDRESSES[number]).reverse_pointer)


@pytest.mark.parametrize("part", range(N // PART))
def test_number(part):
    for number in range(part * PART, (part + 1) * PART):
        print("a third of it is", fractions.Fraction(NUMBERS[number]) / 3, decimal.Decimal(NUMBERS[number]).sqrt())


@pytest.mark.parametrize("part", range(N // PART))
def test_row(part):
    for number in range(part * PART, (part + 1) * PART):
        row = ROWS[number]
        print("sold", row["sales"] * 2 + 1, "in", row["town"], "in the", row["region"])


@pytest.mark.parametrize("part", range(N // PART))
def test_record(part):
    for number in range(part * PART, (part + 1) * PART):
        first, second = struct.unpack("<IH", PACKED[number])
        assert second < 9 and first == number
        print("record", first, second)


@pytest.mark.parametrize("part", range(N // PART))
def test_text(part):
    for number in range(part * PART, (part + 1) * PART):
        print("encoded to", codecs.encode("ni\\u00f1o %d" % number, CODECS[number]))


@pytest.mark.parametrize("part", range(N // PART))
def test_id(part):
    for number in range(part * PART, (part + 1) * PART):
        assert uuid.UUID(IDS[number]).version is None or number % 4001 != 4000, "an odd version"
        print("id", IDS[number])
"""
FUNCTIONS = SUITE.count("def test_")
BLOCK = 1 << 16


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", type=int, default=7_000)
    parser.add_argument("--max-tokens", type=int, default=1200)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ol-bench-"))
    try:
        log, errors = printed(folder, given.tests)
        text, view = digest_of(folder, given.max_tokens)
        print(text)
        missed = [error for error in errors if not named(error, text)]
        lines = log.read_bytes().count(b"\n")
        print(
            f"\n{lines:,} lines, {log.stat().st_size:,} bytes; {view['tokens']} tokens; "
            f"{len(errors) - len(missed)} of {len(errors)} distinct errors named"
        )
        for error in missed:
            print(f"not named: {error}")
        false = list(wrong_rows(view, log.read_bytes().split(b"\n")))
        print(f"rows with a false line number: {len(false)} of {len(view['templates'])}")
        for what, data in {"this log": log.read_bytes(), "a UUID in each line": with_uuids(200_000)}.items():
            print(f"taken in at {rate(data):.0f} MB/s of {what}")
        return 1 if missed or false else 0
    finally:
        shutil.rmtree(folder)


def printed(folder: Path, tests: int) -> tuple[Path, list[str]]:
    """Run the suite as an execution in a home of its own; its log, and its errors by pytest's own report."""
    suite, report = folder / "test_suite.py", folder / "report.xml"
    suite.write_text(SUITE.format(count=tests // FUNCTIONS), encoding="utf-8")
    command = (sys.executable, "-m", "pytest", "-v", "-rA", "-p", "no:cacheprovider", "--color=no", "--rootdir", folder)
    outlast(folder, "run", "--wait", "--", *command, "-c", os.devnull, f"--junitxml={report}", suite, check=False)
    log = folder / "log"
    log.write_bytes(outlast(folder, "logs", 1, "--raw"))
    messages = {failure.attrib["message"].split("\n")[0] for failure in ElementTree.parse(report).iter("failure")}
    return log, sorted({bare(message) for message in messages})


def digest_of(folder: Path, max_tokens: int) -> tuple[str, dict[str, Any]]:
    asked = ("digest", 1, "--max-tokens", max_tokens)
    return outlast(folder, *asked).decode(), json.loads(outlast(folder, *asked, "--json"))


def outlast(folder: Path, *arguments: object, check: bool = True) -> bytes:
    settings = {"OUTLAST_HOME": str(folder / "home"), "OUTLAST_ALLOW_COMMAND": "true"}
    command = [sys.executable, "-m", "outlast", *map(str, arguments)]
    return subprocess.run(command, env=os.environ | settings, check=check, stdout=subprocess.PIPE).stdout


def bare(text: str) -> str:
    """Without numbers, as they are or masked."""
    return " ".join(re.sub(r"<num>|\d+(?:[.,_]\d+)*", "#", text).split())


def named(error: str, text: str) -> bool:
    """Whether a row says it, all of it."""
    return any(error in bare(row) for row in text.splitlines())


def wrong_rows(view: dict[str, Any], lines: list[bytes]) -> Iterator[dict[str, Any]]:
    """Rows whose sample is not on their first line; of blocks of lines, on none up to the last."""
    for row in view["templates"]:
        block = lines[row["first"] - 1 : row["last"] if "lines" in row else row["first"]]
        if row["sample"].strip()[:200] not in "\n".join(line.decode(errors="backslashreplace") for line in block):
            yield row


def with_uuids(count: int) -> bytes:
    lines = (
        f"2026-01-01T00:{n // 60 % 60:02}:{n % 60:02}.{n % 1000:03}Z INFO worker-{n % 16} request "
        f"{os.urandom(16).hex()} handled in {n * 7 % 2000} ms, {n * 977 % 1048576} bytes, queue {n % 97}\n"
        for n in range(count)
    )
    return "".join(lines).encode()


def rate(data: bytes) -> float:
    """MB/s on one core, in blocks as they are sealed."""
    digest, begin, first, used = Digest(), 0, 1, 0.0
    while begin < len(data):
        end = data.rfind(b"\n", begin, begin + BLOCK) + 1 or len(data)
        block = data[begin:end]
        lines = block.count(b"\n")
        piece = Piece(first, lines, 17, 0, WHOLE, block)
        started = time.process_time()
        digest.take([piece])
        used += time.process_time() - started
        begin, first = end, first + lines
    return len(data) / used / 1e6


if __name__ == "__main__":
    sys.exit(main())
