"""The tests of Weft; a package, since some library installs one of this name too."""
