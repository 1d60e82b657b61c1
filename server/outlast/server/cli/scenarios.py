"""The three executions of `outlast demo --history`, as another engine would have told them.

Times are seconds: of a scenario before now, of everything in it after the scenario's start.
"""

from typing import NamedTuple

from outlast.kernel.plan import Json
from outlast.kernel.record import RecordedArtifact
from outlast.kernel.status import ExecutionStatus, StepStatus

KIB = 1024


class Act(NamedTuple):
    """A step: when it began and ended, what went in and came out."""

    id: str
    name: str
    status: StepStatus
    began: float | None = None
    ended: float | None = None
    input: Json = None
    output: Json = None
    error: str | None = None


class Made(NamedTuple):
    """An artifact and when it was made."""

    at: float
    artifact: RecordedArtifact


class Scenario(NamedTuple):
    workflow_id: str
    workflow_name: str
    status: ExecutionStatus
    began_before: float
    """Seconds between its start and now."""
    acts: tuple[Act, ...]
    made: tuple[Made, ...]
    ended: float | None
    reason: str | None
    user: str
    agent: str
    customer: str
    trigger: str
    params: dict[str, Json]
    output: Json
    labels: dict[str, str]
    metadata: dict[str, Json]


def made(
    at: float,
    step: str,
    type: str,
    name: str,
    location: str,
    size: int,
    content_type: str,
    metadata: dict[str, Json],
) -> Made:
    return Made(at, RecordedArtifact(type, name, location, 0, step, size, content_type, metadata))


COST_ANALYSIS = Scenario(
    workflow_id="cost_analysis",
    workflow_name="Monthly cloud cost analysis",
    status=ExecutionStatus.COMPLETED,
    began_before=3 * 3600 + 12 * 60,
    ended=906.4,
    reason="all 5 steps completed",
    user="maria.lindqvist",
    agent="cost-analyst",
    customer="Northwind Logistics",
    trigger="schedule",
    params={
        "account": "nw-production",
        "month": "2026-10",
        "currency": "EUR",
        "minimum_saving": 250.0,
        "include_reserved": True,
        "services": ["compute", "storage", "database", "network"],
    },
    output={
        "total_cost": 48211.37,
        "currency": "EUR",
        "change_to_previous_month": 0.083,
        "recommendations": 7,
        "possible_saving": 6140.0,
    },
    labels={"team": "finops", "environment": "production"},
    metadata={"engine": "cloud-workflows", "region": "eu-central-1", "billing_export": "2026-10-31"},
    acts=(
        Act(
            "collect",
            "Collect billing data",
            StepStatus.COMPLETED,
            0.0,
            211.8,
            {"source": "billing export", "month": "2026-10"},
            {"line_items": 1284051, "services": 4, "missing_days": 0},
        ),
        Act(
            "normalize",
            "Normalize prices and currencies",
            StepStatus.COMPLETED,
            212.0,
            344.6,
            {"currency": "EUR", "rate_date": "2026-10-31"},
            {"converted": 311208, "rounding_difference": 0.04},
        ),
        Act(
            "allocate",
            "Allocate cost to teams",
            StepStatus.COMPLETED,
            344.8,
            521.3,
            {"by": "cost_center", "untagged": "shared"},
            {"teams": 11, "untagged_share": 0.036},
        ),
        Act(
            "find-savings",
            "Find idle and oversized resources",
            StepStatus.COMPLETED,
            521.5,
            802.9,
            {"idle_below_cpu": 0.05, "days": 30},
            {"idle": 14, "oversized": 23, "unattached_disks": 41},
        ),
        Act(
            "report",
            "Write the report",
            StepStatus.COMPLETED,
            803.1,
            906.4,
            {"minimum_saving": 250.0},
            {"recommendations": 7, "possible_saving": 6140.0},
        ),
    ),
    made=(
        made(
            897.2,
            "report",
            "report",
            "cost-report-2026-10.pdf",
            "s3://nw-finops/reports/2026-10/cost-report-2026-10.pdf",
            412 * KIB,
            "application/pdf",
            {"pages": 18},
        ),
        made(
            899.0,
            "report",
            "chart",
            "cost-by-team-2026-10.svg",
            "s3://nw-finops/reports/2026-10/cost-by-team-2026-10.svg",
            61 * KIB,
            "image/svg+xml",
            {"series": 11},
        ),
        made(
            905.8,
            "find-savings",
            "config",
            "rightsizing-2026-10.yaml",
            "s3://nw-finops/reports/2026-10/rightsizing-2026-10.yaml",
            9 * KIB,
            "application/yaml",
            {"changes": 23, "reviewed": False},
        ),
    ),
)

