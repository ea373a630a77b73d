"""Tests of the embedded stack: real servers, real processes, real signals."""
