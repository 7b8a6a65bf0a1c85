"""The past: rules run over what was, compared with what live did; nothing is sent."""
