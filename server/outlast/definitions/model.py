"""A workflow definition: what a workflow file says, checked as a whole."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from outlast.definitions import substitution
from outlast.definitions.durations import PATTERN as DURATION
from outlast.definitions.durations import parse_duration, parse_positive_duration
from outlast.definitions.parameter import NAME, Parameter
from outlast.definitions.values import Path, Problem, canonical_json

LATER = frozenset(
    (
        *("steps", "stages", "needs", "when", "always", "pivot"),
        *("retry", "approval", "compensate", "on_failure", "artifacts"),
    )
)
"""Keys of workflows with several steps, which this version does not run."""
KINDS = ("run", "shell", "python")
SET_BY_OUTLAST = frozenset(
    "OUTLAST_" + name
    for name in (
        *("HOME", "EXECUTION_ID", "STEP", "ATTEMPT", "IDEMPOTENCY_KEY"),
        *("OUTPUT", "ARTIFACTS", "EVENTS", "PARAMS"),
    )
)
"""Variables that the supervisor sets for each attempt."""
ID = r"^[a-z0-9][a-z0-9._-]{0,63}$"
FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*\Z")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

_DURATION_SCHEMA: dict[str, object] = {
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": DURATION}]
}
Duration = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema(_DURATION_SCHEMA)]
PositiveDuration = Annotated[float, BeforeValidator(parse_positive_duration), WithJsonSchema(_DURATION_SCHEMA)]
Label = Annotated[str, Field(max_length=200)]
Group = Annotated[list[str], Field(min_length=1)]
"""Arguments that are left out together when a parameter among them has no value, or an empty one."""
Element = Annotated[
    Annotated[str, Tag("[text]")] | Annotated[Group, Tag("[group]")],
    Discriminator(lambda value: "[group]" if isinstance(value, list) else "[text]"),
]
TAGS = frozenset(("[key]", "[text]", "[group]"))
"""What pydantic puts into the place of an error and stands in no file."""


class Concurrency(BaseModel):
    """Executions with the same key run one at a time."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    key: str = Field(min_length=1, max_length=200, description="May hold ${{ params.NAME }}.")
    on_conflict: Literal["queue", "reject", "cancel_running"] = Field(
        "queue", description="What happens to a second execution with the same key."
    )


