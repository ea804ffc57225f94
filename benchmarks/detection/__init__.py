"""Simulated meshes with labelled faults, and how well they are found: docs/quality.md."""
