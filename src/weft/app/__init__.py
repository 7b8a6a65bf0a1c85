"""The frame: opens what is kept, puts the stations together, starts and stops them in order."""
