from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

from hognose_introspect.members import public_names

MakeModule = Callable[..., ModuleType]


def test_all_says_what_is_public(make_module: MakeModule) -> None:
    module = make_module("__all__ = ['b', '_a', 'b', 3, '__version__']\n_a = b = c = 1")
    assert public_names(module) == ["__version__", "_a", "b"]


def test_an_all_that_raises_is_as_if_it_were_not_there(make_module: MakeModule) -> None:
    module = make_module("__all__ = 3\na = 1")
    assert public_names(module) == ["a"]


def test_a_module_offers_what_it_defines_and_not_what_it_imports(make_module: MakeModule) -> None:
    module = make_module(
        """
        from __future__ import annotations
        import os, json as j
        import math as math
        from math import sqrt, cos as cosine, pi
        from math import floor as floor
        from typing import TYPE_CHECKING
        from collections import *
        try:
            from zlib import crc32
        except ImportError:
            crc32 = None
        if True:
            defined = 1
        def f(): ...
        class C: ...
        root = sqrt
        a, (b, _c) = 1, (2, 3)
        annotated: int = 4
        _private = 5
        """
    )
    assert public_names(module) == ["C", "a", "annotated", "b", "defined", "f", "floor", "root"]


def test_a_package_offers_also_what_its_submodules_define(make_module: MakeModule) -> None:
    module = make_module(
        "from .inner import f, C, sqrt\nfrom .inner import *\nfrom os import path\nimport json",
        submodules={"inner": "from math import sqrt\ndef f(): ...\ndef g(): ...\nclass C: ..."},
    )
    # `sqrt` too: the package names it, and only its own name tells where it is from.
    assert public_names(module) == ["C", "f", "g", "sqrt"]


def test_a_submodule_does_not_offer_what_it_imports_from_its_sibling(make_module: MakeModule) -> None:
    module = make_module(
        "from . import user", submodules={"inner": "def f(): ...", "user": "from .inner import f\ndef g(): ..."}
    )
    assert public_names(module.user) == ["g"]


def test_a_module_without_source_offers_what_is_its_own() -> None:
    names = public_names(math)
    assert {"sqrt", "pi", "inf"} <= set(names)
    assert not any(name.startswith("_") for name in names)
