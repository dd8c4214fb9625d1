//! A stream of JetStream in which each subject has one message: its value, until its time is over.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    jetstream::{self, ANOTHER_NUMBER, Failure, NO_MESSAGE, NO_STREAM, NO_SUCH_NUMBER, read, strange},
    link::{Answer, Link},
    protocol::{header, status},
    time::milliseconds,
};
use crate::cluster::engine::EngineError;

/// The longest time that the server is given: a hundred years, in milliseconds.
const LONGEST: u64 = 100 * 365 * 24 * 3600 * 1000;
/// The most values that are read at once.
const MOST: usize = 1_024;

pub(super) struct Stream {
    /// All subjects begin with it.
    pub(super) prefix: String,
    pub(super) name: String,
    pub(super) replicas: u64,
}

/// The value of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// It is empty where the caller has asked for one subject.
    pub(super) subject: String,
    /// It says which value this is: each has a higher one.
    pub(super) sequence: u64,
    /// When it was put there by the server's clock, in milliseconds.
    pub(super) at: i64,
    /// The milliseconds for which it holds.
    pub(super) keep: u64,
    pub(super) value: Bytes,
}

impl Entry {
    /// Whether its time is over at this time of the server.
    pub(super) fn is_over(&self, now: i64) -> bool {
        i128::from(now) - i128::from(self.at) >= i128::from(self.keep)
    }
}

/// The outcome of putting a value where another may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Done,
    /// There is another value than the caller knows of.
    Other,
}

impl Stream {
    /// Makes the stream, unless it is there.
    pub(super) async fn prepare(&self, link: &Link) -> Result<(), EngineError> {
        self.judge(&jetstream::make(link, &self.name, &self.config()).await?)
    }

    fn config(&self) -> Value {
        json!({
            "name": self.name, "subjects": self.subjects(), "retention": "limits", "storage": "memory",
            "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msgs_per_subject": 1,
            "discard": "old", "num_replicas": self.replicas, "allow_direct": true, "allow_msg_ttl": true,
        })
    }

    fn subjects(&self) -> [String; 3] {
        ["claim.*", "node.*", "note.*.*"].map(|rest| format!("{}.{rest}", self.prefix))
    }

    /// A stream that somebody else has made serves too, if it keeps what is needed.
    fn judge(&self, config: &Value) -> Result<(), EngineError> {
        let has =
            |subject: &String| config["subjects"].as_array().is_some_and(|all| all.iter().any(|one| one == subject));
        let is_fit = config["max_msgs_per_subject"] == 1
            && config["allow_direct"] == true
            && config["allow_msg_ttl"] == true
            && self.subjects().iter().all(has);
        if is_fit {
            return Ok(());
        }
        Err(jetstream::another(&self.name))
    }

    /// Puts a value, for a time. `expected`: only if the subject's value is this one, or if it has none for 0.
    pub(super) async fn put(
        &self,
        link: &Link,
        subject: &str,
        value: &[u8],
        keep: Duration,
        expected: Option<u64>,
    ) -> Result<Put, EngineError> {
        let keep = u64::try_from(keep.as_millis()).unwrap_or(LONGEST).clamp(1, LONGEST);
        let body = [format!("{keep} ").as_bytes(), value].concat();
        // The server counts in seconds. It forgets a value later than it is over.
        let mut headers = vec![("Nats-TTL", (keep / 1_000 + 2).to_string())];
        headers.extend(expected.map(|expected| ("Nats-Expected-Last-Subject-Sequence", expected.to_string())));
        let mut made = false;
        loop {
            let answer = link.ask(subject, &headers, &body).await?;
            if answer.is_of_nobody() && !made {
                made = true;
                self.prepare(link).await?;
                continue;
            }
            return match read(&answer) {
                Ok(_) => Ok(Put::Done),
                Err(Failure::Refused(ANOTHER_NUMBER, _)) => Ok(Put::Other),
                Err(failure) => Err(failure.into_error()),
            };
        }
    }

    /// The value of a subject, which may be over, and the server's time.
    pub(super) async fn get(&self, link: &Link, subject: &str) -> Result<Option<(Entry, i64)>, EngineError> {
        let question = json!({ "last_by_subj": subject });
        let (found, now) = tokio::join!(self.call(link, "STREAM.MSG.GET", &question), self.now(link));
        match found {
            Err(Failure::Refused(NO_MESSAGE | NO_STREAM, _)) => Ok(None),
            Err(failure) => Err(failure.into_error()),
            Ok(found) => {
                let entry = entry_of(&found["message"]).ok_or_else(strange)?;
                Ok(Some((entry, now?)))
            }
        }
    }

