"""Payload formats: bytes to plain values and back, as pure functions without a device type.

What a payload holds is checked here for form alone: size, nesting, counts, and that nothing
surprising is built. Whether the values are those of the device's type is the gate's to say.
"""
