"""What runs inside a Python workflow's own interpreter. Standard library only; Python 3.9 and newer."""

from outlast.workflow.telling import message, metric, phase, progress

__all__ = ["message", "metric", "phase", "progress"]
