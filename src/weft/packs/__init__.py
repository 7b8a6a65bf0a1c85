"""Packs: types, assets, rules, what is computed, devices and samples for one use, in one order."""
