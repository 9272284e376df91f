"""SymPy without ceremony: formulas as people write them, and answers as text or numbers.

`parse_implicit` reads `2x`, `x^2`, `sin 3x` and `3!`. What it reads may come from a user: names stand for symbols,
constants and functions of mathematics alone, and nothing in the text can reach another part of Python. A formula can
still be expensive to evaluate (`9^9^9`): give such calls a timeout.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import sympy
from sympy.core.function import FunctionClass
from sympy.parsing.sympy_parser import (
    auto_number,
    auto_symbol,
    convert_xor,
    factorial_notation,
    function_exponentiation,
    implicit_application,
    implicit_multiplication,
    parse_expr,
    repeated_decimals,
)

__all__ = ["evaluate", "free_symbols", "parse_implicit", "solve_implicit", "to_latex"]

_MAX_LENGTH: Final = 10_000
_TRANSFORMATIONS: Final = (
    auto_symbol,
    repeated_decimals,
    auto_number,
    factorial_notation,
    convert_xor,
    implicit_multiplication,
    implicit_application,
    function_exponentiation,
)
#: What may stand in a formula. No quotes, brackets or colons: nothing that could make a string, index or lambda.
_ALLOWED: Final = re.compile(r"(?:[^\W\d]|[0-9\s.,+\-*/^!()])*")
#: A dot that is no decimal point would read an attribute; two underscores begin the names that Python keeps for itself.
_FORBIDDEN: Final = re.compile(r"__|\.\s*[^\W\d]|[^\W\d]\s*\.|\)\s*\.|\d*\.\d*\.")
_CONSTANTS: Final = ("pi", "E", "I", "oo", "zoo", "nan", "GoldenRatio", "EulerGamma", "Catalan")
_FUNCTIONS: Final = ("sqrt", "cbrt", "root", "Abs", "ln")
#: What the parser's own transformations write into the source.
_CONSTRUCTORS: Final = ("Symbol", "Integer", "Float", "Rational", "Function")


def parse_implicit(text: str) -> sympy.Expr:
    """Reads a formula in the notation that people use.

    Multiplication may be left out (`2x`, `3(a + b)`), `^` is a power, `sin x` needs no parentheses, and
    `n!` is a factorial.

    Args:
        text: The formula, such as `x^2 - 2x + 1`.

    Returns:
        The expression, with a symbol for every name that is neither a constant nor a function.

    Raises:
        ValueError: When the text is no formula, with the place where reading it failed as far as that is known.
    """
    return _parse(text, "a formula")


def solve_implicit(equation: str, unknown: str) -> list[sympy.Expr]:
    """Solves an equation for one unknown.

    Args:
        equation: Two sides, such as `x^2 = 2x + 3`; without `=` the other side is 0.
        unknown: The name to solve for.

    Returns:
        The solutions; empty where there is none.

    Raises:
        ValueError: When the equation is none, when the unknown does not stand in it, or when every value solves it.
    """
    left, equals, right = equation.partition("=")
    sides = [_parse(left, "the left side"), _parse(right, "the right side") if equals else sympy.Integer(0)]
    names = sorted({name for side in sides for name in free_symbols(side)})
    if unknown not in names:
        raise ValueError(
            f"{unknown!r} does not stand in {equation!r}, which has {', '.join(names) or 'no name at all'}"
        )
    difference = sympy.simplify(sides[0] - sides[1])
    if difference == 0:
        raise ValueError(f"{equation!r} holds for every {unknown}")
    solutions: list[sympy.Expr] = sympy.solve(difference, sympy.Symbol(unknown))
    return solutions


def evaluate(expression: sympy.Expr, values: Mapping[str, float] | None = None) -> float:
    """The value of an expression as a number.

    Args:
        expression: What `parse_implicit` returned, or any expression of SymPy.
        values: A number for each name in it.

    Raises:
        ValueError: When a name has no value or one that is no number, or when the result is no real number.
    """
    given = {name: _number(name, value) for name, value in (values or {}).items()}
    missing = [name for name in free_symbols(expression) if name not in given]
    if missing:
        raise ValueError(f"no value is given for {', '.join(missing)}")
    result = expression.subs({symbol: given[str(symbol)] for symbol in expression.free_symbols}).evalf()
    if not result.is_number or result.is_extended_real is False:
        raise ValueError(f"{expression} is {result}, which is no real number")
    return float(result)


def free_symbols(expression: sympy.Expr) -> list[str]:
    """The names that stand in an expression, in alphabetical order."""
    return sorted(str(symbol) for symbol in expression.free_symbols)


def to_latex(expression: sympy.Expr) -> str:
    """The expression in LaTeX, such as `x^{2} + 2 x`."""
    text: str = sympy.latex(expression)
    return text


def _number(name: str, value: object) -> sympy.Expr:
    """A value as a number of SymPy. Anything else SymPy would read as source, and run it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"the value of {name} is a {type(value).__name__} and no number")
    number: sympy.Expr = sympy.Integer(value) if isinstance(value, int) else sympy.Float(value)
    return number


def _parse(text: str, what: str) -> sympy.Expr:
    if not text.strip():
        raise ValueError(f"{what} is empty")
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"{what} is {len(text)} characters long, and at most {_MAX_LENGTH} are read")
    end = re.match(_ALLOWED, text)
    allowed = end.end() if end else 0
    if allowed < len(text):
        raise ValueError(f"{what} has {text[allowed]!r} at position {allowed + 1}, which no formula has: {text!r}")
    # Superscripts and number signs of other scripts would become a part of a name unnoticed.
    sign = next((at for at, character in enumerate(text) if character.isnumeric() and not character.isascii()), None)
    if sign is not None:
        raise ValueError(f"{what} has {text[sign]!r} at position {sign + 1}, which no formula has: {text!r}")
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        raise ValueError(
            f"{what} has {forbidden[0]!r} at position {forbidden.start() + 1}, which no formula has: {text!r}"
        )
    try:
        expression = parse_expr(text, local_dict={}, global_dict=_names(), transformations=_TRANSFORMATIONS)
    except Exception as error:
        raise ValueError(f"{what} cannot be read: {text!r} ({type(error).__name__}: {error})") from error
    if not isinstance(expression, sympy.Expr):
        raise ValueError(f"{what} reads as {expression!r}, which is no expression: {text!r}")
    return expression


def _names() -> dict[str, Any]:
    """The names of mathematics: nothing that opens, runs or prints something."""
    names: dict[str, Any] = {"__builtins__": {}, "max": sympy.Max, "min": sympy.Min}
    for name, value in vars(sympy).items():
        if isinstance(value, FunctionClass):
            names[name] = value
    for name in (*_CONSTANTS, *_FUNCTIONS, *_CONSTRUCTORS):
        names[name] = getattr(sympy, name)
    return names
