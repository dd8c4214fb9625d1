//! The histories of topics on a server of Redis. Each is one hash: its epoch, the numbers of its first and last record, the
//! records by their numbers, and the last number of each publisher.

use std::time::Duration;

use bytes::Bytes;
use redis::Cmd;

use super::directory::{milliseconds, script};
use crate::cluster::{
    engine::{Past, Place, Record, Recorded, Retention},
    records::{MOST_PUBLISHERS, MOST_READ, SHORTEST_LIFE, most_read},
};

/// Keeps records and publishes them, unless their publisher has one of that number or a later one there. The numbers have
/// twenty digits, since those of Lua are not large enough. Of too many publishers the half goes that was silent for longest.
const APPEND: &str = "\
local key = KEYS[1]
local time = redis.call('TIME')
local now = string.format('%.0f ', time[1] * 1000 + math.floor(time[2] / 1000))
local head = redis.call('HMGET', key, 'epoch', 'first', 'last')
local epoch, first, last = head[1], tonumber(head[2]), tonumber(head[3])
if not (epoch and first and last) then
  redis.call('DEL', key)
  epoch, first, last = ARGV[1], 1, 0
end
for i = 6, #ARGV, 3 do
  local publisher = 'of ' .. ARGV[i]
  local known = redis.call('HGET', key, publisher)
  if not known or string.sub(known, 1, 20) < ARGV[i + 1] then
    last = last + 1
    local number = string.format('%.0f', last)
    redis.call('HSET', key, number, now .. ARGV[i + 2], publisher, ARGV[i + 1] .. ' ' .. number)
    redis.call('PUBLISH', ARGV[2], epoch .. ' ' .. number .. ' ' .. ARGV[i + 2])
  end
end
while last - first >= tonumber(ARGV[3]) do
  redis.call('HDEL', key, string.format('%.0f', first))
  first = first + 1