    /// All values of the subjects that a pattern has, which are not over.
    pub(super) async fn all(&self, link: &Link, pattern: &str) -> Result<Vec<Entry>, EngineError> {
        let subject = format!("$JS.API.DIRECT.GET.{}", self.name);
        let question = json!({ "multi_last": [pattern], "batch": MOST }).to_string();
        let (answers, now) = tokio::join!(link.ask_for_all(&subject, question.as_bytes()), self.now(link));
        let mut answers = answers?;
        let last = answers.pop().ok_or_else(strange)?;
        let is_whole = header(&last.headers, "Nats-Num-Pending").is_none_or(|pending| pending == "0");
        match status(&last.headers) {
            Some(204) if is_whole => {}
            // There is nothing, or no stream.
            Some(404) => return Ok(vec![]),
            Some(503) => return self.prepare(link).await.map(|()| vec![]),
            Some(204 | 413) => return Err(EngineError::new(format_args!("the server has more than {MOST} values"))),
            _ => return Err(strange()),
        }
        let now = now?;
        let entries = answers.iter().map(|answer| entry_in(answer).ok_or_else(strange));
        let entries: Vec<Entry> = entries.collect::<Result<_, _>>()?;
        Ok(entries.into_iter().filter(|entry| !entry.is_over(now)).collect())
    }

    /// Removes a value, if it is still the one that was seen.
    pub(super) async fn remove(&self, link: &Link, sequence: u64) -> Result<(), EngineError> {
        let question = json!({ "seq": sequence, "no_erase": true });
        done(self.call(link, "STREAM.MSG.DELETE", &question).await)
    }

    /// Removes the value of a subject.
    pub(super) async fn clear(&self, link: &Link, subject: &str) -> Result<(), EngineError> {
        done(self.call(link, "STREAM.PURGE", &json!({ "filter": subject })).await)
    }

    /// The server's time, in milliseconds.
    async fn now(&self, link: &Link) -> Result<i64, EngineError> {
        let info = self.call(link, "STREAM.INFO", &Value::Null).await.map_err(Failure::into_error)?;
        info["ts"].as_str().and_then(milliseconds).ok_or_else(strange)
    }

    /// Asks JetStream for something.
    async fn call(&self, link: &Link, name: &str, question: &Value) -> Result<Value, Failure> {
        jetstream::call(link, name, &self.name, question).await
    }
}

/// A value that is not there needs no removal.
fn done(outcome: Result<Value, Failure>) -> Result<(), EngineError> {
    match outcome {
        Ok(_) | Err(Failure::Refused(NO_STREAM | NO_MESSAGE | NO_SUCH_NUMBER, _)) => Ok(()),
        Err(failure) => Err(failure.into_error()),
    }
}

/// A message as JSON.
fn entry_of(message: &Value) -> Option<Entry> {
    let data = STANDARD.decode(message["data"].as_str().unwrap_or_default()).ok()?;
    let (keep, value) = kept(&data.into());
    let at = milliseconds(message["time"].as_str()?)?;
    Some(Entry { subject: String::new(), sequence: message["seq"].as_u64()?, at, keep, value })
}

/// A message as it is.
fn entry_in(answer: &Answer) -> Option<Entry> {
    let value = |name| header(&answer.headers, name);
    let (keep, kept) = kept(&answer.body);
    let at = milliseconds(value("Nats-Time-Stamp")?)?;
    let sequence = value("Nats-Sequence")?.parse().ok()?;
    Some(Entry { subject: value("Nats-Subject")?.to_owned(), sequence, at, keep, value: kept })
}

/// The milliseconds for which a value holds, and the value. What somebody else has put there is over at once.
fn kept(body: &Bytes) -> (u64, Bytes) {
    let space = body.iter().position(|&byte| byte == b' ');
    let read = space.and_then(|space| {
        let keep = std::str::from_utf8(&body[..space]).ok()?.parse().ok()?;
        Some((keep, body.slice(space + 1..)))
    });
    read.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_time() {
        let entry = |body: &'static str| {
            let headers =
                "NATS/1.0\r\nNats-Subject: a.b\r\nNats-Sequence: 7\r\nNats-Time-Stamp: 1970-01-01T00:00:01Z\r\n";
            entry_in(&Answer { headers: headers.into(), body: body.into() }).unwrap()
        };
        let kept = entry("400 a value");
        assert_eq!((kept.subject.as_str(), kept.sequence, kept.at), ("a.b", 7, 1_000));
        assert_eq!(kept.value, "a value");
        assert!(!kept.is_over(1_399) && kept.is_over(1_400) && !kept.is_over(i64::MIN));
        for garbage in ["", "x", "x y", "-1 y", " y", "18446744073709551616 y"] {
            assert!(entry(garbage).is_over(1_000), "{garbage}");
        }
        assert!(!entry("18446744073709551615 y").is_over(i64::MAX));
        let json = json!({ "seq": 3, "time": "1970-01-01T00:00:01.5Z", "data": "NDAwIHY=" });
        let expected = Entry { subject: String::new(), sequence: 3, at: 1_500, keep: 400, value: "v".into() };
        assert_eq!(entry_of(&json), Some(expected));
        for wrong in [json!({}), json!({ "seq": 3, "time": "now" }), json!({ "seq": 3, "data": "=" }), json!([])] {
            assert_eq!(entry_of(&wrong), None, "{wrong}");
        }
    }
}
