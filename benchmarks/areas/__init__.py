"""One module an area of docs/performance.md; each has `run(options) -> list[Row]`."""
