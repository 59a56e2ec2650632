"""Structural equation models."""
