-- For wrk: a thread a machine, each at its part of a fixed rate. Every answer says its generation and the SHA-256 of
-- the rest, so that old and new in one answer are noticed. What was seen goes to a file, a line each.
--   wrk ... -s live.lua URL -- FILE RATE PORT...
local ffi = require("ffi")
ffi.cdef [[
typedef struct { long seconds, nanoseconds; } moment;
int clock_gettime(int clock, moment *out);
unsigned char *SHA256(const char *data, size_t size, unsigned char *out);
]]
local MONOTONIC = 1
local moment, digest = ffi.new("moment"), ffi.new("unsigned char[32]")

local function now()
   ffi.C.clock_gettime(MONOTONIC, moment)
   return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

local function sha256(text)
   ffi.C.SHA256(text, #text, digest)
   local hex = {}
   for i = 0, 31 do
      hex[i + 1] = string.format("%02x", digest[i])
   end
   return table.concat(hex)
end

local threads = 0

-- In wrk's own state, once for each thread.
function setup(thread)
   threads = threads + 1
   thread:set("number", threads)
end

function init(args)
   local ports = #args - 2
   port = args[2 + number]
   file = io.open(args[1], "a")
   interval = 1 / tonumber(args[2])
   due = now() + interval * number / ports
   last = -1
   wrk.thread.addr = wrk.lookup("127.0.0.1", port)[1]
end

function delay()
   local wait = due - now()
   due = due + interval
   return wait > 0 and math.floor(wait * 1000) or 0
end

local function note(...)
   file:write(table.concat({ ... }, " "), "\n")
   file:flush()
end

function response(status, headers, body)
   local generation, hash = body:match("^(%d+) (%x+)\n")
   if status ~= 200 or generation == nil or sha256(body:sub(#generation + #hash + 3)) ~= hash then
      note("wrong", port, status, #body)
   elseif tonumber(generation) ~= last then
      last = tonumber(generation)
      note("seen", port, last, string.format("%.6f", now()))
   end
end

function done(summary, latency, requests)
   local e = summary.errors
   io.write(string.format("answered %d failed %d seconds %.3f\n", summary.requests,
                          e.connect + e.read + e.write + e.status + e.timeout, summary.duration / 1e6))
end
