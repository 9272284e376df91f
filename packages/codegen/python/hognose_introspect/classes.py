"""Classes with their own and inherited public members."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Mapping
from typing import Literal

from .annotations import describe_annotation
from .ir import NO_SLOT, ClassIr, MethodIr, PropertyIr, SkippedIr, Slot
from .signatures import describe_constructor, describe_signature
from .text import method_doc, own_doc, scrub

Binding = Literal["instance", "class", "static"]

_INSTANCE_METHODS = (
    types.FunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    functools.partialmethod,
    functools.singledispatchmethod,
)
_DATA_DESCRIPTORS = (types.GetSetDescriptorType, types.MemberDescriptorType)


def describe_class(name: str, cls: type, skipped: list[SkippedIr]) -> ClassIr:
    """Describes a class under the name by which its module offers it.

    Args:
        name: The public name.
        cls: The class.
        skipped: Gets what is left out, with the reason.
    """
    methods: list[MethodIr] = []
    properties: dict[str, PropertyIr] = {}
    left_out: dict[str, str] = {}
    for member, raw in sorted(_public_members(cls).items()):
        try:
            described = _describe_member(cls, member, raw)
        except Exception as error:
            left_out[member] = scrub(f"{type(error).__name__}: {error}")
            continue
        if described is None:
            left_out[member] = "nested class" if isinstance(raw, type) else "class attribute"
        elif described["kind"] == "method":
            methods.append(described)
        else:
            properties[member] = described
    taken = {method["name"] for method in methods}
    for field, slot in _annotated_fields(cls).items():
        known = properties.get(field)
        if known is not None and known["slot"]["source"] == "none":
            known["slot"] = slot
        elif known is None and field not in taken:
            properties[field] = {"kind": "property", "name": field, "slot": slot, "doc": None}
    skipped.extend(
        {"name": f"{name}.{member}", "reason": reason}
        for member, reason in left_out.items()
        if member not in properties
    )
    return {
        "kind": "class",
        "name": name,
        "qualifiedName": qualified_name(cls),
        "doc": own_doc(cls),
        "signature": describe_constructor(cls),
        "methods": methods,
        "properties": [properties[field] for field in sorted(properties)],
    }


def qualified_name(cls: type) -> str:
    """Module and dotted name, as the worker reports it for a handle."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _public_members(cls: type) -> dict[str, object]:
    """Raw members by name, as the MRO resolves them, without ``object``'s."""
    members: dict[str, object] = {}
    for base in reversed(cls.__mro__):
        if base is not object:
            members.update(base.__dict__)
    return {name: raw for name, raw in members.items() if name.isidentifier() and not name.startswith("_")}


def _describe_member(cls: type, name: str, raw: object) -> MethodIr | PropertyIr | None:
    if isinstance(raw, (property, functools.cached_property)):
        return _property(cls, name, raw)
    if isinstance(raw, types.DynamicClassAttribute):
        # `name` and `value` of an enum's members: on the class itself they raise.
        return _plain_property(name, method_doc(raw))
    if isinstance(raw, _DATA_DESCRIPTORS):
        return _plain_property(name, method_doc(raw))
    if isinstance(raw, type):
        return None
    if isinstance(raw, staticmethod):
        return _method(cls, name, getattr(cls, name), "static")
    if isinstance(raw, (classmethod, types.ClassMethodDescriptorType)):
        return _method(cls, name, getattr(cls, name), "class")
    if isinstance(raw, types.BuiltinFunctionType):
        return _method(cls, name, raw, "static")
    if isinstance(raw, _INSTANCE_METHODS):
        return _method(cls, name, getattr(cls, name), "instance")
    if hasattr(type(raw), "__get__"):
        # A descriptor of the library's own: what it gives for the class says what it is.
        value = getattr(cls, name)
        if inspect.isroutine(value):
            bound_to_class = getattr(value, "__self__", None) is cls
            return _method(cls, name, value, "class" if bound_to_class else "instance")
        return _plain_property(name, None)
    return None


def _method(cls: type, name: str, function: object, binding: Binding) -> MethodIr:
    skip_first = binding == "instance"
    return {
        "kind": "method",
        "name": name,
        "binding": binding,
        "signature": describe_signature(function, skip_first=skip_first, namespace=_class_names(cls)),
        "doc": method_doc(function),
    }


def _property(cls: type, name: str, raw: property | functools.cached_property[object]) -> PropertyIr:
    getter = raw.fget if isinstance(raw, property) else raw.func
    signature = describe_signature(getter, skip_first=True, namespace=_class_names(cls)) if getter else None
    return {
        "kind": "property",
        "name": name,
        "slot": signature["result"] if signature else NO_SLOT,
        "doc": method_doc(raw),
    }


def _plain_property(name: str, doc: str | None) -> PropertyIr:
    return {"kind": "property", "name": name, "slot": NO_SLOT, "doc": doc}


def _class_names(cls: type) -> Mapping[str, object]:
    """A method's annotations may name the class before its module does."""
    return {cls.__name__: cls}


def _annotated_fields(cls: type) -> dict[str, Slot]:
    """Public annotated fields, as of dataclasses and classes with declared attributes."""
    fields: dict[str, Slot] = {}
    for base in reversed(cls.__mro__):
        module = sys.modules.get(base.__module__)
        names = {**(vars(module) if module else {}), **_class_names(base)}
        for field, annotation in _own_annotations(base).items():
            if field.isidentifier() and not field.startswith("_"):
                fields[field] = describe_annotation(annotation, names)
    return fields


def _own_annotations(cls: type) -> Mapping[str, object]:
    try:
        if sys.version_info >= (3, 14):
            import annotationlib

            return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
        return inspect.get_annotations(cls)
    except Exception:
        return {}
