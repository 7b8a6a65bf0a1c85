"""Records and the journal in SQLite files: WAL, `synchronous=FULL`, one writer thread."""
