"""Which lines are errors and warnings: what tools really print, and what only looks like it."""

import pytest
from log_files import OUT, Execution, numbers

from outlast.kernel.errors import InvalidInput
from outlast.kernel.marks import MERGED, Spool
from outlast.storage.logs import sealed
from outlast.storage.logs.digesting import Digesting
from outlast.storage.logs.filters import LogFilter
from outlast.storage.logs.folding import folded
from outlast.storage.logs.levels import ERROR, LEVEL_NAMES, WARNING, levels

ERRORS = r"""
2024-05-01 12:00:00,123 ERROR [main] com.acme.Foo - boom
ERROR: Could not find a version that satisfies the requirement foo
error: failed to push some refs to 'origin'
fatal: not a git repository (or any of the parent directories): .git
error[E0308]: mismatched types
src/a.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.
main.c:3:5: error: 'x' undeclared (first use in this function)
collect2: error: ld returned 1 exit status
make: *** [Makefile:2: all] Error 1
make[2]: *** Waiting for unfinished jobs....
npm ERR! code ELIFECYCLE
npm error code E404
KeyError: 'region'
E       KeyError: 'region'
E   assert 3 == 4
tests/test_x.py:12: KeyError
Traceback (most recent call last):
java.lang.IllegalStateException: not started
Exception in thread "main" java.lang.NullPointerException
Caused by: java.io.IOException: broken
thread 'main' panicked at src/main.rs:2:5:
panic: runtime error: index out of range [5] with length 3
--- FAIL: TestAdd (0.00s)
FAIL	github.com/acme/x	0.012s
not ok 3 - adds numbers
FAILED tests/test_a.py::test_x[3] - KeyError: 'region'
tests/test_a.py::test_x[3] FAILED                                  [ 12%]
test foo::bar ... FAILED
time="2024-05-01T12:00:00Z" level=error msg="cannot connect"
{"level":"error","ts":1,"msg":"x"}
{"severity":"ERROR","message":"x"}
{"level":50,"time":1,"msg":"x"}
{"@timestamp":"2024","log.level":"error","message":"x"}
[error] 1234#0: *1 open() failed
2024/05/01 12:00:00 [crit] 7#7: *1 SSL_do_handshake() failed
E0501 12:00:00.123456    1 reflector.go:126] Failed to list
E, [2024-05-01T12:00:00.1 #1] ERROR -- : boom
E: Unable to locate package foo
FATAL:  password authentication failed for user "x"
ERROR:  relation "x" does not exist
ERROR 1045 (28000): Access denied for user
  3:5  error  'x' is not defined  no-undef
a.py:3: error: Incompatible types in assignment  [assignment]
Segmentation fault (core dumped)
sh: 1: foo: not found
bash: foo: command not found
cat: x: No such file or directory
error: no such file
error: none of the hosts answers
Process exited with code 1
exit status 2
subprocess.CalledProcessError: Command '['x']' returned non-zero exit status 1.
The command exited with 127.
Found 3 errors in 2 files (checked 5 source files)
==== 3 failed, 100 passed in 2.10s ====
Tests run: 5, Failures: 1, Errors: 0, Skipped: 0
BUILD FAILED
FAILURE: Build failed with an exception.
Uncaught TypeError: x is not a function
TypeError: Cannot read properties of undefined (reading 'x')
05-01 12:00:00.1  E/Tag: message
Error: Cannot find module 'x'
CMake Error at CMakeLists.txt:3 (find_package):
! Undefined control sequence.
undefined reference to `foo'
Killed
terminate called after throwing an instance of 'std::runtime_error'
fatal: [host1]: FAILED! => {"changed": false}
[ERROR] Failed to execute goal
SEVERE: Servlet.service() threw exception
Error: Process completed with exit code 1.
ModuleNotFoundError: No module named 'foo'
KeyboardInterrupt
ERROR    root:x.py:3 boom
CRITICAL:root:no memory
│ Error: Invalid reference
"""
WARNINGS = r"""
WARNING: Retrying after connection broken
2024-05-01 12:00:00 WARN  c.a.Foo - slow
warning: unused variable: `x`
main.c:3:5: warning: unused variable 'x' [-Wunused-variable]
/x/y.py:3: DeprecationWarning: foo is deprecated
npm WARN deprecated foo@1.0.0
level=warn msg="slow"
{"level":"warning","msg":"x"}
[warn] 1234#0: x
W: GPG error
W0501 12:00:00.123456    1 reflector.go:126] slow
  3:5  warning  Unexpected console statement  no-console
(node:1) Warning: Setting the x
CMake Warning at CMakeLists.txt:3
3 warnings generated.
{"level":40,"msg":"x"}
[WARNING] The POM for x is missing
"""
NEITHER = r"""
0 errors
Found 0 errors, 0 warnings
no errors
Success: no issues found in 3 source files
error_count=0
errors=0 warnings=0
errors: 0
Errors: 0, Failures: 0
Tests run: 5, Failures: 0, Errors: 0, Skipped: 0
{"level":"info","error":null,"msg":"done"}
level=info msg="x" error=none
level=info error=none msg="x"
compiling src/error.py
tests/test_error.py::test_it PASSED [ 12%]
tests/test_errors.py ....... [ 61%]
Copying errors.html
Process exited with code 0
exit status 0
exit code: 0
log level set to ERROR
--log-level=error
LOG_LEVEL=ERROR
Setting logging level to WARNING
100 passed in 2.10s
ok 3 - handles an error
not ok 4 - later # SKIP not done
import error handlers
GET /errors/404 200
the error handling was improved
Building error pages
INFO error handler registered
Terror alert level lowered
raise KeyError
import 'warnings' # <_frozen_importlib_external.SourceFileLoader object at 0x7f>
# code object from '/usr/lib/python3.11/__pycache__/warnings.cpython-311.pyc'
Compiling '/usr/lib/python3/exceptions.py'...
Collecting exceptiongroup>=1.0.2
Successfully installed exceptiongroup-1.2
0 failed, 3 passed
failed: 0
test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out
PASS src/error.test.js
✓ reports errors (3 ms)
retries: 3, error rate: 0.0%
200 OK "GET /fatal HTTP/1.1"
without any warnings
"""
PRINTED = [
    *((line, "error") for line in ERRORS.strip("\n").split("\n")),
    *((line, "warning") for line in WARNINGS.strip("\n").split("\n")),
    *((line, None) for line in NEITHER.strip("\n").split("\n")),
]


