-- What history.duckdb holds. No primary key: keeping one took 4 times as long and 8 times the
-- space; duplicates are resolved on reading and when points are settled.

-- One row: how far the journal has been read, and the next number of a series.
CREATE TABLE IF NOT EXISTS state (format INTEGER, position BIGINT, next_series INTEGER);

-- A series is one key of one device; its numbers and its texts are two series.
CREATE TABLE IF NOT EXISTS series (
    id INTEGER, tenant VARCHAR, device VARCHAR, key VARCHAR, is_text BOOLEAN
);

-- New points, in the order in which they came.
CREATE TABLE IF NOT EXISTS recent (
    series INTEGER, at_ns BIGINT, position BIGINT, value DOUBLE
);

-- Sorted runs of points; `position` is that of the run, so it takes next to no space.
CREATE TABLE IF NOT EXISTS settled (
    series INTEGER, at_ns BIGINT, position BIGINT, value DOUBLE
);
CREATE TABLE IF NOT EXISTS runs (
    position BIGINT, points BIGINT, first_at_ns BIGINT, last_at_ns BIGINT
);

-- Values that are no numbers, as JSON.
CREATE TABLE IF NOT EXISTS texts (
    series INTEGER, at_ns BIGINT, position BIGINT, value VARCHAR
);
