"""Data to try the project on: a generated data set, live traffic, and the import of a Stack Exchange dump.

All three write the application's tables and logs, as an application would, and nothing of ours.

- `generate.load_sample`: a data set of any size, the same for the same seed.
  shape (numbers) → history (when) → popularity (whom) → world (what exists) → catalogue, activity, logs (rows).
- `traffic.run_traffic`, `traffic.apply_random_change`: changes of every kind that the application makes,
  declared in `sql/changes/` and `log_changes`.
- `stackexchange.import_stackexchange`: a real community's history, which carries its own truth.

Not here: how anything is counted.
"""
