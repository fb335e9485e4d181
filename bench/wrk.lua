-- Posts the requests of the file named by BENCH_REQUESTS, round robin, and prints what bench/run needs as one line of JSON.

local requests = {}
local at = 0
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init()
  created, refused = 0, 0
  local file = assert(io.open(os.getenv("BENCH_REQUESTS"), "rb"))
  while true do
    local length = file:read("*n")
    if not length then break end
    file:read(1)
    requests[#requests + 1] = file:read(length)
  end
  file:close()
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function response(status)
  if status == 201 then created = created + 1 else refused = refused + 1 end
end

function done(summary, latency)
  local created, refused = 0, 0
  for _, thread in ipairs(threads) do
    created = created + thread:get("created")
    refused = refused + thread:get("refused")
  end
  local e = summary.errors
  io.write(string.format('JSON {"created":%d,"refused":%d,"requests":%d,"seconds":%.6f,"errors":%d,"latencyMs":{"p50":%.3f,"p99":%.3f,"max":%.3f}}\n',
    created, refused, summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
