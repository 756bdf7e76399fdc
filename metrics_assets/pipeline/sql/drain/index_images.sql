-- Whether a row of the source is among those taken, or left, is asked for each row that goes with one. Reads {image}, {later}.
CREATE INDEX ON {image} ({key});

CREATE INDEX ON {later} ({key});

ANALYZE {later};
