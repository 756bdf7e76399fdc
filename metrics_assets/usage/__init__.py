"""How models are used: from the log modelUsage to daily totals, statistics, a spend forecast and a report.

`rollup` counts the log into modelUsageDaily by arrival, `stats` answers from both, exactly, `trends` and `forecast`
make sense of the days, `report` gathers it all, `page` and `markdown` show it. Not here: the writing of events
(`serving.usage`), and when anything runs (`orchestration.usage`).

An event counts once, however often it is delivered: as its earliest delivery says it (timestamp, then model, then
feature, where deliveries differ).
"""
