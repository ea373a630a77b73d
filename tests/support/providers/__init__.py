"""Providers on this machine: real HTTP servers that answer as the providers' contracts say, for the real SDKs."""
