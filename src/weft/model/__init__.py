"""The words of Weft as plain values: frozen, without I/O, the same in every station."""
