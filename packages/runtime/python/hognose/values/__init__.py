"""What travels between Python and JavaScript, and how; docs/values.md has the rules."""

from hognose.values.registry import register_codec

__all__ = ["register_codec"]