def level_of(line: bytes) -> str | None:
    found = levels(folded(line))
    return LEVEL_NAMES[found[0].level] if found else None


@pytest.mark.parametrize(("line", "level"), PRINTED, ids=lambda value: str(value)[:60])
def test_lines_of_many_tools_say_what_they_are(line: str, level: str | None) -> None:
    assert level_of(line.encode()) == level


@pytest.mark.parametrize(("line", "level"), PRINTED[::7], ids=lambda value: str(value)[:60])
def test_colours_change_nothing(line: str, level: str | None) -> None:
    assert level_of(b"\x1b[1;31m" + line.encode() + b"\x1b[0m\r") == level


def test_many_lines_at_once_are_judged_as_each_alone() -> None:
    text = "\n".join(line for line, _ in PRINTED).encode() + b"\n"
    names = {line: LEVEL_NAMES[level] for line, level in levels(text)}
    assert [names.get(index) for index in range(len(PRINTED))] == [level for _, level in PRINTED]


def test_bytes_that_are_no_text_hide_nothing() -> None:
    assert levels(b"\xff\xfe ERROR \xff\n\0\nWARNING: \xe2\n") == [(0, ERROR), (2, WARNING)]


def test_a_last_line_without_newline_counts() -> None:
    assert levels(b"fine\nerror: no") == [(1, ERROR)]
    assert levels(b"") == levels(b"\n\n") == []


def prints(execution: Execution, spool: Spool = OUT, blocks: int = 12) -> None:
    """Lines of so many blocks; some of each third of them say that they are errors or warnings."""
    for block in range(blocks):
        execution.prints(spool, b"what a build tool prints about its work, again and again\n" * 1100)
        if block % 3 == 0:
            execution.prints(spool, b"WARNING slow\nERROR no\nERROR nor this\nfine\nerror: nor that\n")
        execution.mark(spool)


def asked(execution: Execution, level: str) -> list[list[int]]:
    """The numbers of the lines with a level, asked for in every way."""
    reader, wanted = execution.reader(), LogFilter(level=level)
    low, collected = 0, []
    while page := reader.after(low, 3, wanted):
        collected += numbers(page)
        low = collected[-1]
    return [
        numbers(reader.last(1000, wanted)),
        numbers(reader.after(0, 1000, wanted)),
        collected,
        reader.search(None, 1000, wanted=wanted).matches,
        reader.search("ERROR|error|WARN", 1000, after=0, wanted=wanted).matches,
    ]


def keep_digest(execution: Execution) -> None:
    work = Digesting.begin(execution.connection, execution.number)
    assert work.advance(execution.connection, lambda: False)
    assert execution.write(lambda c: work.keep(c, work.row()))


@pytest.mark.requirement("S3-3")
def test_lines_with_a_level_are_found_in_live_sealed_and_counted_blocks(execution: Execution) -> None:
    prints(execution)
    prints(execution, Spool(2, 1, MERGED))
    text = execution.content(OUT) + execution.content(Spool(2, 1, MERGED))
    said = levels(text)
    expected = {
        "error": [line + 1 for line, level in said if level == ERROR],
        "warning": [line + 1 for line, _ in said],
    }
    assert (len(expected["error"]), len(expected["warning"])) == (24, 32)
    for after in (lambda: None, execution.seal, lambda: keep_digest(execution)):
        after()
        for level, lines in expected.items():
            assert asked(execution, level) == [lines] * 5


def test_blocks_without_any_are_passed_over_once_they_are_counted(
    execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    prints(execution)
    execution.seal()
    blocks = execution.connection.execute("SELECT count(*) FROM log_blocks").fetchone()[0]
    decoded: list[int] = []
    decode = sealed.decode
    monkeypatch.setattr(sealed, "decode", lambda block: decoded.append(block.first_line) or decode(block))
    wanted = LogFilter(level="error")
    found = execution.reader().last(1000, wanted)
    assert len(decoded) == blocks
    keep_digest(execution)
    decoded.clear()
    assert execution.reader().last(1000, wanted) == found
    assert 0 < len(decoded) < blocks // 2
    execution.write(lambda c: c.execute("UPDATE log_levels SET format = format + 1"))
    decoded.clear()
    assert execution.reader().last(1000, wanted) == found
    assert len(decoded) == blocks


def test_context_around_errors_holds_other_lines(execution: Execution) -> None:
    execution.prints(OUT, b"a\nb\nERROR c\nd\ne\n")
    execution.mark(OUT)
    found = execution.reader().search(None, 10, 1, wanted=LogFilter(level="error"))
    assert (found.matches, numbers(found.entries)) == ([3], [2, 3, 4])


def test_a_level_that_does_not_exist_is_named(execution: Execution) -> None:
    with pytest.raises(InvalidInput, match="level: there is no level 'info'"):
        execution.reader().last(10, LogFilter(level="info"))
