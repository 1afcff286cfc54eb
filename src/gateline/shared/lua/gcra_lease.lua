-- Lease a part of a limit to one edge: take several requests out of the bucket that all share.
--
-- KEYS[1] the bucket, a hash: `debt` and `at` (microseconds: at that moment it would take `debt`
--         until the bucket is full), and for each edge that holds some of it "count until".
-- ARGV[1] the edge, ARGV[2] microseconds for one request, ARGV[3] burst, ARGV[4] how many are
-- wanted, ARGV[5] how many of them are used at once, ARGV[6] how many of the last lease come back
-- unused, ARGV[7] how many were admitted without asking, ARGV[8] life of a lease in microseconds,
-- ARGV[9] now in microseconds, or "" for the server's own clock.
-- Returns {granted, left, debt, retry}, the last two in microseconds. `policy/gcra.py` is the same
-- in Python and says what it means.

local edge, interval, burst = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local wanted, used = tonumber(ARGV[4]), tonumber(ARGV[5])
local life, now = tonumber(ARGV[8]), tonumber(ARGV[9])
if not now then
  local time = redis.call("TIME")
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local debt, at, own, longest, leases = 0, now, 0, 0, {}
local state = redis.call("HGETALL", KEYS[1])
for index = 1, #state, 2 do
  local name, value = state[index], state[index + 1]
  if name == "debt" then
    debt = tonumber(value)
  elseif name == "at" then
    at = tonumber(value)
  else
    local count, ends = string.match(value, "^(%d+) (%d+)$")
    local lease = {count = tonumber(count), rest = tonumber(ends) - now}
    leases[#leases + 1] = lease
    if lease.rest <= 0 then
      redis.call("HDEL", KEYS[1], name)
    elseif name == edge then
      own = lease.count
    else
      longest = math.max(longest, lease.rest)
    end
  end
end

if now > at then
  debt = math.max(0, debt - (now - at))
  at = now
end
-- Until its end a lease may have been used: so far the bucket cannot have refilled.
table.sort(leases, function(one, other) return one.rest > other.rest end)
local held = 0
for _, lease in ipairs(leases) do
  held = held + lease.count
  debt = math.max(debt, held * interval - math.max(0, -lease.rest))
end
-- What ran out has been counted as used: it cannot come back.
local returned = math.min(tonumber(ARGV[6]), own)
debt = math.max(0, debt - returned * interval) + tonumber(ARGV[7]) * interval
local free = math.max(0, math.floor(burst - debt / interval + 1e-6))
local granted = math.min(wanted, free)
debt = debt + granted * interval

if granted > used then
  redis.call("HSET", KEYS[1], edge, string.format("%d %.0f", granted - used, now + life))
  longest = math.max(longest, life)
elseif own > 0 then
  redis.call("HDEL", KEYS[1], edge)
end
redis.call("HSET", KEYS[1], "debt", string.format("%.3f", debt), "at", string.format("%.0f", at))
redis.call("PEXPIRE", KEYS[1], math.ceil(math.max(debt, longest) / 1000) + 1000)

local left = free - granted
local retry = 0
if left == 0 then
  retry = math.max(0, debt - (burst - 1) * interval)
end
return {granted, left, math.ceil(debt), math.ceil(retry)}
