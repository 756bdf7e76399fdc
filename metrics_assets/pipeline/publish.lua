-- Write one hash, unless it holds a newer version. KEYS[1] the hash; ARGV: version, then "shown", "gone" (the entity does not
-- exist) or "empty" (it has no output row), then field, value, … What is not shown leaves its version behind for a day,
-- so that a writer that was held up cannot bring it back.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' and kind ~= 'none' then
    -- the name is ours: whoever wrote something else there must not hold up every other hash
    redis.call('DEL', KEYS[1])
end
-- what is no number is none of ours
local stored = redis.call('HGET', KEYS[1], 'version')
if stored and (tonumber(stored) or 0) >= tonumber(ARGV[1]) then
    return 0
end
if ARGV[2] == 'empty' and redis.call('EXISTS', KEYS[1]) == 0 then
    return 0
end
if ARGV[2] ~= 'shown' then
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[1], 'version', ARGV[1])
    redis.call('EXPIRE', KEYS[1], 86400)
    return 1
end
redis.call('HSET', KEYS[1], 'version', ARGV[1], unpack(ARGV, 3))
redis.call('PERSIST', KEYS[1])
return 1
