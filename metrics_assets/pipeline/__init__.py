"""How a change becomes a number: capture → contributions → rollup → sets → publish. Python and SQL, no Dagster."""
