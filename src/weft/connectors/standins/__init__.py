"""Stand-ins for business systems: one small far side for each kind of connector."""
