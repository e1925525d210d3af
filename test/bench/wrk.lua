-- wrk's half of a row: GET the objects PREFIX0 .. PREFIX(COUNT-1) in turn, and say what came of it in JSON.
-- Arguments after "--": PREFIX COUNT TOKEN
local prefix, count, token, number = "", 1, nil, 0

function init(args)
   prefix, count, token = args[1], tonumber(args[2]), args[3]
   if token and token ~= "" then wrk.headers["X-Auth-Token"] = token end
end

function request()
   number = (number + 1) % count
   -- A listing is one path with a query, not a numbered object.
   if count == 1 then return wrk.format("GET", prefix) end
   return wrk.format("GET", prefix .. number)
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      'RESULT {"requests": %d, "seconds": %f, "bytes": %d, "failed": %d, "p50": %f, "p99": %f}\n',
      summary.requests, summary.duration / 1e6, summary.bytes,
      errors.status + errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