class WorkflowDefinition(BaseModel):
    """A workflow of one step."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: str = Field(pattern=ID, description="Lower-case letters, digits, dots, underscores and dashes.")
    name: str | None = Field(None, min_length=1, max_length=200, description="A short title.")
    description: str = Field("", max_length=10_000, description="What it does, for people and agents.")
    type: str | None = Field(None, min_length=1, max_length=64, description="A kind of your own, to filter by.")
    labels: dict[Label, Label] = Field({}, description="Labels that every execution gets.")
    status: Literal["draft", "active"] = Field("active", description="Agents cannot start drafts.")
    params: dict[str, Parameter] = Field({}, description="The parameters, by name.")
    run: Annotated[list[Element], Field(min_length=1)] | None = Field(
        None,
        description="The command and its arguments; no shell. May hold ${{ params.NAME }}. A list among them is "
        "left out as a whole when one of its parameters has no value or an empty one.",
    )
    shell: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="A text for /bin/sh. Parameters arrive as $PARAM_NAME."
    )
    python: str | None = Field(None, description='A function, "package.module:function", called with the parameters.')
    cwd: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="Working directory, relative to this file. May hold ${{ params.NAME }}."
    )
    env: dict[str, str] = Field({}, description="Environment variables. May hold ${{ params.NAME }}, secrets too.")
    interpreter: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="The Python that runs `python`, relative to the working directory."
    )
    timeout: PositiveDuration | None = Field(None, description='Longest time it may run: 90, "2h", "1h30m", "500ms".')
    kill_grace: Duration = Field(5.0, description="Time between the polite and the final kill.")
    streams: Literal["merged", "separate"] = Field(
        "merged", description="One log in true order, or stdout and stderr apart."
    )
    events: Literal["none", "markers"] = Field(
        "none", description="markers: printed lines that begin with __WF_EVENT__: are events about phases and tasks."
    )
    mask_tokens: bool | None = Field(
        None, description="false: lines show what looks like a token; secrets stay masked. By default the setting."
    )
    concurrency: Concurrency | None = Field(None, description="Keeps executions apart that share a key.")

    @property
    def title(self) -> str:
        return self.name or self.id

    def canonical(self) -> str:
        """The definition as JSON, without what is at its default: two files that mean the same give the same text."""
        return canonical_json(json.loads(self.model_dump_json(exclude_defaults=True)))

    def version_hash(self) -> str:
        """SHA-256 of the canonical form, in hex."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if problems := list(self._problems()):
            raise PydanticCustomError("definition", "{text}", {"problems": problems, "text": str(problems)})
        return self

    def _problems(self) -> Iterator[Problem]:
        """What is wrong although every field is right by itself."""
        if self.name is not None and not self.name.isprintable():
            yield Problem(("name",), "holds a line break or a control character")
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if not given:
            yield Problem((), "says nothing to do: add run (a list), shell (a text) or python (a function)")
        elif len(given) > 1:
            yield Problem((given[1],), f"cannot stand beside {given[0]}: a workflow of one step has one of them")
        for name, parameter in self.params.items():
            yield from self._parameter_problems(name, parameter)
        yield from self._shared_variables()
        yield from self._run_problems()
        yield from self._env_problems()
        if self.cwd is not None:
            yield from self._template_problems(("cwd",), self.cwd, always=True)
        if self.concurrency is not None:
            yield from self._template_problems(("concurrency", "key"), self.concurrency.key, always=True)
        if self.shell is not None and (match := substitution.IN_SHELL.search(self.shell)):
            variable = substitution.variable_name(match[1])
            yield Problem(("shell",), f'is never substituted; write "${variable}" instead of {match[0]} }}}}')
        if self.python is not None and not FUNCTION.match(self.python):
            yield Problem(("python",), 'must name a function as "package.module:function"')
        if self.interpreter is not None and self.python is None:
            yield Problem(("interpreter",), "is for python only")
        if self.interpreter is not None and "${{" in self.interpreter:
            yield Problem(("interpreter",), "is never substituted")

    def _parameter_problems(self, name: str, parameter: Parameter) -> Iterator[Problem]:
        if not NAME.match(name):
            yield Problem(
                ("params", name), "is not a name: a letter or _, then letters, digits, _ and -, at most 64 in all"
            )
        elif self.python is not None and not name.isidentifier():
            yield Problem(("params", name), "cannot be passed to a Python function: write it without dashes")
        yield from parameter.problems(("params", name))

    def _shared_variables(self) -> Iterator[Problem]:
        variables: defaultdict[str, list[str]] = defaultdict(list)
        for name in self.params:
            variables[substitution.variable_name(name)].append(name)
        for variable, names in variables.items():
            if len(names) > 1:
                yield Problem(("params", names[1]), f"arrives as {variable}, as {names[0]} does: rename one of them")

    def _run_problems(self) -> Iterator[Problem]:
        for index, element in enumerate(self.run or ()):
            path = ("run", index)
            if isinstance(element, list):
                if index == 0:
                    yield Problem(path, "must be a string, not a list: the first element names the program")
                for place, argument in enumerate(element):
                    yield from self._template_problems((*path, place), argument, always=False)
                continue
            if index == 0 and not element:
                yield Problem(path, "is empty: the first element names the program")
            yield from self._template_problems(path, element, always=index == 0)
            # Without a first item the next argument would be taken for the program.
            whole = self.params.get(substitution.whole_reference(element) or "")
            if index == 0 and whole and whole.type == "list" and not whole.min_length:
                yield Problem(path, "names the program by a list that may be empty; give it min_length: 1")

    def _env_problems(self) -> Iterator[Problem]:
        for name, value in self.env.items():
            path = ("env", name)
            if not VARIABLE.match(name):
                yield Problem(path, "is not a variable's name: letters, digits and _, no digit first")
            elif name in SET_BY_OUTLAST or name.startswith("PARAM_"):
                yield Problem(path, "is set by Outlast itself; choose another name")
            yield from self._template_problems(path, value, always=False, secret=True)

    def _template_problems(self, path: Path, template: str, *, always: bool, secret: bool = False) -> Iterator[Problem]:
        """`always`: nothing can be left out here. `secret`: secrets may stand here."""
        try:
            names = substitution.references(template)
        except ValueError as error:
            yield Problem(path, str(error))
            return
        for name in dict.fromkeys(names):
            parameter = self.params.get(name)
            if parameter is None:
                known = f"it has {', '.join(self.params)}" if self.params else "it has none"
                yield Problem(path, f"names the parameter {name}, which this workflow does not declare ({known})")
            elif parameter.secret and not secret:
                yield Problem(path, f"would show the secret {name} to other processes and the history; pass it in env")
            elif always and not parameter.always_there:
                yield Problem(path, f"needs {name}, which may be missing; make it required or give it a default")
