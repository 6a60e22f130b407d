"""Experiments: published figures and bars of our own, measured with the real peers (docs/experiments.md)."""
