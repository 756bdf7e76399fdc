"""The Dagster side, made from catalog × pipeline: what runs when, and what a person sees of it.

In the order of a run: `schedules` and `sensors` ask `readiness` whether there is work; `jobs` name what runs;
`assets` call one pass of the pipeline, through `failures`, and show its report through `outcome`; `checks` look at
what was written. `describe` says what an asset is before it ever ran.

Belongs here: Dagster's words. Does not belong here: how a number is made. Importing any module of this package opens
no connection and loads no client of a store; those are imported where a run or a tick begins.
"""
