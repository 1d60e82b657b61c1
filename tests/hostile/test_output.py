"""Output that nobody would wish for: every byte stays as it was printed, and the supervisor stays small."""

import json
import os
import sys
import time
import zlib

import anyio
import pytest

from chaos.serving import Server
from hostile.nursery import Nursery, peak
from outlast.kernel.home import Home
from outlast.kernel.marks import MAX_LINE
from outlast.runtime.logbooks import LogQuery
from outlast.storage.logs.lines import Line
from waiting import until

BYTES = int(os.environ.get("OUTLAST_HOSTILE_BYTES", 6 << 20))
"""How much the largest of them print: a line of that many bytes, lines with that many in all."""
LINE = b"one of very many lines of a child that prints as fast as it can\n"
PATIENCE = 600.0
"""Seconds for what prints BYTES, which may be many."""
MOST_MEMORY = 48 << 10
"""KiB that a supervisor may take, whatever its child prints; an idle one takes about 15 MiB."""
LARGEST_REPLY = 128 << 10
"""Bytes of one reply on the protocol: the text, and the same as structured content."""

SMALL = {
    "not UTF-8": b"\377\376 \303( \xed\xa0\x80 \360\237\n",
    "NULs": b"a\0b\n\0\0\n\0",
    "a progress bar": b"".join(b"%3d%%\r" % percent for percent in range(0, 101, 10)) + b"\n",
    "escape sequences": b"\33[31mred\33[0m \33]0;title\7 \33[2J\33[1;1H \33Pq\33\\ \2335m\n",
    "no newline": b"the end",
    "only newlines": b"\n" * 500,
    "nothing": b"",
}

TORRENT = f"""
import os
line = {LINE!r} * 512
left = {BYTES} // {len(LINE)}
while left:
    count = min(left, 512)
    os.write(1, line[: count * {len(LINE)}])
    left -= count
"""
LONG_LINE = f"""
import os
left = {BYTES}
while left:
    left -= os.write(1, b"x" * min(left, 1 << 16))
"""
STAY = """
open("said", "w").close()
open("go").read()
"""
"""Lives until the test has seen how much its supervisor took."""


@pytest.mark.requirement("S3-3")
async def test_every_byte_is_kept_as_it_was_printed(nursery: Nursery) -> None:
    numbers: dict[int, bytes] = {}
    for name, data in SMALL.items():
        nursery.file(name).write_bytes(data)
        numbers[await nursery.start(f"cat '{name}'; exit 7")] = data
    for number, data in numbers.items():
        settled = await nursery.end(number)
        assert (settled.status, settled.exit_code) == ("failed", 7)
        assert await nursery.data(number) == data
        assert await nursery.runtime.seal(await nursery.execution(number))
        assert await nursery.data(number) == data


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exec >&- 2>&-; sleep 0.1; exit 7", []),
        ("echo before; exec > /dev/null 2>&1; sleep 0.1; echo unheard; exit 7", ["before"]),
        ("echo before; exec 1<&- 2<&-; echo unheard; exit 7", ["before"]),
        ("echo before > /dev/stdout; truncate -s 100 /dev/stdout; exit 7", ["before\n" + "\0" * 93]),
    ],
    ids=["closed at once", "elsewhere", "closed later", "a hole"],
)
async def test_what_a_child_does_with_its_output_changes_no_exit_code(
    nursery: Nursery, script: str, expected: list[str]
) -> None:
    number = await nursery.start(script)
    settled = await nursery.end(number)
    assert (settled.status, settled.exit_code) == ("failed", 7)
    assert "\n".join(await nursery.lines(number)) == "\n".join(expected)


async def flooded(nursery: Nursery, script: str, what: str) -> int:
    """Have a child print a lot and end; its number. Its supervisor has stayed small."""
    os.mkfifo(nursery.file("go"))
    begun = time.monotonic()
    number = await nursery.start(sys.executable, "-I", "-S", "-c", script + STAY)
    await until(nursery.file("said").exists, PATIENCE)
    supervisor = nursery.supervisor(number)
    await anyio.to_thread.run_sync(nursery.file("go").write_text, "")
    memory = peak(supervisor)
    assert (await nursery.end(number, PATIENCE)).status == "completed"
    sys.stdout.write(f"{what}: peak of the supervisor {memory / 1024:.1f} MiB, {time.monotonic() - begun:.1f} s\n")
    assert memory < MOST_MEMORY
    return number


