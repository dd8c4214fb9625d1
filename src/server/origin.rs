//! One origin policy for every transport.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use crate::config::Origins;

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The judgement of the origin that the headers name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    Refused,
    /// No header names the origin: this is not a current browser, or the page hides its address.
    Unknown,
}

impl Origins {
    /// Judges a request by its `Origin`; without it by `Sec-Fetch-Site`, then by `Referer`.
    pub(crate) fn judge(&self, headers: &HeaderMap, uri: &Uri) -> Verdict {
        if let Some(origin) = headers.get(header::ORIGIN) {
            return allowed(self.allow(origin, headers, uri));
        }
        let foreign = match headers.get(&SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
            Some(b"same-origin") => return Verdict::Allowed,
            Some(b"same-site" | b"cross-site") if *self == Origins::Any => return Verdict::Allowed,
            // A script tag or a frame of another page sent this. Only the `Referer` can name the page.
            Some(b"same-site" | b"cross-site") => true,
            _ => false,
        };
        let Some(referer) = headers.get(header::REFERER).and_then(|referer| referer.to_str().ok()) else {
            return if foreign { Verdict::Refused } else { Verdict::Unknown };
        };
        match HeaderValue::from_str(origin_of(referer)) {
            Ok(origin) if foreign => allowed(matches!(self, Origins::List(list) if list.contains(&origin))),
            Ok(origin) => allowed(self.allow(&origin, headers, uri)),
            Err(_) => Verdict::Refused,
        }
    }

    /// Returns whether pages of this origin may use the server.
    pub(crate) fn allow(&self, origin: &HeaderValue, headers: &HeaderMap, uri: &Uri) -> bool {
        match self {
            Origins::Any => true,
            Origins::Same => is_same(origin, headers, uri),
            Origins::List(list) => list.contains(origin) || is_same(origin, headers, uri),
        }
    }
}

/// The CORS headers of an answer, by the same policy that judges the request.
///
/// They are not made by a layer, because the layer's future would keep a slice of the request, and with it
/// the connection's read buffer, for as long as a poll is parked.
#[derive(Debug)]
pub(crate) struct Cors {
    origin: Option<HeaderValue>,
    credentials: bool,
}

impl Cors {
    pub(crate) fn of(origins: &Origins, headers: &HeaderMap, uri: &Uri) -> Self {
        let origin = headers.get(header::ORIGIN).filter(|origin| origins.allow(origin, headers, uri));
        let copy = |origin: &HeaderValue| HeaderValue::from_bytes(origin.as_bytes()).ok();
        Cors { origin: origin.and_then(copy), credentials: *origins != Origins::Any }
    }

    /// Adds the headers to an answer. The answer to a preflight gets the headers that it asks for too.
    pub(crate) fn apply(self, headers: &mut HeaderMap, preflight: bool) {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        let Some(origin) = self.origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if preflight {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        }
    }
}

/// The headers by which only pages that may open sessions can show an answer in a frame.
#[derive(Debug)]
pub(crate) struct Framing {
    ancestors: HeaderValue,
    /// The older header is set too, for browsers that know only it. It cannot hold a list.
    same: bool,
}

impl Framing {
    /// `inner` is set if the frame stands in a document that Internet Explorer made, which the older header
    /// treats as another origin.
    pub(crate) fn of(origins: &Origins, inner: bool) -> Self {
        let ancestors = match origins {
            Origins::Any => "frame-ancestors *".to_owned(),
            Origins::Same => "frame-ancestors 'self'".to_owned(),
            Origins::List(list) => {
                let list = list.iter().filter_map(|origin| origin.to_str().ok());
                list.fold("frame-ancestors 'self'".to_owned(), |all, origin| all + " " + origin)
            }
        };
        let same = *origins == Origins::Same && !inner;
        let strictest = HeaderValue::from_static("frame-ancestors 'none'");
        Framing { ancestors: HeaderValue::from_str(&ancestors).unwrap_or(strictest), same }
    }

    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_SECURITY_POLICY, self.ancestors.clone());
        if self.same {
            headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
        }
    }
}

fn allowed(allowed: bool) -> Verdict {
    if allowed { Verdict::Allowed } else { Verdict::Refused }
}

/// Returns whether the origin's host and port are those that the request was sent to. The scheme is not
/// compared, because a server behind a proxy that ends TLS does not know its own scheme.
fn is_same(origin: &HeaderValue, headers: &HeaderMap, uri: &Uri) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.or_else(|| uri.authority().map(|authority| authority.as_str())) else { return false };
    let Some((scheme, authority)) = origin.to_str().ok().and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    let default = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |name: &str| name.strip_suffix(default).unwrap_or(name).to_ascii_lowercase();
    bare(host) == bare(authority)
}

/// Returns the origin part of a URL.
fn origin_of(url: &str) -> &str {
    let Some(start) = url.find("://").map(|at| at + 3) else { return url };
    match url[start..].find(['/', '?', '#']) {
        Some(end) => &url[..start + end],
        None => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(origins: &Origins, pairs: &[(&str, &str)]) -> Verdict {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        origins.judge(&headers, &Uri::from_static("/live/open"))
    }

    #[test]
    fn same_host_only_by_default() {
        let same = Origins::Same;
        let host = ("host", "chat.test:8080");
        assert_eq!(judge(&same, &[host, ("origin", "http://chat.test:8080")]), Verdict::Allowed);
        assert_eq!(judge(&same, &[host, ("origin", "http://CHAT.test:8080")]), Verdict::Allowed);
        assert_eq!(judge(&same, &[host, ("origin", "http://chat.test")]), Verdict::Refused);
        assert_eq!(judge(&same, &[host, ("origin", "null")]), Verdict::Refused);
        assert_eq!(judge(&same, &[("host", "chat.test"), ("origin", "https://chat.test")]), Verdict::Allowed);
        assert_eq!(judge(&same, &[("host", "chat.test:443"), ("origin", "https://chat.test")]), Verdict::Allowed);
        assert_eq!(judge(&same, &[("host", "chat.test"), ("origin", "https://evil.test")]), Verdict::Refused);
    }

    #[test]
    fn without_an_origin_other_headers_decide() {
        let same = Origins::Same;
        let host = ("host", "chat.test");
        assert_eq!(judge(&same, &[host]), Verdict::Unknown);
        assert_eq!(judge(&same, &[host, ("sec-fetch-site", "same-origin")]), Verdict::Allowed);
        assert_eq!(judge(&same, &[host, ("sec-fetch-site", "cross-site")]), Verdict::Refused);
        assert_eq!(judge(&same, &[host, ("sec-fetch-site", "none")]), Verdict::Unknown);
        assert_eq!(judge(&same, &[host, ("referer", "http://chat.test/page?x")]), Verdict::Allowed);
        assert_eq!(judge(&same, &[host, ("referer", "http://evil.test/chat.test")]), Verdict::Refused);
        assert_eq!(judge(&Origins::Any, &[host, ("sec-fetch-site", "cross-site")]), Verdict::Allowed);
        assert_eq!(judge(&Origins::Any, &[host]), Verdict::Unknown);
    }

    #[test]
    fn a_list_adds_to_the_same_host() {
        let list = Origins::List(vec![HeaderValue::from_static("https://app.test")]);
        let host = ("host", "live.test");
        assert_eq!(judge(&list, &[host, ("origin", "https://app.test")]), Verdict::Allowed);
        assert_eq!(judge(&list, &[host, ("origin", "http://app.test")]), Verdict::Refused);
        assert_eq!(judge(&list, &[host, ("origin", "https://live.test")]), Verdict::Allowed);
    }
}
