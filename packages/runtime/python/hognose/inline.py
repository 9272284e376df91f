"""Inline Python: the texts of a template become the body of a function whose parameters are its placeholders."""

from __future__ import annotations

import ast
import builtins
import inspect
import types
from typing import Any, Final

__all__ = ["Block", "compile_block", "find_block", "keep_block"]

_FUNCTION_NAME: Final = "<inline>"


class Block:
    """A compiled block: called with a value for each placeholder.

    Args:
        code: Of the function that the block is the body of.
    """

    __slots__ = ("_code",)

    def __init__(self, code: types.CodeType) -> None:
        self._code = code

    def __call__(self, *arguments: object) -> Any:
        """Runs the block, or makes its coroutine."""
        # A namespace of its own for every call: nothing that one block defines is seen by another.
        return types.FunctionType(self._code, {"__builtins__": builtins, "__name__": "__inline__"})(*arguments)

    @property
    def is_async(self) -> bool:
        """Whether a call makes a coroutine, or an asynchronous generator."""
        return bool(self._code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR))


_blocks: dict[str, Block] = {}


def find_block(block_hash: str) -> Block | None:
    """A block that this worker has compiled before."""
    return _blocks.get(block_hash)


def keep_block(block_hash: str, block: Block) -> None:
    """Keeps a compiled block under its hash."""
    _blocks[block_hash] = block


def compile_block(parts: list[str], file: str, line: int) -> Block:
    """Compiles a template to a function of one positional parameter per placeholder.

    The texts are dedented together; `return` and `await` may stand at the top level, and where the last statement is
    an expression its value is returned. Tracebacks name `file` and the lines of the template in it.

    Args:
        parts: The texts between the placeholders, one more than there are placeholders.
        file: The file that the template stands in.
        line: The line of `file` on which the first text begins, from 1.

    Raises:
        SyntaxError: In Python's own words, with the line of `file`; also for a placeholder inside a string or comment.
    """
    joined = "".join(parts)
    prefix = "_v"  # never two underscores in front: Python renames such a name inside of a class
    while f"{prefix}0" in joined:
        prefix += "v"
    names = [f"{prefix}{index}" for index in range(len(parts) - 1)]
    source = parts[0] + "".join(name + part for name, part in zip(names, parts[1:], strict=True))
    body, indent = _dedent(source)
    try:
        tree = ast.parse(body, file)
    except SyntaxError as error:
        raise _moved(error, line, indent) from None
    _refuse_hidden_placeholders(tree, names, file, line)
    function = _function(tree, names)
    module = ast.fix_missing_locations(ast.Module([function], []))
    for node in ast.walk(module):
        if isinstance(node, (ast.stmt, ast.expr, ast.excepthandler, ast.arg, ast.keyword, ast.alias)):
            node.lineno += line - 1
            node.end_lineno = (node.end_lineno or node.lineno) + line - 1
            node.col_offset += indent
            node.end_col_offset = (node.end_col_offset or 0) + indent
    try:
        code = compile(module, file, "exec", dont_inherit=True)
    except SyntaxError as error:  # such as `break` outside a loop
        raise _moved(error, 1, 0) from None
    return Block(next(const for const in code.co_consts if isinstance(const, types.CodeType)))


def _dedent(source: str) -> tuple[str, int]:
    """The text without its common indentation, and that indentation; the number of lines stays."""
    lines = source.split("\n")
    # The first line stands behind the opening backtick: it has no indentation of its own unless it is the only one.
    rest = [text for text in lines[1:] if text.strip()]
    indent = min((len(text) - len(text.lstrip(" \t")) for text in rest), default=0)
    dedented = [text[indent:] if text[:indent].strip() == "" else text for text in lines[1:]]
    return "\n".join([lines[0].lstrip(" \t"), *dedented]), indent


def _moved(error: SyntaxError, line: int, indent: int) -> SyntaxError:
    """The error with its position in the template's file."""
    first = error.lineno or 1
    offset = (error.offset or 0) + (indent if first > 1 else 0)
    return SyntaxError(error.msg, (error.filename, first + line - 1, offset, error.text))


def _refuse_hidden_placeholders(tree: ast.Module, names: list[str], file: str, line: int) -> None:
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    for index, name in enumerate(names):
        if name not in used:
            raise SyntaxError(
                f"placeholder {index + 1} stands in a string or a comment, or where no value can stand: values are "
                "bound, never spliced into the source (in a string, bind a name first and use an f-string)",
                (file, line, 1, None),
            )


def _function(tree: ast.Module, names: list[str]) -> ast.FunctionDef | ast.AsyncFunctionDef:
    body: list[ast.stmt] = tree.body or [ast.Pass()]
    last = body[-1]
    if isinstance(last, ast.Expr):
        body[-1] = ast.copy_location(ast.Return(last.value), last)
    template = ast.parse("async def f(): pass" if _awaits(body) else "def f(): pass").body[0]
    assert isinstance(template, (ast.FunctionDef, ast.AsyncFunctionDef))
    template.name = _FUNCTION_NAME
    template.args.posonlyargs = [ast.arg(name) for name in names]
    template.body = body
    return template


def _awaits(body: list[ast.stmt]) -> bool:
    """Whether there is an `await` outside of nested functions."""
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith)):
            return True
        if isinstance(node, ast.comprehension) and node.is_async:
            return True
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))
    return False
