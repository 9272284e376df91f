"""Derived from proto/hognose/v1/worker.proto by tools/protocol. Do not edit: run `node tools/protocol/generate.mjs`."""
