"""The practice's staff: API and pages over the services below; owns no tables."""
