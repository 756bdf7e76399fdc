-- Reads: keys of the rows of an output that moved last, by its index on updatedAt. Writes nothing.
SELECT {first_key} FROM {output} ORDER BY "updatedAt" DESC LIMIT {row_limit};
