//! The histories of topics on a server of NATS: one stream of JetStream for all topics with the same bounds, which publishes
//! again what it keeps, so that all nodes hear it in the order of the stream.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    jetstream::{self, ANOTHER_NUMBER, Failure, NO_MESSAGE, NO_STREAM, call, read, strange},
    link::{Answer, Asking, Link},
    names::word,
    protocol::{header, status},
    time::milliseconds,
};
use crate::{
    cluster::{
        engine::{EngineError, Past, Place, Record, Recorded, Retention},
        records::{MOST_READ, most_read},
    },
    ids,
    sync::lock,
};

/// The longest age that the server is given: a hundred years, in milliseconds.
const LONGEST: u64 = 100 * 365 * 24 * 3600 * 1000;
/// The shortest age that it takes, in milliseconds.
const SHORTEST: u64 = 100;
/// The longest time for which the server knows a record that is appended again, in milliseconds. It is not longer than the
/// age.
const DUPLICATES: u64 = 120_000;
/// The records that are read with one question, and their bytes, which must come in its time.
const AT_ONCE: usize = 1_024;
const BYTES_AT_ONCE: usize = 4 << 20;
/// The tries to read a history whose servers have not all of it yet, and the pause between them.
const TRIES: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// It says in which life of its stream a record was appended.
const EPOCH: &str = "Anywire-Epoch";
/// The word of the subject that has the epoch. No topic has it: theirs begin with a byte that is written as `=00`.
const EPOCH_WORD: &str = "epoch";

pub(super) struct Histories {
    /// All subjects begin with it.
    pub(super) prefix: String,
    pub(super) replicas: u64,
    /// The streams that the present connection may append to.
    known: Mutex<HashMap<Retention, Known>>,
    /// It was told that a record was too large.
    has_refused: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    epoch: u64,
    /// The number of the last record that was taken. A stream in which it falls is another one.
    last: u64,
}

/// The names of a stream.
struct Names {
    stream: String,
    /// The subjects are this, a point, and a word.
    subjects: String,
}

/// A record to append, with what its question does not tell.
struct Appending {
    topic: Bytes,
    keep: Retention,
    asking: Asking,
}

/// The state of a stream as it is read.
struct Seen {
    /// The server's time, in milliseconds.
    now: i64,
    epoch: u64,
    /// When the epoch began.
    begun: i64,
    /// The number of the topic's last record that is kept; 0 if none is.
    last: u64,
    /// The last number of the stream, where the topic was looked at, and where the stream is written.
    end: u64,
    written: u64,
}

/// The records of a topic that are kept.
type Kept = VecDeque<(u64, i64, Bytes)>;

impl Histories {
    pub(super) fn new(prefix: String, replicas: u64) -> Self {
        Histories { prefix, replicas, known: Mutex::default(), has_refused: AtomicBool::new(false) }
    }

    /// There is another connection to append by.
    pub(super) fn disconnected(&self) {
        lock(&self.known).clear();
    }

    fn names(&self, keep: Retention) -> Names {
        let kind = format!("{}-{}", keep.records.max(1), age(keep));
        Names { stream: format!("{}-history-{kind}", self.prefix), subjects: format!("{}.history.{kind}", self.prefix) }
    }

