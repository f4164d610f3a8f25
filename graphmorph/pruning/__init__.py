"""Approximate removal of channels: chosen by a criterion and a budget, proven against a mask, and measured."""
