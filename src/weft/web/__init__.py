"""Pages for people: static files, served beside the API and a client of it like any other."""
