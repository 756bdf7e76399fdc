"""Engagement counters as Dagster assets: exact, priced by the change, visible."""
