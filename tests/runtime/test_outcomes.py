"""How a command ends is told as it was: status, exit code, signal and the first cause."""

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from outlast.kernel.home import Home
from outlast.kernel.states import Settled
from outlast.runtime.runtime import Runtime, Started
from outlast.runtime.starting import StartRequest
from outlast.storage.records import Execution
from waiting import BOUND

Run = Callable[..., Awaitable[Started]]
Text = Callable[[Execution], Awaitable[list[str]]]


async def ended(runtime: Runtime, started: Started) -> Settled:
    execution = await runtime.wait(started.execution.number, BOUND)
    assert execution.settled is not None, f"still {execution.status}"
    return execution.settled


@pytest.mark.requirement("S1-1")
@pytest.mark.parametrize(
    ("script", "status", "code", "number", "reason"),
    [
        ("exit 0", "completed", 0, None, "exit code 0"),
        ("exit 3", "failed", 3, None, "exit code 3"),
        ("exit 126", "failed", 126, None, "exit code 126"),
        ("exit 127", "failed", 127, None, "exit code 127"),
        ("kill -SEGV $$", "failed", 139, signal.SIGSEGV, "exit code 139: probably ended by SIGSEGV"),
        ("exit 137", "failed", 137, signal.SIGKILL, "exit code 137: probably ended by SIGKILL"),
    ],
)
async def test_an_exit_is_told_as_it_was(
    runtime: Runtime, run: Run, script: str, status: str, code: int, number: int | None, reason: str
) -> None:
    state = await ended(runtime, await run("sh", "-c", script))
    assert (state.status, state.exit_code, state.signal, state.reason) == (status, code, number, reason)
    # A shell's 128 + n may be an exit code of the program's own: nobody can be sure.
    assert state.signal_certain == (None if number is None else False)


async def test_a_missing_program_is_a_reason_and_not_a_127(runtime: Runtime, run: Run) -> None:
    state = await ended(runtime, await run("no-such-program"))
    assert (state.status, state.exit_code) == ("failed", None)
    assert state.reason.startswith("command not found: no-such-program (PATH=")


