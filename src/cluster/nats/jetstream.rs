//! The questions of JetStream, and their answers.

use serde_json::Value;

use super::link::{Answer, Link};
use crate::cluster::engine::EngineError;

/// The errors of a server that are answers.
pub(super) const NO_STREAM: u64 = 10_059;
pub(super) const NO_MESSAGE: u64 = 10_037;
pub(super) const NO_SUCH_NUMBER: u64 = 10_043;
pub(super) const ANOTHER_NUMBER: u64 = 10_071;
const STREAM_DIFFERS: u64 = 10_058;

/// An answer that is none.
#[derive(Debug)]
pub(super) enum Failure {
    /// The stream is not there.
    NoStream,
    /// The server has refused it, with this number and text.
    Refused(u64, String),
    Engine(EngineError),
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Failure::Engine(error)
    }
}

impl Failure {
    pub(super) fn into_error(self) -> EngineError {
        match self {
            Failure::NoStream => EngineError::new("JetStream is not there: the server needs it to be enabled"),
            Failure::Refused(number, text) => EngineError::new(format_args!("the server says: {text} ({number})")),
            Failure::Engine(error) => error,
        }
    }
}

/// Asks JetStream for something about a stream.
pub(super) async fn call(link: &Link, name: &str, stream: &str, question: &Value) -> Result<Value, Failure> {
    let body = if question.is_null() { String::new() } else { question.to_string() };
    let answer = link.ask(&format!("$JS.API.{name}.{stream}"), &[], body.as_bytes()).await?;
    read(&answer)
}

/// Makes a stream, unless it is there. Returns its settings, which may be others: somebody else may have made it.
pub(super) async fn make(link: &Link, stream: &str, config: &Value) -> Result<Value, EngineError> {
    let found = match call(link, "STREAM.INFO", stream, &Value::Null).await {
        Err(Failure::Refused(NO_STREAM, _)) => {
            let made = call(link, "STREAM.CREATE", stream, config).await;
            match made {
                // Another node was faster, with other settings.
                Err(Failure::Refused(STREAM_DIFFERS, _)) => call(link, "STREAM.INFO", stream, &Value::Null).await,
                made => made,
            }
        }
        found => found,
    };
    Ok(found.map_err(Failure::into_error)?["config"].take())
}

/// The error of a stream that somebody else has made for something else.
pub(super) fn another(stream: &str) -> EngineError {
    EngineError::new(format_args!("the server's stream {stream} is another one: delete it, or set another prefix"))
}

/// The error of an answer that nobody understands.
pub(super) fn strange() -> EngineError {
    EngineError::new("the server's answer is none of JetStream")
}

pub(super) fn read(answer: &Answer) -> Result<Value, Failure> {
    if answer.is_of_nobody() {
        return Err(Failure::NoStream);
    }
    let value: Value = serde_json::from_slice(&answer.body).map_err(|_| Failure::Engine(strange()))?;
    match value.get("error") {
        None => Ok(value),
        Some(error) => {
            let text = error["description"].as_str().unwrap_or("an error without a text");
            Err(Failure::Refused(error["err_code"].as_u64().unwrap_or_default(), text.to_owned()))
        }
    }
}