    /// Makes the stream, unless it is there. Returns its epoch.
    async fn prepare(&self, link: &Link, keep: Retention) -> Result<u64, EngineError> {
        let Names { stream, subjects } = self.names(keep);
        let (subject, nanoseconds) = (format!("{subjects}.*"), |ms: u64| ms * 1_000_000);
        let republished = json!({ "src": subject, "dest": format!("{}.room.{{{{wildcard(1)}}}}", self.prefix) });
        let config = json!({
            "name": stream, "subjects": [subject], "retention": "limits", "storage": "memory", "max_consumers": -1,
            "max_msgs": -1, "max_bytes": -1, "max_age": nanoseconds(age(keep)), "discard": "old",
            "max_msgs_per_subject": keep.records.max(1), "num_replicas": self.replicas, "allow_direct": true,
            "allow_msg_ttl": true, "duplicate_window": nanoseconds(age(keep).min(DUPLICATES)), "republish": republished,
        });
        let found = jetstream::make(link, &stream, &config).await?;
        let must = ["subjects", "max_msgs_per_subject", "allow_direct", "allow_msg_ttl", "max_age"];
        if !must.iter().all(|name| found[name] == config[name]) || found["republish"]["dest"] != republished["dest"] {
            return Err(jetstream::another(&stream));
        }
        let subject = format!("{subjects}.{EPOCH_WORD}");
        for _ in 0..TRIES {
            match call(link, "STREAM.MSG.GET", &stream, &json!({ "last_by_subj": subject })).await {
                Ok(found) => return epoch_of(&found["message"]).ok_or_else(strange),
                Err(Failure::Refused(NO_MESSAGE, _)) => {}
                Err(failure) => return Err(failure.into_error()),
            }
            // One of the nodes that see none gives it, and it has no end.
            let headers = [("Nats-TTL", "never".to_owned()), ("Nats-Expected-Last-Subject-Sequence", "0".to_owned())];
            let epoch = ids::random().as_u64_pair().0;
            match read(&link.ask(&subject, &headers, epoch.to_string().as_bytes()).await?) {
                Ok(_) => return Ok(epoch),
                Err(Failure::Refused(ANOTHER_NUMBER, _)) => {}
                Err(failure) => return Err(failure.into_error()),
            }
        }
        Err(EngineError::new("the server does not keep the epoch of a history"))
    }

    /// Appends records, and waits until the server has taken all of them.
    pub(super) async fn append(&self, link: &Link, batch: Vec<Record>) -> Result<(), EngineError> {
        let kinds: HashSet<Retention> = batch.iter().map(|record| record.keep).collect();
        for keep in kinds {
            if !lock(&self.known).contains_key(&keep) {
                let epoch = self.prepare(link, keep).await?;
                lock(&self.known).insert(keep, Known { epoch, last: 0 });
            }
        }
        let records = batch.into_iter().filter_map(|record| self.appending(link, record).transpose());
        let records: Vec<Appending> = records.collect::<Result<_, _>>()?;
        // Where the stream may move to another server, a record must not be taken behind one that was not.
        for wave in waves(records, self.replicas > 1) {
            let asking: Vec<Asking> = wave.iter().map(|record| record.asking.clone()).collect();
            let answers = link.ask_each(&asking).await?;
            for (record, answer) in wave.iter().zip(&answers) {
                if let Err(failure) = read(answer).and_then(|taken| self.taken(record.keep, &taken)) {
                    // Whatever it is, the stream is looked at before more is appended.
                    lock(&self.known).remove(&record.keep);
                    return Err(failure.into_error());
                }
            }
        }
        Ok(())
    }

