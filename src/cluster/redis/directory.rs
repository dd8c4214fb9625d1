//! The questions of a directory to a server of Redis. Each is one script, by the server's clock.

use std::time::Duration;

use bytes::Bytes;
use redis::Cmd;

/// The leases: a field for each process, which holds the end of its lease in milliseconds, a space, and its info.
const BEAT: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = tonumber(ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f ', now + lease) .. ARGV[2])
if redis.call('PTTL', KEYS[1]) < lease then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
local all, living = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local space = string.find(all[i + 1], ' ', 1, true)
  if space and tonumber(string.sub(all[i + 1], 1, space - 1)) > now then
    living[#living + 1] = string.sub(all[i + 1], space + 1)
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return living";

/// Gives a key the second value, if it is free or has one of the two. Returns the value of somebody else.
const CLAIM: &str = "\
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] and held ~= ARGV[2] then return held end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return false";

const RELEASE: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return false";

/// The notes of a topic: a field for each process, as the leases are.
const NOTE: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local keep = tonumber(ARGV[2])
for i, key in ipairs(KEYS) do
  if ARGV[i + 2] == '' then
    redis.call('HDEL', key, ARGV[1])
  else
    redis.call('HSET', key, ARGV[1], string.format('%.0f ', now + keep) .. ARGV[i + 2])
    if redis.call('PTTL', key) < keep then redis.call('PEXPIRE', key, ARGV[2]) end
  end
end
return false";

const NOTES: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all, living = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local space = string.find(all[i + 1], ' ', 1, true)
  if space and tonumber(string.sub(all[i + 1], 1, space - 1)) > now then
    living[#living + 1] = all[i]
    living[#living + 1] = string.sub(all[i + 1], space + 1)
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return living";

/// The longest time that the server is given: a hundred years, in milliseconds.
const LONGEST: u64 = 100 * 365 * 24 * 3600 * 1000;

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(LONGEST).clamp(1, LONGEST)
}

/// The text goes with each question, as the server may have forgotten it; it is shorter than most answers.
pub(super) fn script(text: &str, key: &[u8]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(1).arg(key);
    command
}

pub(super) fn beat(nodes: &[u8], id: &[u8], info: &[u8], lease: Duration) -> Cmd {
    script(BEAT, nodes).arg(id).arg(info).arg(milliseconds(lease)).take()
}

pub(super) fn leave(nodes: &[u8], id: &[u8]) -> Cmd {
    redis::cmd("HDEL").arg(nodes).arg(id).take()
}

pub(super) fn claim(key: &[u8], from: &[u8], to: &[u8], keep: Duration) -> Cmd {
    script(CLAIM, key).arg(from).arg(to).arg(milliseconds(keep)).take()
}

pub(super) fn look(key: &[u8]) -> Cmd {
    redis::cmd("GET").arg(key).take()
}

pub(super) fn release(key: &[u8], value: &[u8]) -> Cmd {
    script(RELEASE, key).arg(value).take()
}

/// Each note is a key and a value.
pub(super) fn note(id: &[u8], notes: &[(Vec<u8>, Bytes)], keep: Duration) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(NOTE).arg(notes.len());
    for (key, _) in notes {
        command.arg(&key[..]);
    }
    command.arg(id).arg(milliseconds(keep));
    for (_, value) in notes {
        command.arg(&value[..]);
    }
    command
}

pub(super) fn notes(key: &[u8]) -> Cmd {
    script(NOTES, key)
}
