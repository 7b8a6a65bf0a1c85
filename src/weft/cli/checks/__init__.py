"""What `weft doctor` looks at: each check gives findings, and none of them changes anything."""
