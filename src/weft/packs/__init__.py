"""Packs: types, assets, rules, simulated devices and samples for one use, installed at once."""
