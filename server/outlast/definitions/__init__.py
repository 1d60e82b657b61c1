"""Workflow definitions: found, loaded, checked and compiled to the plan of one execution."""
