//! The client's auth data, as an extractor.

use std::fmt;

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use bytestring::ByteString;
use serde::de::DeserializeOwned;

/// An extractor of the auth data that the client gave with its opening.
///
/// The client sends its `auth` option in the first frame, never in a URL. `T` is read from it as JSON; if
/// that fails, from the whole text as one JSON string, so that `Auth<String>` takes a bare token. Data that
/// does not fit is rejected with status 401 and code 4301.
///
/// A client without auth data sends an empty text, which `Auth<String>` takes and most other types reject.
/// `Option<Auth<T>>` is `None` then, but data that does not fit is rejected all the same. Clients whose
/// protocol has no place for auth data get `None`, or a rejection by `Auth`.
///
/// ```
/// use anywire::{Auth, Session};
///
/// #[derive(serde::Deserialize)]
/// struct Token { token: String }
///
/// async fn chat(Auth(token): Auth<Token>, session: Session) {
///     let _ = session.send(token.token).await;
/// }
/// # fn check<T, H: anywire::Handler<T, ()>>(_: H) {}
/// # check(chat);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Auth<T>(pub T);

/// The reason why [`Auth`] rejected an opening: there is no auth data, or it does not fit. The answer has
/// status 401. Its text names the place where the data does not fit, and quotes nothing of it.
#[derive(Debug)]
pub struct AuthRejection(Kind);

#[derive(Debug)]
enum Kind {
    Missing,
    /// The data does not fit at this place. The text of serde would quote the data, which is a secret.
    Unfit {
        syntax: bool,
        line: usize,
        column: usize,
    },
}

impl Kind {
    fn of(error: &serde_json::Error) -> Self {
        Kind::Unfit { syntax: !error.is_data(), line: error.line(), column: error.column() }
    }
}

/// The auth data of an opening, as an extension of its request. It is absent if the client's protocol has no
/// place for it.
#[derive(Clone)]
pub(crate) struct AuthData(pub(crate) ByteString);

impl fmt::Debug for AuthData {
    /// The data is a secret: whoever logs the extensions of a request must not log it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthData")
    }
}

impl AuthData {
    fn read<T: DeserializeOwned>(&self) -> Result<Auth<T>, AuthRejection> {
        let text: &str = &self.0;
        serde_json::from_str(text)
            .or_else(|error| serde_json::from_value(text.into()).map_err(|_| error))
            .map(Auth)
            .map_err(|error| AuthRejection(Kind::of(&error)))
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Auth<T> {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthRejection> {
        parts.extensions.get::<AuthData>().ok_or(AuthRejection(Kind::Missing))?.read()
    }
}

impl<S: Sync, T: DeserializeOwned> OptionalFromRequestParts<S> for Auth<T> {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, AuthRejection> {
        match parts.extensions.get::<AuthData>() {
            Some(data) if !data.0.is_empty() => data.read().map(Some),
            _ => Ok(None),
        }
    }
}

impl fmt::Display for AuthRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Missing => f.write_str("no auth data"),
            Kind::Unfit { syntax: true, line, column } => {
                write!(f, "the auth data is not JSON (line {line}, column {column})")
            }
            Kind::Unfit { line, column, .. } => {
                write!(f, "the auth data is not of the type that is expected (line {line}, column {column})")
            }
        }
    }
}

impl std::error::Error for AuthRejection {}

impl IntoResponse for AuthRejection {
    fn into_response(self) -> Response {
        (StatusCode::UNAUTHORIZED, self.to_string()).into_response()
    }
}
