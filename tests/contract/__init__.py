"""Providers' published contracts: loading them, and checking requests, answers and objects against them."""