@pytest.mark.requirement("S3-8")
async def test_a_line_without_end_is_cut_and_complete(nursery: Nursery) -> None:
    number = await flooded(nursery, LONG_LINE, f"a line of {BYTES:,} bytes")
    crc, size, after = 0, 0, 0
    while page := (await nursery.runtime.logs(await nursery.execution(number), LogQuery(after=after, limit=8))).entries:
        for one in page:
            assert isinstance(one, Line)
            assert len(one.data) <= MAX_LINE
            crc, size, after = zlib.crc32(one.data, crc), size + len(one.data), one.n
    assert (size, after) == (BYTES, -(-BYTES // MAX_LINE))
    assert crc == zlib.crc32(b"x" * BYTES)


@pytest.mark.requirement("S3-8")
async def test_a_torrent_of_lines_is_complete(nursery: Nursery) -> None:
    lines = BYTES // len(LINE)
    number = await flooded(nursery, TORRENT, f"{lines:,} lines of {len(LINE)} bytes")
    execution = await nursery.execution(number)
    assert (await nursery.runtime.log_count(execution)) == (lines, True)
    for after in (0, lines // 2, lines - 10):
        page = await nursery.runtime.logs(execution, LogQuery(after=after, limit=10))
        assert [(one.n, one.data + b"\n") for one in page.entries if isinstance(one, Line)] == [
            (after + n, LINE) for n in range(1, 11)
        ]


@pytest.mark.requirement("S3-8")
@pytest.mark.parametrize(
    ("end", "status"), [({}, "cancelled"), ({"timeout": "500ms"}, "timeout")], ids=["cancel", "timeout"]
)
async def test_who_writes_as_fast_as_the_disk_takes_it_is_stopped_and_nothing_lost(
    nursery: Nursery, end: dict[str, str], status: str
) -> None:
    number = await nursery.start(f"ulimit -f {BYTES // 512}; trap '' XFSZ; yes 'a line of yes'; sleep 300", **end)
    spool = nursery.spool(number)
    if not end:
        await until(lambda: spool.stat().st_size > BYTES // 4)
        await nursery.runtime.cancel(number, "a test")
    assert (await nursery.end(number)).status == status
    written = spool.read_bytes()
    assert await nursery.runtime.log_count(await nursery.execution(number)) == (len(written.splitlines()), True)
    assert await nursery.runtime.seal(await nursery.execution(number))
    assert await nursery.data(number) == written


async def test_a_child_that_writes_until_its_limit_is_told_as_it_ended(nursery: Nursery) -> None:
    """`yes` is as fast as the disk; the limit of its files' size ends it, and the wrapper's file is not concerned."""
    number = await nursery.start(f"ulimit -f {BYTES // 512}; exec yes 'a line of yes'")
    settled = await nursery.end(number, PATIENCE)
    assert (settled.status, settled.reason) == ("failed", "exit code 153: probably ended by SIGXFSZ")
    count = await nursery.runtime.log_count(await nursery.execution(number))
    assert count == (-(-(BYTES // 512 * 512) // len("a line of yes\n")), True)


@pytest.mark.requirement("S4-15")
def test_what_an_agent_reads_of_it_is_bounded(home: Home) -> None:
    noise = "for n in $(seq 400); do printf '\\033[2J\\000\\377%0500d\\r' $n; done; echo; seq 50000"
    with Server(home.root) as server:
        argv = ["/bin/sh", "-c", f"{noise}; head -c 3000000 /dev/zero; exit 7"]
        started = server.call("execute_workflow", workflow_id="command", params={"argv": argv}, wait_seconds=30)
        assert started["status"] == "failed", started
        for tool, arguments in (("get_logs", {"limit": 500}), ("get_logs", {"after": 0}), ("get_status", {})):
            result = server.request(
                "tools/call", {"name": tool, "arguments": {"handle_id": started["handle_id"], **arguments}}
            )
            assert not result.get("isError"), result
            assert len(json.dumps(result)) < LARGEST_REPLY
            assert not [code for code in result["content"][0]["text"] if code < " " and code not in "\n\t"]