end
redis.call('HSET', key, 'epoch', epoch, 'first', string.format('%.0f', first), 'last', string.format('%.0f', last))
redis.call('PEXPIRE', key, ARGV[4])
if redis.call('HLEN', key) - 3 - (last - first + 1) > tonumber(ARGV[5]) then
  local known = {}
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 3) == 'of ' then
      known[#known + 1] = { field, tonumber(string.sub(redis.call('HGET', key, field), 22)) or 0 }
    end
  end
  table.sort(known, function(a, b) return a[2] < b[2] end)
  for i = 1, math.floor(#known / 2) do redis.call('HDEL', key, known[i][1]) end
end
return false";

/// Reads the records behind a number, the last one first, up to so many bytes. A history that is not as long as the asker
/// knows has lost its end, and gets another epoch.
const PAST: &str = "\
local key = KEYS[1]
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local head = redis.call('HMGET', key, 'epoch', 'first', 'last')
local epoch, first, last = head[1], tonumber(head[2]), tonumber(head[3])
if not (epoch and first and last) then return { now, '0', '0', '0' } end
if epoch == ARGV[1] and tonumber(ARGV[2]) > last then
  epoch = ARGV[3]
  redis.call('HSET', key, 'epoch', epoch)
end
if epoch == ARGV[1] then first = math.max(first, tonumber(ARGV[2]) + 1) end
local found = { now, epoch, string.format('%.0f', last), '' }
local before, bytes = last, 0
while before >= first do
  local record = redis.call('HGET', key, string.format('%.0f', before))
  bytes = bytes + (record and #record or 0)
  if not record or bytes > tonumber(ARGV[4]) then break end
  found[#found + 1] = record
  before = before - 1
end
found[4] = string.format('%.0f', before)
return found";

/// The records of one script, during which the server does nothing else.
const AT_ONCE: usize = 256;

/// The parts of a batch that are one script each: records of one topic that follow each other.
pub(super) fn runs(batch: &[Record]) -> impl Iterator<Item = &[Record]> {
    let alike = batch.chunk_by(|a, b| a.topic == b.topic && a.keep == b.keep);
    alike.flat_map(|run| run.chunks(AT_ONCE))
}

/// Keeps the records of a run in a key, and publishes them on a channel. The epoch is that of a history that is begun.
pub(super) fn append(key: &[u8], channel: &[u8], epoch: u64, run: &[Record]) -> Cmd {
    let keep = run.first().map_or(Retention::new(0, Duration::ZERO), |record| record.keep);
    let mut command = script(APPEND, key);
    command.arg(epoch).arg(channel).arg(keep.records).arg(milliseconds(keep.age).max(SHORTEST_LIFE));
    command.arg(MOST_PUBLISHERS);
    for Record { publisher, number, body, .. } in run {
        command.arg(publisher).arg(format!("{number:020}")).arg(&body[..]);
    }
    command
}

/// Reads the records of a key. The epoch is that of a history that has lost its end.
pub(super) fn past(key: &[u8], keep: Retention, after: Option<Place>, epoch: u64) -> Cmd {
    let mut command = script(PAST, key);
    match after {
        Some(Place { epoch, offset }) => command.arg(epoch).arg(offset),
        None => command.arg("").arg(0),
    };
    command.arg(epoch).arg(most_read(keep, after, MOST_READ)).take()
}

/// The answer to it, without what is too old; `None` if it is none.
pub(super) fn past_of(answer: &[Bytes], keep: Retention) -> Option<Past> {
    let (head, records) = answer.split_first_chunk::<4>()?;
    let [now, epoch, last, mut before] = [number(&head[0])?, number(&head[1])?, number(&head[2])?, number(&head[3])?];
    let mut found = Vec::with_capacity(records.len());
    for (offset, record) in (before + 1..).zip(records.iter().rev()) {
        let (at, body) = word(record)?;
        let age = now.saturating_sub(at);
        if age < milliseconds(keep.age) {
            found.push((offset, age, body));
        } else if found.is_empty() {
            before = offset;
        }
    }
    Some(Past { epoch, last, before, records: found })
}

/// A publication of a topic with a history, as the script publishes it; `None` if somebody else has.
pub(super) fn recorded(topic: &Bytes, body: &Bytes) -> Option<Recorded> {
    let (epoch, rest) = word(body)?;
    let (offset, body) = word(&rest)?;
    let before = offset.checked_sub(1)?;
    Some(Recorded { topic: topic.clone(), body, place: Place { epoch, offset }, before })
}

/// The number that bytes begin with, and what is behind the space.
fn word(bytes: &Bytes) -> Option<(u64, Bytes)> {
    let space = bytes.iter().take(21).position(|&byte| byte == b' ')?;
    Some((number(&bytes[..space])?, bytes.slice(space + 1..)))
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::engine::RECORDED;

    #[test]
    fn what_a_server_says_of_a_history_is_read() {
        let keep = Retention::new(9, Duration::from_millis(50));
        let answer = |fields: &[&'static str]| -> Vec<Bytes> { fields.iter().copied().map(Bytes::from).collect() };
        let past = past_of(&answer(&["1000", "7", "12", "9", "990 c d", "960 b", "950 a"]), keep).unwrap();
        assert_eq!((past.epoch, past.last, past.before), (7, 12, 10));
        assert_eq!(past.records, [(11, 40, Bytes::from("b")), (12, 10, Bytes::from("c d"))]);
        let nothing = past_of(&answer(&["1000", "0", "0", "0"]), keep).unwrap();
        assert_eq!(nothing, Past::default());
        for wrong in
            [&["1", "2", "3"][..], &["", "2", "3", "4"], &["1", "2", "3", "2", "x"], &["1", "2", "3", "2", "x y"]]
        {
            assert_eq!(past_of(&answer(wrong), keep), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_is_no_record_is_told_apart() {
        let topic = Bytes::from_static(RECORDED);
        let read = |body: &'static str| recorded(&topic, &Bytes::from(body));
        let found = read("18446744073709551615 3 a b").unwrap();
        assert_eq!((found.place, found.before), (Place::new(u64::MAX, 3), 2));
        assert_eq!(found.body, "a b");
        assert_eq!(read("1 1 ").unwrap().body, "");
        for wrong in ["", "x", "1 2", "1  2 x", "1 0 x", "-1 2 x", "18446744073709551616 2 x", "1 x y"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let batch = ["a", "a", "b", "a"].map(|topic| Record::new(topic, "", 1, 1, Retention::new(1, Duration::ZERO)));
        assert_eq!(runs(&batch).map(<[Record]>::len).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!(runs(&vec![batch[0].clone(); 600]).map(<[Record]>::len).collect::<Vec<_>>(), [256, 256, 88]);
    }
}
