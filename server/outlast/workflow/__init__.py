"""What runs inside a Python workflow's own interpreter. Standard library only; Python 3.9 and newer."""