    /// The question of a record; `None` if it is too large, which is a hole that others find by the numbers.
    ///
    /// # Errors
    /// Fails if its stream was found to be another one meanwhile. The batch comes again then.
    fn appending(&self, link: &Link, record: Record) -> Result<Option<Appending>, EngineError> {
        let Record { topic, body, publisher, number, keep } = record;
        if !link.takes(&body) {
            if !self.has_refused.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    bytes = body.len(),
                    "a message with a history is too large for the cluster's engine: all nodes miss it. Raise its `max_payload`, \
                     or lower Builder::message_limit"
                );
            }
            return Ok(None);
        }
        let known = lock(&self.known).get(&keep).copied();
        let epoch = known.ok_or_else(|| EngineError::new("a history was begun anew"))?.epoch;
        let word = word(&topic);
        let headers = vec![("Nats-Msg-Id", format!("{publisher}.{number}.{word}")), (EPOCH, epoch.to_string())];
        let subject = format!("{}.{word}", self.names(keep).subjects);
        Ok(Some(Appending { topic, keep, asking: Asking { subject, headers, body } }))
    }

    /// A record was taken.
    fn taken(&self, keep: Retention, taken: &Value) -> Result<(), Failure> {
        let number = taken["seq"].as_u64().ok_or_else(strange)?;
        let mut known = lock(&self.known);
        if let Some(stream) = known.get_mut(&keep).filter(|_| taken["duplicate"] != true) {
            if number > stream.last {
                stream.last = number;
            } else {
                // The next records are those of its epoch.
                known.remove(&keep);
            }
        }
        Ok(())
    }

    /// Reads the records of a topic behind a place.
    pub(super) async fn past(
        &self,
        link: &Link,
        topic: &[u8],
        keep: Retention,
        after: Option<Place>,
    ) -> Result<Past, EngineError> {
        let names = self.names(keep);
        let subject = format!("{}.{}", names.subjects, word(topic));
        let mut after = after.filter(|place| place.offset > 0);
        // Servers of a cluster may have less than what was there when this was asked.
        let mut least = None;
        for _ in 0..TRIES {
            let from = after.map_or(1, |place| place.offset);
            let (seen, kept) = tokio::join!(look(link, &names, &subject), read_from(link, &names, &subject, from));
            let Some(seen) = seen? else {
                self.prepare(link, keep).await?;
                sleep(PAUSE).await;
                continue;
            };
            let kept = kept?;
            // Somebody has emptied the stream: records are appended under its epoch from now on.
            if lock(&self.known).get(&keep).is_some_and(|known| known.epoch != seen.epoch) {
                self.disconnected();
            }
            let (written, last) = *least.get_or_insert((seen.written, seen.last));
            if after.is_some_and(|place| place.epoch != seen.epoch || place.offset > seen.end) {
                after = None;
                continue;
            }
            // One server knows what it has; but the second question may have been answered before the first one.
            let is_one = self.replicas == 1;
            let last = if is_one { seen.last } else { last };
            let has_last = last < from || kept.back().is_some_and(|(number, _, _)| *number >= last);
            if has_last && (is_one || seen.end >= written) {
                return Ok(past_of(kept, &seen, keep, after));
            }
            sleep(PAUSE).await;
        }
        Err(EngineError::new("the servers do not agree on a history"))
    }
}

/// Records in the order of their topics that are written at once: all of them, or one of each topic.
fn waves(records: Vec<Appending>, apart: bool) -> Vec<Vec<Appending>> {
    let mut waves: Vec<Vec<Appending>> = Vec::new();
    let mut turns: HashMap<Bytes, usize> = HashMap::new();
    for record in records {
        let turn = turns.entry(record.topic.clone()).or_default();
        if waves.len() <= *turn {
            waves.push(Vec::new());
        }
        waves[*turn].push(record);
        *turn += usize::from(apart);
    }
    waves
}

/// Records that are missing before the first one that is kept are not known, unless the one at the place is kept, or nothing was
/// ever dropped. Then it says that there may be some.
fn past_of(mut kept: Kept, seen: &Seen, keep: Retention, after: Option<Place>) -> Past {
    let last = kept.back().map_or(0, |(number, _, _)| *number);
    let is_all =
        kept.len() < keep.records as usize && u64::try_from(seen.now - seen.begun).is_ok_and(|life| life < age(keep));
    let is_there = after.is_some() && kept.front().map(|(number, _, _)| *number) == after.map(|place| place.offset);
    if is_there {
        kept.pop_front();
    }
    let place = after.map_or(0, |place| place.offset);
    let mut before = match kept.front() {
        _ if is_there || (after.is_none() && is_all) => place,
        Some((first, _, _)) => first - 1,
        None if after.is_some() => seen.end,
        None => 0,
    };
    let last = last.max(if after.is_some() { before } else { 0 });
    let mut bytes: usize = kept.iter().map(|(_, _, body)| body.len()).sum();
    while bytes > most_read(keep, after, MOST_READ)
        && let Some((number, _, body)) = kept.pop_front()
    {
        (before, bytes) = (number, bytes - body.len());
    }
    let age = |at: i64| u64::try_from(seen.now - at).unwrap_or(0);
    Past {
        epoch: seen.epoch,
        last,
        before,
        records: kept.into_iter().map(|(number, at, body)| (number, age(at), body)).collect(),
    }
}

