"""Many more expressions against the independent CEL than a test run has time for.

Run: python -m tests.rules.language.bulk --count 20000 --seed 7
"""

import argparse

from hypothesis import HealthCheck, given, seed, settings
from tests.rules.language.test_condition import VALUES, bools, compare


def main() -> None:
    """Compare, and say how many; the first that differs is shown in its smallest form."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=7)
    chosen = options.parse_args()
    checks = settings(
        max_examples=chosen.count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    seed(chosen.seed)(checks(given(text=bools(4), values=VALUES)(compare)))()
    print(f"{chosen.count} expressions with values: the same answers (seed {chosen.seed})")


if __name__ == "__main__":
    main()
