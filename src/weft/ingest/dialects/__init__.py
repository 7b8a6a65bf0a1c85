"""Dialects: tables from a topic or path to the operation it asks for."""
