"""The one door in: who, may, decode, check, batch; then the journal and its projections."""
