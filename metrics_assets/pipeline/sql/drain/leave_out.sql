-- A row of a user who is left out may at most have counted in between. Reads left_out; writes {image}.
UPDATE {image} i SET side = 0 FROM left_out u WHERE u.side = i.side AND u.user_id = i.{made_by}
