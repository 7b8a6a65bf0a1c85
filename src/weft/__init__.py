"""Weft: the API layer between devices and business."""