PERFORMANCE_TUNING = Scenario(
    workflow_id="performance_tuning",
    workflow_name="Database performance tuning",
    status=ExecutionStatus.RUNNING,
    began_before=11 * 60,
    ended=None,
    reason=None,
    user="joao.ferreira",
    agent="db-tuner",
    customer="Contoso Retail",
    trigger="api",
    params={
        "database": "orders",
        "engine": "postgresql-16",
        "target_p95_ms": 120,
        "rounds": 4,
        "may_restart": False,
    },
    output=None,
    labels={"team": "platform", "environment": "staging"},
    metadata={"engine": "cloud-workflows", "region": "us-east-1", "ticket": "PERF-2291"},
    acts=(
        Act(
            "baseline",
            "Measure the baseline",
            StepStatus.COMPLETED,
            0.0,
            242.7,
            {"workload": "orders-replay", "seconds": 180},
            {"p50_ms": 38.1, "p95_ms": 214.6, "transactions_per_second": 1312.4},
        ),
        Act(
            "analyze",
            "Analyze slow statements",
            StepStatus.COMPLETED,
            243.0,
            371.2,
            {"slower_than_ms": 50},
            {"statements": 17, "missing_indexes": 3, "share_of_time": 0.81},
        ),
        Act(
            "tune",
            "Try settings and indexes",
            StepStatus.RUNNING,
            371.5,
            None,
            {"rounds": 4, "candidates": ["work_mem", "random_page_cost", "orders_customer_created_idx"]},
        ),
        Act("verify", "Verify under load", StepStatus.PENDING),
    ),
    made=(
        made(
            240.9,
            "baseline",
            "report",
            "baseline-orders.json",
            "s3://contoso-perf/PERF-2291/baseline-orders.json",
            37 * KIB,
            "application/json",
            {"samples": 236232},
        ),
    ),
)

QUALITY_CHECK = Scenario(
    workflow_id="quality_check",
    workflow_name="Data quality check",
    status=ExecutionStatus.FAILED,
    began_before=52 * 60,
    ended=388.5,
    reason="validate: 4.7 % of customer_email is null, above the threshold of 1.0 %",
    user="aiko.tanaka",
    agent="data-guardian",
    customer="Fabrikam Health",
    trigger="event",
    params={
        "dataset": "warehouse.customers",
        "partition": "2026-11-19",
        "max_null_share": 0.01,
        "max_duplicates": 0,
        "fail_fast": False,
    },
    output={"rules": 42, "passed": 41, "breached": ["customer_email.null_share"]},
    labels={"team": "data", "environment": "production"},
    metadata={"engine": "cloud-workflows", "region": "eu-west-1", "triggered_by": "partition 2026-11-19 arrived"},
    acts=(
        Act(
            "load",
            "Load the partition",
            StepStatus.COMPLETED,
            0.0,
            96.3,
            {"dataset": "warehouse.customers", "partition": "2026-11-19"},
            {"rows": 2190417, "columns": 63},
        ),
        Act(
            "profile",
            "Profile the columns",
            StepStatus.COMPLETED,
            96.5,
            281.0,
            {"sample": 1.0},
            {"numeric": 21, "text": 37, "dates": 5},
        ),
        Act(
            "validate",
            "Validate against the rules",
            StepStatus.FAILED,
            281.2,
            388.1,
            {"rules": 42, "max_null_share": 0.01},
            {"passed": 41, "failed": 1, "null_share": {"customer_email": 0.047}},
            "threshold breached: null share of customer_email is 0.047 (102,949 of 2,190,417 rows), at most 0.010 is "
            "allowed; the first such row was loaded by import job crm-sync-3318",
        ),
    ),
    made=(
        made(
            280.4,
            "profile",
            "dataset",
            "profile-2026-11-19.parquet",
            "s3://fabrikam-dq/customers/2026-11-19/profile.parquet",
            884 * KIB,
            "application/vnd.apache.parquet",
            {"columns": 63},
        ),
        made(
            387.6,
            "validate",
            "report",
            "quality-report-2026-11-19.html",
            "s3://fabrikam-dq/customers/2026-11-19/quality-report.html",
            146 * KIB,
            "text/html",
            {"rules": 42, "breached": 1},
        ),
    ),
)

SCENARIOS = (COST_ANALYSIS, QUALITY_CHECK, PERFORMANCE_TUNING)
"""The earliest first, so that history tells them in the order in which they began."""
