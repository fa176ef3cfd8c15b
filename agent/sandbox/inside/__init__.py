"""Modules that run inside the sandbox; they import the standard library and each other only."""
