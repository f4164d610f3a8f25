"""Lowering rules, one file a family; every module in this folder is imported and registers its rules."""
