-- The triggers of one table or partition; the functions are those of capture.sql.

CREATE OR REPLACE TRIGGER metrics_capture_insert AFTER INSERT ON {table}
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION {insert_function}();
CREATE OR REPLACE TRIGGER metrics_capture_update AFTER UPDATE ON {table}
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION {update_function}();
CREATE OR REPLACE TRIGGER metrics_capture_delete AFTER DELETE ON {table}
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION {delete_function}();
CREATE OR REPLACE TRIGGER metrics_capture_truncate AFTER TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {truncate_function}();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER metrics_capture_insert;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER metrics_capture_update;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER metrics_capture_delete;
ALTER TABLE {table} ENABLE ALWAYS TRIGGER metrics_capture_truncate;
