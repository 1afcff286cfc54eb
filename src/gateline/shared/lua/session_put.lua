-- Store a session entry and its place in the index of its user, in one step.
--
-- KEYS[1] the entry, KEYS[2] the user's index (sorted set, scored by the token's end),
-- KEYS[3] optionally the entry that this one follows: without it nothing is stored, so that a
--         renewal can never bring back a session that was revoked a moment before.
-- ARGV[1] the record, ARGV[2] its life in seconds, ARGV[3] the index member,
-- ARGV[4] the token's end (epoch seconds), ARGV[5] now (epoch seconds).
-- Returns 1 when stored, 0 when the entry to follow is gone.

if KEYS[3] and redis.call("EXISTS", KEYS[3]) == 0 then
  return 0
end

redis.call("SET", KEYS[1], ARGV[1], "EX", ARGV[2])
redis.call("ZREMRANGEBYSCORE", KEYS[2], "-inf", ARGV[5])
redis.call("ZADD", KEYS[2], ARGV[4], ARGV[3])

-- The index lives exactly as long as the longest token in it. (EXPIREAT ... GT needs Redis 7.)
local last = redis.call("ZRANGE", KEYS[2], -1, -1, "WITHSCORES")
redis.call("EXPIREAT", KEYS[2], last[2])
return 1
