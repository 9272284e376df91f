from __future__ import annotations

import pytest
import sympy

from hognose_packs.sympy import evaluate, free_symbols, parse_implicit, solve_implicit, to_latex

x = sympy.Symbol("x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2x", 2 * x),
        ("x^2 - 2x + 1", x**2 - 2 * x + 1),
        ("3(x + 1)(x - 1)", 3 * (x + 1) * (x - 1)),
        ("sin 3x", sympy.sin(3 * x)),
        ("sin^2 x", sympy.sin(x) ** 2),
        ("3!", sympy.Integer(6)),
        ("2 pi", 2 * sympy.pi),
        ("sqrt(x) / 2.5", sympy.sqrt(x) / 2.5),
        ("e^x", sympy.Symbol("e") ** x),
    ],
)
def test_reads_what_people_write(text: str, expected: sympy.Expr) -> None:
    assert parse_implicit(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "(1).__class__",
        "x.subs(x, 1)",
        "(x).free_symbols",
        "[1, 2]",
        "lambda: 1",
        "open('x')",
        "x; y",
        "`x`",
        "x = 1",
        "x²",
        "½",
        "1.1.1",
        "x1.real",
    ],
)
def test_refuses_what_is_no_formula_and_names_the_place(text: str) -> None:
    with pytest.raises(ValueError, match=r"position \d+, which no formula has"):
        parse_implicit(text)


@pytest.mark.parametrize("text", ["open", "test", "preview", "exec", "eval", "source", "init_session"])
def test_takes_the_names_of_other_functions_for_symbols(text: str) -> None:
    assert parse_implicit(text) == sympy.Symbol(text)


@pytest.mark.parametrize("text", ["", "   ", "x +", "((x)", "*"])
def test_says_when_a_formula_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"formula (is empty|cannot be read)"):
        parse_implicit(text)


def test_solves_an_equation_of_two_sides_or_one() -> None:
    assert solve_implicit("x^2 = 2x + 3", "x") == [-1, 3]
    assert solve_implicit("x^2 - 4", "x") == [-2, 2]
    assert solve_implicit("x = x + 1", "x") == []


def test_refuses_an_unknown_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="'y' does not stand in '2x = 4', which has x"):
        solve_implicit("2x = 4", "y")
    with pytest.raises(ValueError, match="holds for every x"):
        solve_implicit("2x = x + x", "x")


def test_evaluates_with_a_value_for_each_name() -> None:
    assert evaluate(parse_implicit("2x + y"), {"x": 1.5, "y": 1}) == 4.0
    with pytest.raises(ValueError, match="no value is given for y"):
        evaluate(parse_implicit("2x + y"), {"x": 1.5})
    for value in ("__import__('os').abort()", True, None, sympy.Symbol("y")):
        with pytest.raises(ValueError, match=r"the value of x is a .* and no number"):
            evaluate(parse_implicit("2x"), {"x": value})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="no real number"):
        evaluate(parse_implicit("sqrt(0 - 1)"))


def test_tells_names_and_latex() -> None:
    assert free_symbols(parse_implicit("b + 2a")) == ["a", "b"]
    assert to_latex(parse_implicit("x^2")) == "x^{2}"