async def test_a_file_that_is_not_executable_is_named(runtime: Runtime, run: Run, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("text")
    state = await ended(runtime, await run(str(tmp_path / "plain")))
    assert (state.status, state.reason) == ("failed", f"command is not executable: {tmp_path}/plain")


async def test_a_script_without_its_interpreter_is_named(runtime: Runtime, run: Run, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    state = await ended(runtime, await run(str(script)))
    assert state.reason == f"interpreter not found: /no/such/interpreter (first line of {script})"


async def test_a_missing_working_directory_is_named(runtime: Runtime) -> None:
    params = {"argv": ["true"], "cwd": "/no/such/directory"}
    state = await ended(runtime, await runtime.execute(StartRequest(workflow_id="command", params=params)))
    assert (state.status, state.exit_code) == ("failed", None)
    assert state.reason == "working directory does not exist: /no/such/directory"


async def test_a_timeout_is_the_first_cause_whatever_the_exit_code(
    runtime: Runtime, define: Callable[[str, str], Path], text_of: Text
) -> None:
    define("slow", "timeout: 300ms\nkill_grace: 5s\nshell: |\n  trap 'echo bye; exit 0' TERM\n  sleep 60 & wait\n")
    started = await runtime.execute(StartRequest(workflow_id="slow"))
    state = await ended(runtime, started)
    assert (state.status, state.exit_code, state.reason) == ("timeout", 0, "timed out after 0.3 s")
    assert await text_of(await runtime.get(started.execution.number)) == ["bye"]


async def test_what_ignores_term_is_killed_after_the_grace(
    runtime: Runtime, define: Callable[[str, str], Path]
) -> None:
    define("deaf", "timeout: 200ms\nkill_grace: 100ms\nshell: |\n  trap '' TERM\n  while :; do sleep 1; done\n")
    state = await ended(runtime, await runtime.execute(StartRequest(workflow_id="deaf")))
    assert (state.status, state.signal, state.signal_certain) == ("timeout", signal.SIGKILL, True)


async def test_a_child_gets_no_terminal_no_input_and_no_descriptors(runtime: Runtime, run: Run, text_of: Text) -> None:
    script = "cat; echo eof; ls /proc/self/fd | tr '\\n' ' '; echo; (: < /dev/tty) 2>/dev/null || echo no tty; umask"
    started = await run("sh", "-c", script)
    await ended(runtime, started)
    # 0, 1 and 2, and the directory that ls itself reads.
    assert await text_of(await runtime.get(started.execution.number)) == ["eof", "0 1 2 3 ", "no tty", "0077"]


async def test_a_child_has_the_default_signals(runtime: Runtime, run: Run, text_of: Text) -> None:
    started = await run("sh", "-c", "grep -E 'Sig(Ign|Blk)' /proc/self/status")
    await ended(runtime, started)
    lines = await text_of(await runtime.get(started.execution.number))
    ours = sum(1 << (number - 1) for number in signal.valid_signals())
    assert [int(line.split()[1], 16) & ours for line in lines] == [0, 0]


async def test_the_output_file_becomes_the_output(runtime: Runtime, run: Run) -> None:
    started = await run("sh", "-c", """printf '{"version": "1.2", "n": 3}' > "$OUTLAST_OUTPUT" """)
    await ended(runtime, started)
    details = await runtime.details(await runtime.get(started.execution.number))
    assert details.output == {"version": "1.2", "n": 3}


async def test_what_is_left_after_a_normal_exit_is_listed_and_lives_on(runtime: Runtime, run: Run) -> None:
    started = await run("sh", "-c", "setsid sleep 321 > /dev/null 2>&1 & echo $!")
    state = await ended(runtime, started)
    details = await runtime.details(await runtime.get(started.execution.number))
    assert state.status == "completed"
    (leftover,) = details.leftovers
    assert isinstance(leftover, dict)
    assert leftover["command"] == "sleep 321"
    os.kill(int(str(leftover["pid"])), signal.SIGKILL)


async def test_once_an_end_is_visible_all_lines_are(runtime: Runtime, run: Run, text_of: Text) -> None:
    for lines in (1, 700, 40):
        started = await run("sh", "-c", f"i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo $i; done")
        with anyio.fail_after(BOUND):
            while (execution := await runtime.get(started.execution.number)).settled is None:
                await anyio.lowlevel.checkpoint()  # the first moment in which it is over is the subject
        assert await text_of(execution) == [str(n) for n in range(1, lines + 1)]


async def test_an_end_is_never_before_its_start(runtime: Runtime, run: Run) -> None:
    state = await ended(runtime, await run("true"))
    assert state.started_at is not None
    assert state.ended_at >= state.started_at
    assert 0 < state.duration_us < 30_000_000


async def test_parameters_arrive_in_the_environment(
    runtime: Runtime, define: Callable[[str, str], Path], text_of: Text, home: Home
) -> None:
    define(
        "greet",
        "params:\n  name: {type: string}\n  times: {type: integer, default: 2}\n"
        'run: [sh, -c, \'echo "$1 $PARAM_NAME $PARAM_TIMES"\', sh, "--to=${{ params.name }}"]\n',
    )
    started = await runtime.execute(StartRequest(workflow_id="greet", params={"name": "Ada; $(id)"}))
    await ended(runtime, started)
    execution = await runtime.get(started.execution.number)
    assert await text_of(execution) == ["--to=Ada; $(id) Ada; $(id) 2"]
    assert {p.name: p.value for p in (await runtime.details(execution)).params} == {"name": "Ada; $(id)", "times": 2}


async def test_secrets_reach_the_child_and_nothing_else(
    runtime: Runtime, define: Callable[[str, str], Path], text_of: Text, home: Home
) -> None:
    define(
        "deploy",
        "params:\n  token: {type: string, secret: true}\nenv:\n  TOKEN: ${{ params.token }}\n"
        'shell: \'echo "using $TOKEN"; printf %s "joe:$TOKEN" | base64; '
        'echo "{\\"my $TOKEN\\": [\\"$TOKEN!\\", 7]}" > $OUTLAST_OUTPUT; '
        '(exec sh -c "sleep 300; : $TOKEN") > /dev/null 2>&1 & test ${#TOKEN} = 15\'\n',
    )
    request = StartRequest(workflow_id="deploy", params={"token": "hunter2-hunter2"})
    started = await runtime.execute(request)
    assert (await ended(runtime, started)).status == "completed"
    execution = await runtime.get(started.execution.number)
    shown = ["using ***", "am9lOm***=="]
    assert await text_of(execution) == shown
    assert await runtime.seal(execution)
    assert await text_of(await runtime.get(execution.number)) == shown
    details = await runtime.details(execution)
    assert details.log_masked == 2
    assert details.output == {"my ***": ["***!", 7]}
    assert any("***" in str(left) for left in details.leftovers)
    for left in details.leftovers:
        assert isinstance(left, dict)
        os.kill(int(str(left["pid"])), signal.SIGKILL)
    told = [path for path in Path(home.root).rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert told == []


@pytest.mark.parametrize("secret", [True, False])
async def test_an_output_of_any_depth_is_no_trouble(
    runtime: Runtime, define: Callable[[str, str], Path], secret: bool
) -> None:
    """What cannot be masked is not kept; and the execution ends all the same."""
    deep = "[" * 800 + "]" * 800
    define(
        "deep",
        f"params:\n  token: {{secret: {str(secret).lower()}}}\n"
        f"shell: |\n  printf '%s' '{{\"a\": {deep}}}' > $OUTLAST_OUTPUT\n",
    )
    started = await runtime.execute(StartRequest(workflow_id="deep", params={"token": "hunter2-hunter2"}))
    assert (await ended(runtime, started)).status == "completed"
    details = await runtime.details(await runtime.get(started.execution.number))
    assert (details.output is None) is secret
    assert details.output_problem == ("nested too deeply" if secret else None)
