-- Note that an edge is here and count those that were seen lately.
--
-- KEYS[1] the edges, a sorted set by when they were last seen (the server's clock, seconds).
-- ARGV[1] this edge, ARGV[2] seconds after which one that is silent counts no more; 0: it leaves.
-- Returns how many there are.

local now = tonumber(redis.call("TIME")[1])
local silence = tonumber(ARGV[2])
if silence == 0 then
  redis.call("ZREM", KEYS[1], ARGV[1])
else
  redis.call("ZADD", KEYS[1], now, ARGV[1])
  redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", "(" .. (now - silence))
  redis.call("EXPIRE", KEYS[1], silence * 2)
end
return redis.call("ZCARD", KEYS[1])