/// Looks at a stream; `None` if it is not there, or has no epoch.
async fn look(link: &Link, names: &Names, subject: &str) -> Result<Option<Seen>, EngineError> {
    let epoch_subject = format!("{}.{EPOCH_WORD}", names.subjects);
    let question = json!({ "multi_last": [epoch_subject, subject], "batch": 2 }).to_string();
    let direct = format!("$JS.API.DIRECT.GET.{}", names.stream);
    let info = call(link, "STREAM.INFO", &names.stream, &Value::Null);
    let (info, lasts) = tokio::join!(info, link.ask_for_all(&direct, question.as_bytes()));
    let info = match info {
        Err(Failure::Refused(NO_STREAM, _)) => return Ok(None),
        info => info.map_err(Failure::into_error)?,
    };
    let mut lasts = lasts?;
    let end = lasts.pop().ok_or_else(strange)?;
    match status(&end.headers) {
        Some(204) => {}
        Some(404 | 503) => return Ok(None),
        _ => return Err(strange()),
    }
    let now = info["ts"].as_str().and_then(milliseconds).ok_or_else(strange)?;
    let written = info["state"]["last_seq"].as_u64().ok_or_else(strange)?;
    let end = number_in(&end, "Nats-UpTo-Sequence").unwrap_or(written);
    let (epochs, records): (Vec<Answer>, Vec<Answer>) =
        lasts.into_iter().partition(|last| header(&last.headers, "Nats-Subject") == Some(&epoch_subject));
    let Some(epoch) = epochs.first() else { return Ok(None) };
    let number = std::str::from_utf8(&epoch.body).ok().and_then(|text| text.parse().ok()).ok_or_else(strange)?;
    let (_, begun, _) = kept_in(epoch).ok_or_else(strange)?;
    let last = records.first().map_or(Some(0), |last| number_in(last, "Nats-Sequence")).ok_or_else(strange)?;
    Ok(Some(Seen { now, epoch: number, begun, last, end, written }))
}

/// The records of a subject from a number on.
async fn read_from(link: &Link, names: &Names, subject: &str, from: u64) -> Result<Kept, EngineError> {
    let direct = format!("$JS.API.DIRECT.GET.{}", names.stream);
    // More of them may be read than are needed: those that come last are.
    let (mut kept, mut bytes, mut next) = (Kept::new(), 0, from);
    loop {
        let question = json!({ "seq": next, "next_by_subj": subject, "batch": AT_ONCE, "max_bytes": BYTES_AT_ONCE });
        let mut answers = link.ask_for_all(&direct, question.to_string().as_bytes()).await?;
        let end = answers.pop().ok_or_else(strange)?;
        match status(&end.headers) {
            Some(204) => {}
            Some(404 | 503) => return Ok(kept),
            _ => return Err(strange()),
        }
        let more = number_in(&end, "Nats-Num-Pending").is_some_and(|pending| pending > 0);
        for answer in &answers {
            let record = kept_in(answer).ok_or_else(strange)?;
            next = record.0 + 1;
            bytes += record.2.len();
            kept.push_back(record);
        }
        while bytes > 2 * MOST_READ
            && let Some((_, _, body)) = kept.pop_front()
        {
            bytes -= body.len();
        }
        if !more {
            return Ok(kept);
        }
        if answers.is_empty() {
            return Err(strange());
        }
    }
}

/// The record that a message is, as the stream publishes it; `None` if somebody else has.
pub(super) fn recorded(topic: &Bytes, headers: &[u8], body: &Bytes) -> Option<Recorded> {
    let number = |name| header(headers, name)?.parse::<u64>().ok();
    let place = Place { epoch: number(EPOCH)?, offset: number("Nats-Sequence")? };
    let before = number("Nats-Last-Sequence")?;
    Some(Recorded { topic: topic.clone(), body: body.clone(), place, before })
}

fn age(keep: Retention) -> u64 {
    u64::try_from(keep.age.as_millis()).unwrap_or(LONGEST).clamp(SHORTEST, LONGEST)
}

fn number_in(answer: &Answer, name: &str) -> Option<u64> {
    header(&answer.headers, name)?.parse().ok()
}

fn kept_in(answer: &Answer) -> Option<(u64, i64, Bytes)> {
    let at = milliseconds(header(&answer.headers, "Nats-Time-Stamp")?)?;
    Some((number_in(answer, "Nats-Sequence")?, at, answer.body.clone()))
}

/// The epoch in a message as JSON.
fn epoch_of(message: &Value) -> Option<u64> {
    let data = STANDARD.decode(message["data"].as_str()?).ok()?;
    std::str::from_utf8(&data).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
