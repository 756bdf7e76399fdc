"""How the engine is configured: what a client may do, where data lies, which logs are kept.

The engine itself enforces the rights below, for every client and every way of writing a query; `statement`
adds only what rights cannot express.
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from xml.sax.saxutils import escape

# Implicit SELECT is a habit of clickhouse-local. async_insert would answer before rows are written to the
# log that the next statement reads; who wants it asks for it.
_PROFILE_SETTINGS = {"async_insert": "0", "implicit_select": "0"}

# Sources read and write files and URLs with this process's rights, so a client gets none but the two that
# lead to another database. Users and impersonation would make rights beside the one account there is.
_GRANTS = (
    "GRANT ALL ON *.*",
    "REVOKE SOURCES ON *.*",
    "GRANT POSTGRES, REMOTE ON *.*",
    "REVOKE SYSTEM SHUTDOWN, IMPERSONATE, CREATE USER, ALTER USER, DROP USER ON *.*",
)

# Settings whose values are SQL or names of files, which would lead around the above.
_FIXED_SETTINGS = (
    "additional_result_filter",
    "additional_table_filters",
    "allow_experimental_eval_table_function",
    "format_schema",
    "format_template_resultset",
    "format_template_row",
    "input_format_record_errors_file_path",
    "parallel_replicas_custom_key",
)

_CONFIG = """<clickhouse>
  <users_config>{users}</users_config>
  <display_name>{display_name}</display_name>
  <query_log>
    <database>system</database>
    <table>query_log</table>
    <flush_interval_milliseconds>2000</flush_interval_milliseconds>
    <ttl>event_date + INTERVAL 2 DAY DELETE</ttl>
  </query_log>
</clickhouse>
"""

_USERS = """<clickhouse>
  <profiles><default>{settings}<constraints>{constraints}</constraints></default></profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password/>
      <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>{grants}</grants>
    </default>
  </users>
</clickhouse>
"""

# chDB makes its default database an overlay that also resolves file names as tables, which needs the right
# to read files. It gets another name and is dropped once open; `default` is an ordinary Atomic database.
OVERLAY_DATABASE = "chdb_local"
DISPLAY_NAME = "metrics-assets-local"


def write_config(directory: Path) -> Path:
    """Write config.xml and users.xml into `directory`; returns the path of config.xml."""
    users = directory / "users.xml"
    settings = "".join(f"<{name}>{value}</{name}>" for name, value in _PROFILE_SETTINGS.items())
    grants = "".join(f"<query>{query}</query>" for query in _GRANTS)
    constraints = "".join(f"<{name}><readonly/></{name}>" for name in _FIXED_SETTINGS)
    users.write_text(_USERS.format(settings=settings, constraints=constraints, grants=grants))
    config = directory / "config.xml"
    config.write_text(_CONFIG.format(users=escape(str(users)), display_name=DISPLAY_NAME))
    return config


def prepare_data(directory: Path) -> None:
    """Make the engine's folder ready to be opened; safe on a new folder and on live data."""
    metadata = directory / "metadata"
    metadata.mkdir(parents=True, exist_ok=True)
    default = metadata / "default.sql"
    if not default.exists():
        # A file cut short by a crash would keep the engine from opening ever after.
        written = metadata / "default.sql.new"
        written.write_text(f"ATTACH DATABASE _ UUID '{uuid.uuid4()}'\nENGINE = Atomic\n")
        written.replace(default)
    # From this link the overlay would take the id of `default`, and the engine aborts on the second use of it.
    # It is made anew when `default` is attached.
    (metadata / "default").unlink(missing_ok=True)
    # The system database lives in memory, so the logs of earlier processes are unreachable remains.
    shutil.rmtree(directory / "data" / "system", ignore_errors=True)
