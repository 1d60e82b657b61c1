"""From a definition and parameters to the frozen plan of one execution, and the secrets kept apart from it."""

import hashlib
import hmac
import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from outlast.definitions.builtin import COMMAND, command_environment
from outlast.definitions.environment import base_environment, passed_on, working_directory
from outlast.definitions.model import WorkflowDefinition
from outlast.definitions.parameters import check_params
from outlast.definitions.substitution import fill_argv, fill_text, references, variable_name
from outlast.definitions.values import as_text, canonical_json, json_problems, show_path
from outlast.kernel.errors import InvalidInput
from outlast.kernel.plan import Json, Plan, Secrets, StepPlan

STEP = "run"
"""The id of the only step."""
HIDDEN = "***"
"""What stands for a secret's value in the plan."""
MAX_STRING = 128 * 1024 - 1
"""Bytes of one argument, or of one variable with its name: what Linux passes to a process."""
SHORTEST_MASK = 6
"""Characters. Shorter values of env_pass ("1", "true") are not masked: they stand in every log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileContext:
    """Everything that the plan needs and neither the definition nor the caller's parameters say."""

    execution_id: str
    store_id: str
    created_at: int
    """µs since the epoch."""
    user: str
    trigger: str
    library: str
    """Content hash of the code that runs the plan."""
    library_path: str
    """The directory of that code; it contains outlast/workflow."""
    interpreter: str
    """The Python that runs the supervisor."""
    environment: Mapping[str, str]
    """The server's own variables."""
    source: str | None = None
    """The absolute path of the definition file."""
    project: str | None = None
    """The absolute path of the project that the workflow belongs to."""
    path: str | None = None
    """The setting `path`."""
    env_pass: Sequence[str] = ()
    mask_tokens: bool = True
    """The setting `mask_tokens`."""
    python: str = field(default_factory=lambda: os.path.abspath(sys.executable))  # noqa: PTH100 - keeps a venv's symlink
    """The Python for `python:` workflows that bring none."""
    agent: str | None = None
    customer: str | None = None
    client: dict[str, Json] | None = None
    labels: Mapping[str, str] | None = None
    metadata: dict[str, Json] | None = None
    idempotency_key: str | None = None
    retry_of: int | None = None


def compile_plan(
    definition: WorkflowDefinition, params: Mapping[str, Json], context: CompileContext
) -> tuple[Plan, Secrets]:
    """The plan and its secrets. Checks the parameters; raises InvalidInput where nothing can be started with them."""
    _check_context(context)
    values = check_params(definition, params)
    secret_params = [name for name, parameter in definition.params.items() if parameter.secret and name in values]
    step, secret_env = _step(definition, values, context)
    plan = Plan(
        id=context.execution_id,
        store_id=context.store_id,
        workflow_id=definition.id,
        workflow_name=definition.title,
        workflow_type=definition.type,
        version_hash=definition.version_hash(),
        definition=definition.canonical(),
        source=context.source,
        params={name: HIDDEN if name in secret_params else value for name, value in values.items()},
        param_types={name: parameter.type for name, parameter in definition.params.items()},
        secret_params=secret_params,
        steps=[step],
        created_at=context.created_at,
        user=context.user,
        trigger=context.trigger,
        request_hash=request_hash(definition, values, context.store_id),
        library=context.library,
        interpreter=context.interpreter,
        timeout=definition.timeout,
        kill_grace=definition.kill_grace,
        streams=definition.streams,
        mask_tokens=context.mask_tokens if definition.mask_tokens is None else definition.mask_tokens,
        concurrency_key=_concurrency_key(definition, values),
        on_conflict=definition.concurrency.on_conflict if definition.concurrency else "queue",
        idempotency_key=context.idempotency_key,
        agent=context.agent,
        customer=context.customer,
        client=context.client,
        labels={**definition.labels, **(context.labels or {})} or None,
        metadata=context.metadata,
        retry_of=context.retry_of,
    )
    passed = passed_on(context.environment, context.env_pass)
    mask = _masks([str(values[name]) for name in secret_params], 1) | _masks(passed.values(), SHORTEST_MASK)
    return plan, Secrets(env={STEP: secret_env} if secret_env else {}, mask=sorted(mask, key=len, reverse=True))


def request_hash(definition: WorkflowDefinition, values: Mapping[str, Json], store_id: str) -> str:
    """SHA-256 of the workflow's id and the checked parameters, in hex.

    Secrets enter as keyed hashes: another secret is another request, and the hash does not give the value away.
    """

    def disguised(value: Json) -> Json:
        return {"hmac": hmac.new(store_id.encode(), as_text(value).encode(), "sha256").hexdigest()}

    request: Json = {
        "workflow": definition.id,
        "params": {
            name: disguised(value) if definition.params[name].secret else value for name, value in values.items()
        },
    }
    return hashlib.sha256(canonical_json(request).encode()).hexdigest()


