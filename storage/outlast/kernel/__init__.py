"""The rules of Outlast that every process shares: states, file formats, locks and every write to the store.

Standard library only, and nothing slow to import: each execution's supervisor starts from it.
"""
