"""The function that every peer serves."""


def add(a: int, b: int) -> int:
    """Adds."""
    return a + b
