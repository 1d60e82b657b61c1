"""Workflows as plain JSON values and as the compact text that an agent reads."""

from collections.abc import Mapping, Sequence

from outlast.definitions.discovery import Catalogue, Found, Skipped
from outlast.definitions.model import WorkflowDefinition
from outlast.definitions.parameter import Parameter
from outlast.definitions.values import show
from outlast.kernel.plan import Json
from outlast.storage.records import Summary
from outlast.tools.expectations import Expectation
from outlast.tools.readable import visible
from outlast.tools.texts import joined, next_calls, usual_words
from outlast.tools.views import View, summary_view

MAX_SUMMARY = 120
"""Characters of a description in a listing."""
MAX_REASON = 300
"""Characters of why a file was skipped."""

LIMITS = ("enum", "min", "max", "min_length", "max_length", "pattern")


def signature(definition: WorkflowDefinition) -> str:
    """The parameters in one line: `target: string, token?: string`."""
    return ", ".join(
        f"{name}{'' if parameter.must_be_given else '?'}: {'secret' if parameter.secret else parameter.type}"
        for name, parameter in definition.params.items()
    )


def listed_view(found: Found, latest: Summary | None) -> View:
    """A workflow in a listing."""
    definition = found.definition
    return {
        "workflow_id": definition.id,
        "name": definition.title,
        "status": definition.status,
        "description": summary_of(definition),
        "params": signature(definition),
        "last_status": None if latest is None else latest.status,
        "last_number": None if latest is None else latest.number,
    }


def summary_of(definition: WorkflowDefinition) -> str:
    """The first line of the description, or less."""
    line = definition.description.strip().split("\n")[0]
    return line if len(line) <= MAX_SUMMARY else line[: MAX_SUMMARY - 1] + "…"


def skipped_view(skipped: Skipped) -> View:
    """A file that is no workflow, and why."""
    return {"path": str(skipped.path), "reason": skipped.reason[:MAX_REASON]}


def workflow_view(found: Found, latest: Summary | None, expected: Expectation | None) -> View:
    """Everything about one workflow that whoever starts it wants to know."""
    definition = found.definition
    return {
        "workflow_id": definition.id,
        "name": definition.title,
        "status": definition.status,
        "description": definition.description,
        "type": definition.type,
        "labels": dict(definition.labels),
        "params": {name: parameter_view(parameter) for name, parameter in definition.params.items()},
        "timeout_seconds": definition.timeout,
        "version": definition.version_hash(),
        "path": None if found.path is None else str(found.path),
        "runs": None if expected is None else expected.runs,
        "success_percent": None if expected is None else expected.percent,
        "usual_seconds": None if expected is None or expected.usual is None else expected.usual / 1_000_000,
        "last_execution": None if latest is None else summary_view(latest),
    }


def parameter_view(parameter: Parameter) -> View:
    """A parameter's type and limits; what it does not have is left out."""
    view: dict[str, Json] = {"type": parameter.type, "required": parameter.must_be_given}
    if parameter.description:
        view["description"] = parameter.description
    if parameter.secret:
        view["secret"] = True
    if parameter.default is not None:
        view["default"] = parameter.default
    for name in LIMITS:
        limit: Json = getattr(parameter, name)
        if limit is not None:
            view[name] = limit
    return view


def listing_text(catalogue: Catalogue, shown: Sequence[Found], latest: Mapping[str, Summary | None]) -> str:
    """A line for each workflow that is `shown`, or where workflows could be."""
    if not catalogue.workflows:
        places = ", ".join(map(str, catalogue.directories)) or "no directory"
        return joined(
            [
                f"There are no workflows yet in {places}. A person puts some there: "
                "`outlast demo` or `outlast workflows new ID`.",
                skipped_line(catalogue),
            ]
        )
    rows = [workflow_line(found, latest[found.definition.id]) for found in shown]
    return joined([*rows, skipped_line(catalogue), next_calls("list_workflows(ID)", "execute_workflow(ID, params)")])


def workflow_line(found: Found, latest: Summary | None) -> str:
    definition = found.definition
    draft = " [draft: only people start it]" if definition.status == "draft" else ""
    last = "" if latest is None else f" · last {latest.status} (#{latest.number})"
    summary = summary_of(definition)
    return visible(f"{definition.id}({signature(definition)}){draft}{f' · {summary}' if summary else ''}{last}")


def skipped_line(catalogue: Catalogue) -> str | None:
    count = len(catalogue.skipped)
    if not count:
        return None
    files = "1 file was skipped" if count == 1 else f"{count} files were skipped"
    return f"{files}; `outlast workflows list` says why."


def workflow_text(found: Found, latest: Summary | None, expected: Expectation | None) -> str:
    """One workflow with a line for each parameter."""
    definition = found.definition
    title = "" if definition.title == definition.id else f" · {definition.title}"
    last = None if latest is None else f"last: #{latest.number} {latest.status}"
    params = [f"  {name}: {parameter_words(parameter)}" for name, parameter in definition.params.items()]
    given = ", ".join(f"{name}: …" for name, parameter in definition.params.items() if parameter.must_be_given)
    call = f'execute_workflow("{definition.id}"{f", params={{{given}}}" if given else ""})'
    return joined(
        [
            visible(f"{definition.id}{title} · {definition.status}"),
            definition.description.strip() or None,
            "parameters:" if params else "It takes no parameters.",
            *params,
            None if expected is None else f"{usual_words(expected)}.",
            last,
            next_calls(call) if definition.status == "active" else "A draft: only people start it.",
        ]
    )


def parameter_words(parameter: Parameter) -> str:
    """`string, required, one of "a", "b": What it means`"""
    words = ["secret" if parameter.secret else parameter.type]
    if parameter.must_be_given:
        words.append("required")
    if parameter.default is not None:
        words.append(f"default {show(parameter.default)}")
    if parameter.enum:
        words.append("one of " + ", ".join(show(value) for value in parameter.enum))
    if parameter.min is not None or parameter.max is not None:
        words.append(range_words(parameter.min, parameter.max))
    if parameter.min_length is not None or parameter.max_length is not None:
        unit = "items" if parameter.type == "list" else "characters"
        words.append(f"{range_words(parameter.min_length, parameter.max_length)} {unit}")
    if parameter.pattern is not None:
        words.append(f"matching {parameter.pattern}")
    text = ", ".join(words)
    return visible(f"{text}: {parameter.description}" if parameter.description else text)


def range_words(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
