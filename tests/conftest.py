"""What holds for all tests: a busy machine is no fault of the code that it tests."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "weft",
    parent=settings(),  # the one of CI, where CI is set: the same examples each time
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("weft")
