-- Judge one request by an exact sliding log, and write it down when it is admitted.
--
-- KEYS[1] the log: a list of the moments (microseconds since the epoch) of admitted requests.
-- ARGV[1] how many requests, ARGV[2] in how many seconds, ARGV[3] now in microseconds, or "" for
-- the server's own clock (so that all processes on all machines go by one clock), ARGV[4] "look" to
-- write nothing down.
-- Returns {used, oldest, newest, now}: the requests admitted before this one that still count,
-- the first and last of their moments, and the moment of this one.

local requests = tonumber(ARGV[1])
local window = tonumber(ARGV[2]) * 1000000
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call("TIME")
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- A clock that was set back must not make the log unordered, nor admit anything twice.
local newest = tonumber(redis.call("LINDEX", KEYS[1], -1) or now)
if newest > now then
  now = newest
end

local oldest = tonumber(redis.call("LINDEX", KEYS[1], 0) or now)
while oldest <= now - window do
  redis.call("LPOP", KEYS[1])
  oldest = tonumber(redis.call("LINDEX", KEYS[1], 0) or now)
end

local used = redis.call("LLEN", KEYS[1])
if used < requests and ARGV[4] ~= "look" then
  redis.call("RPUSH", KEYS[1], string.format("%.0f", now))
  redis.call("PEXPIRE", KEYS[1], window / 1000)
end
return {used, oldest, used == 0 and now or newest, now}
