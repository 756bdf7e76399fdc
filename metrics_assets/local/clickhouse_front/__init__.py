"""The real ClickHouse engine (chDB) behind ClickHouse's HTTP interface, in one process.

So local use, tests and production share one client and one code path:
`clickhouse_connect.get_client(host, port, username, password)`. Started as

    python -m metrics_assets.local.clickhouse_front --path DIR --ready-file FILE [--port 0]

A request goes downwards through these files:

    http_app        HTTP in and out: routes, streaming, a client that goes away
    request         what the URL and the headers say
    body            the body, decompressed, in memory or in a file of DIR
    execution       one statement on one handle; with statement (where it ends, where data begins) and results
    sessions        what outlives a request when it names a session
    engine          chDB itself: handles, their settings, cancelling; with engine_config
    server          the process: lock, port, ready file, signals

What differs from a server: the engine gives each query an id of its own, so the client's query_id is echoed and
works in KILL QUERY, but system.query_log knows the query by its log_comment; inserts are always synchronous; there is
one user and no role; ClickHouse's native block compression (`compress=1`) is refused; a client reaches no files and no
sources but remote() and postgresql(); the query log lasts as long as the process.

Not here: starting and watching the process (metrics_assets.local), and any knowledge of metrics.
"""
