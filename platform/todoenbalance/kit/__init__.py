"""The floor that every area stands on: no domain words, imports nothing of ours."""
