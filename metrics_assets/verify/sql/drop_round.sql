-- The tables of one round, so that the next can make its own.

DROP TABLE IF EXISTS
    pending_key, pending_everything, log_day, recount_version, recount_model, recount_collection, recount_pair,
    recount_day, recount_total, found_total, found_day, found_field;
