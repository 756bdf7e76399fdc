-- The images of one source: its row before (-1) and after (+1) everything that this drain takes of it.
CREATE TEMP TABLE {image} (side smallint NOT NULL, {typed_columns}) ON COMMIT DROP