def _check_context(context: CompileContext) -> None:
    """Raise InvalidInput for what the caller says besides the parameters and no plan or row can hold."""
    for name in ("user", "agent", "customer", "idempotency_key", "labels", "metadata", "client", "source", "project"):
        for problem in json_problems(getattr(context, name), (name,)):
            raise InvalidInput(f"{show_path(problem.path)} {problem.sentence}")


def _step(
    definition: WorkflowDefinition, values: dict[str, Json], context: CompileContext
) -> tuple[StepPlan, dict[str, str]]:
    """The step, and the variables whose values the plan must not hold."""
    env = base_environment(context.environment, context.path)
    home = env["HOME"]
    secret_env = passed_on(context.environment, context.env_pass)
    for name, value in values.items():
        _put(env, secret_env, variable_name(name), as_text(value), secret=definition.params[name].secret)
    for name, template in definition.env.items():
        filled = fill_text(template, values)
        if filled is not None:
            secret = any(definition.params[parameter].secret for parameter in references(template))
            _put(env, secret_env, name, filled, secret=secret)
    if definition.id == COMMAND.id:
        for name, value in command_environment(values).items():
            _put(env, secret_env, name, cast("str", value), secret=False)
    cwd = fill_text(definition.cwd, values) if definition.cwd is not None else None
    if cwd == "":
        raise InvalidInput("cwd is empty with these parameters: give it a directory")
    directory = working_directory(cwd, context.source, context.project, home)
    _put(env, secret_env, "PWD", directory, secret=False)
    if definition.python is not None:
        rest = secret_env if "PYTHONPATH" in secret_env else env
        rest["PYTHONPATH"] = os.pathsep.join(filter(None, (context.library_path, rest.get("PYTHONPATH"))))
        interpreter = _interpreter(definition.interpreter, directory, env.get("PATH", os.defpath), context)
        argv = [interpreter, "-m", "outlast.workflow", definition.python]
    elif definition.shell is not None:
        argv = ["/bin/sh", "-c", definition.shell]
    else:
        argv = fill_argv(definition.run or [], values, definition.params)
        if not argv[0]:
            raise InvalidInput("run[0] is empty with these parameters: it names the program")
    _check_sizes(argv, env | secret_env)
    return StepPlan(STEP, definition.title, argv, directory, env, sorted(secret_env)), secret_env


def _put(env: dict[str, str], secret_env: dict[str, str], name: str, value: str, *, secret: bool) -> None:
    """Set a variable in the one place where it belongs: what comes later wins."""
    env.pop(name, None)
    secret_env.pop(name, None)
    (secret_env if secret else env)[name] = value


def _interpreter(wanted: str | None, cwd: str, path: str, context: CompileContext) -> str:
    """The absolute path of the Python for a `python:` workflow; a venv's symlink is kept, it is what makes it one."""
    if wanted is None:
        own = os.path.join(cwd, ".venv/bin/python")  # noqa: PTH118 - Path would be made of it and thrown away
        return own if os.access(own, os.X_OK) else context.python
    if "/" in wanted:
        return os.path.join(cwd, os.path.expanduser(wanted))  # noqa: PTH111, PTH118 - as above
    found = shutil.which(wanted, path=path)
    if found is None:
        raise InvalidInput(f"interpreter {wanted} is not on the PATH ({path}); write its absolute path")
    return found


def _concurrency_key(definition: WorkflowDefinition, values: Mapping[str, Json]) -> str | None:
    if definition.concurrency is None:
        return None
    key = fill_text(definition.concurrency.key, values)
    if not key or len(key) > 500:
        raise InvalidInput(
            f"concurrency.key has {len(key or '')} characters with these parameters; 1 to 500 are allowed"
        )
    return key


def _check_sizes(argv: list[str], env: Mapping[str, str]) -> None:
    for index, argument in enumerate(argv):
        if (size := len(argument.encode())) > MAX_STRING:
            raise InvalidInput(f"argument {index} has {size:,} bytes; a process takes at most {MAX_STRING:,}")
    for name, value in env.items():
        if (size := len(f"{name}={value}".encode())) > MAX_STRING:
            raise InvalidInput(f"variable {name} has {size:,} bytes; a process takes at most {MAX_STRING:,}")


def _masks(values: Iterable[str], shortest: int) -> set[str]:
    """The texts to mask for secret values: whole, by line, and as they stand in JSON."""
    masks: set[str] = set()
    for value in values:
        for text in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
            if len(text) >= shortest:
                masks.add(text)
        if "\n" in value:
            masks |= {line.strip() for line in value.splitlines() if len(line.strip()) >= max(shortest, SHORTEST_MASK)}
    return masks
