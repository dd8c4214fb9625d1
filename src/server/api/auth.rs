//! The client's auth data, as an extractor.

use std::fmt;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use bytestring::ByteString;
use serde::de::DeserializeOwned;

/// The auth data that the client gave with its opening, as an extractor.
///
/// The client's `auth` option is sent in the first frame, never in a URL. `T` is read from it as JSON; if that fails, from the whole
/// text as one JSON string, so that `Auth<String>` takes a bare token.
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

/// Why [`Auth`] rejected an opening: a status of 401 and a text.
#[derive(Debug)]
pub struct AuthRejection(serde_json::Error);

/// Where the open frame's auth data waits for [`Auth`].
#[derive(Clone, Debug)]
pub(crate) struct AuthData(pub(crate) ByteString);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Auth<T> {
    type Rejection = AuthRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthRejection> {
        let text = parts.extensions.get::<AuthData>().map_or("", |data| &data.0);
        serde_json::from_str(text)
            .or_else(|error| serde_json::from_value(text.into()).map_err(|_| error))
            .map(Auth)
            .map_err(AuthRejection)
    }
}

impl fmt::Display for AuthRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the auth data does not fit: {}", self.0)
    }
}

impl std::error::Error for AuthRejection {}

impl IntoResponse for AuthRejection {
    fn into_response(self) -> Response {
        (StatusCode::UNAUTHORIZED, self.to_string()).into_response()
    }
}
