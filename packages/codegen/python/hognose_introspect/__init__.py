"""Describes the public names of Python modules as a versioned intermediate representation in JSON.

It runs in the user's own interpreter, needs nothing but the standard library and never writes to standard output,
since the libraries that it imports do.
"""

IR_VERSION = 1

__all__ = ["IR_VERSION"]
