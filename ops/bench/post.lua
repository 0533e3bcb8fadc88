-- Sends one request over and over, each with an X-GitHub-Delivery of its own.
--   wrk -s post.lua URL -- REQUEST SALT
-- REQUEST is a file with the whole request, 36 at signs where the id belongs. SALT is 8 hex digits
-- that no other run has.

local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(arguments)
  local whole = io.open(arguments[1], "rb"):read("*a")
  local first, last = whole:find(string.rep("@", 36), 1, true)
  before, after = whole:sub(1, first - 1), whole:sub(last + 1)
  salt, count = string.format("%s-%04x-4000-8000-", arguments[2], number), 0
end

function request()
  count = count + 1
  return before .. salt .. string.format("%012x", count) .. after
end

function done(summary)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"microseconds":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}\n',
    summary.requests, summary.duration, e.status, e.connect, e.read, e.write, e.timeout))
end
