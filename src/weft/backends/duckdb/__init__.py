"""History in one DuckDB file: columns, compressed, asked in SQL."""
