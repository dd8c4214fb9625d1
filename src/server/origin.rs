//! One origin policy for every transport.

#[cfg(test)]
mod tests;

use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Uri, header, request::Parts};

use super::{
    forwarded,
    remote::{is_trusted, peer},
};
use crate::{
    config::{Config, Origins, without_port},
    message::truncate,
    session::{CloseReason, reason},
};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The reason of a refusal quotes at most so many bytes of a header.
const MOST_QUOTED: usize = 200;

/// The judgement of the origin that the headers name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A page of this server's own host.
    Allowed,
    /// A page of an origin in the list.
    Listed,
    /// Any other page, where all may open sessions.
    Foreign,
    /// No header names the origin: this is a program, an old browser, or a page that hides its address.
    Unknown,
    /// `Origin` and `Host` differ, and the browser does not state whether the page is of another site: it may be
    /// one of this server's own, behind a proxy that changes `Host`.
    Doubted,
    Refused,
}

/// The parts of a request that the policy looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) uri: &'a Uri,
    pub(crate) extensions: &'a Extensions,
}

impl<'a> Asked<'a> {
    pub(crate) fn of(parts: &'a Parts) -> Self {
        Asked { headers: &parts.headers, uri: &parts.uri, extensions: &parts.extensions }
    }

    fn text(self, name: &HeaderName) -> Option<&'a str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn host(self) -> Option<&'a str> {
        self.text(&header::HOST).or_else(|| self.uri.authority().map(|authority| authority.as_str()))
    }

    /// The host that the browser asked for, if a trusted proxy reports it.
    fn forwarded_host(self, config: &Config) -> Option<&'a str> {
        peer(self.extensions).filter(|peer| is_trusted(*peer, &config.trusted_proxies))?;
        forwarded::host(self.headers)
    }
}

/// The origin that a request names, and what its pages may do.
#[derive(Clone, Copy, Debug)]
struct Named<'a> {
    value: &'a HeaderValue,
    may: Verdict,
}

impl<'a> Named<'a> {
    fn of(config: &Config, asked: Asked<'a>) -> Option<Self> {
        let value = asked.headers.get(header::ORIGIN)?;
        Some(Named { value, may: classify(config, value.to_str().unwrap_or_default(), asked) })
    }
}

/// Judges a request.
pub(crate) fn judge(config: &Config, asked: Asked<'_>) -> Verdict {
    judge_named(config, asked, Named::of(config, asked))
}

/// Judges a request, and returns the CORS headers of its answer. Its origin is looked at once for both.
pub(crate) fn judge_for_cors(config: &Config, asked: Asked<'_>) -> (Verdict, Cors) {
    let named = Named::of(config, asked);
    (judge_named(config, asked, named), Cors::of_named(config, named))
}

/// `Sec-Fetch-Site: same-origin` proves a page of our own, since no page can set that header;
/// no other value of it overrides `Origin`. Where the server's names are given, only they count.
fn judge_named(config: &Config, asked: Asked<'_>, named: Option<Named<'_>>) -> Verdict {
    let site = asked.headers.get(&SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    let own = site == Some(b"same-origin");
    if own && config.hosts.is_empty() {
        return Verdict::Allowed;
    }
    if let Some(Named { value, may }) = named {
        return match may {
            Verdict::Refused if site.is_none() && config.hosts.is_empty() && value != "null" => Verdict::Doubted,
            verdict => verdict,
        };
    }
    let foreign = matches!(site, Some(b"same-site" | b"cross-site"));
    match asked.text(&header::REFERER).map(origin_of) {
        _ if foreign && config.origins == Origins::Any => Verdict::Foreign,
        // A script tag or a frame of another page sent this. Only the `Referer` can name the page.
        Some(origin) if foreign && !is_listed(config, origin) => Verdict::Refused,
        Some(origin) => classify(config, origin, asked),
        None if foreign => Verdict::Refused,
        None if own && asked.host().is_some_and(|host| is_known(config, host)) => Verdict::Allowed,
        None if own => Verdict::Refused,
        None => Verdict::Unknown,
    }
}

/// The reason for which a request is refused. It names what does not fit and the ways out, for the people who
/// set the server up.
pub(crate) fn refusal(config: &Config, asked: Asked<'_>, verdict: Verdict) -> CloseReason {
    let Some(origin) = asked.text(&header::ORIGIN) else { return reason::ORIGIN_REFUSED };
    let origin = truncate(origin, MOST_QUOTED);
    let text = match asked.host() {
        Some(host) if verdict == Verdict::Doubted => format!(
            "pages of {origin} may not open sessions at {}: if that is this server's own page, let the proxy pass Host \
             on, or name the server with hosts(); if not, list the origin with origins()",
            truncate(host, MOST_QUOTED)
        ),
        _ if config.hosts.is_empty() => {
            format!("pages of {origin} may not open sessions here: if they shall, list the origin with origins()")
        }
        _ => format!(
            "pages of {origin} may not open sessions here: if that is this server's own page, add its host to hosts(); \
             if not, list the origin with origins()"
        ),
    };
    CloseReason::new(reason::ORIGIN_REFUSED.code, text)
}

/// The things that a page of this origin may do.
fn classify(config: &Config, origin: &str, asked: Asked<'_>) -> Verdict {
    if is_same(config, origin, asked) {
        Verdict::Allowed
    } else if is_listed(config, origin) {
        Verdict::Listed
    } else if config.origins == Origins::Any {
        Verdict::Foreign
    } else {
        Verdict::Refused
    }
}

fn is_listed(config: &Config, origin: &str) -> bool {
    config.origins.listed().iter().any(|listed| listed == origin)
}

/// Whether the origin's host and port are those that the request was sent to. The scheme is not compared,
/// because a server behind a proxy that ends TLS does not know its own scheme.
fn is_same(config: &Config, origin: &str, asked: Asked<'_>) -> bool {
    let host = asked.host();
    // Most browsers write both alike.
    let beside = origin.strip_suffix(host.unwrap_or_default());
    if config.hosts.is_empty() && host.is_some() && matches!(beside, Some("http://" | "https://")) {
        return true;
    }
    let (scheme, authority) = match (origin.strip_prefix("http://"), origin.strip_prefix("https://")) {
        (Some(authority), _) => ("http", authority),
        (None, Some(authority)) => ("https", authority),
        (None, None) => return false,
    };
    let authority = without_port(scheme, authority);
    if !config.hosts.is_empty() {
        return is_named(config, scheme, authority);
    }
    let is_it = |host| without_port(scheme, host).eq_ignore_ascii_case(authority);
    host.is_some_and(is_it) || asked.forwarded_host(config).is_some_and(is_it)
}

/// Whether this is one of the names by which browsers know the server, with either scheme.
fn is_known(config: &Config, host: &str) -> bool {
    ["http", "https"].iter().any(|scheme| is_named(config, scheme, without_port(scheme, host)))
}

/// The same for one scheme, whose default port is not written in `authority`.
fn is_named(config: &Config, scheme: &str, authority: &str) -> bool {
    config.hosts.iter().any(|name| without_port(scheme, name).eq_ignore_ascii_case(authority))
}

/// The origin part of a URL.
fn origin_of(url: &str) -> &str {
    let Some(start) = url.find("://").map(|at| at + 3) else { return url };
    match url[start..].find(['/', '?', '#']) {
        Some(end) => &url[..start + end],
        None => url,
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
    pub(crate) fn of(config: &Config, asked: Asked<'_>) -> Self {
        Self::of_named(config, Named::of(config, asked))
    }

    fn of_named(config: &Config, named: Option<Named<'_>>) -> Self {
        let origin = named.filter(|named| named.may != Verdict::Refused).and_then(|named| named.value.to_str().ok());
        let copy = |origin| HeaderValue::from_str(origin).ok();
        Cors { origin: origin.and_then(copy), credentials: config.origins != Origins::Any }
    }

    /// The origin, if it may read answers.
    pub(crate) fn into_origin(self) -> Option<HeaderValue> {
        self.origin
    }

    /// Adds the headers to an answer. The answer to a preflight says too what may be sent; it may name the headers
    /// itself.
    pub(crate) fn apply(self, headers: &mut HeaderMap, preflight: bool) {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        let Some(origin) = self.origin else {
            headers.remove(header::ACCESS_CONTROL_ALLOW_HEADERS);
            return;
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if preflight {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
            let names = headers.entry(header::ACCESS_CONTROL_ALLOW_HEADERS);
            names.or_insert(HeaderValue::from_static("content-type"));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        }
    }
}

/// The headers of a family's usual answers, with those of CORS. They are made once: a copy costs a fraction of what it costs
/// to insert each.
#[derive(Debug)]
pub(crate) struct UsualHeaders {
    /// For a page that may read the answer, and sends credentials. Its origin is still to be set.
    of_page: HeaderMap,
    others: HeaderMap,
}

impl UsualHeaders {
    pub(crate) fn new(family: &[(HeaderName, HeaderValue)]) -> Self {
        let of = |origin: Option<HeaderValue>| {
            let mut headers: HeaderMap = family.iter().cloned().collect();
            Cors { origin, credentials: true }.apply(&mut headers, false);
            headers
        };
        UsualHeaders { of_page: of(Some(HeaderValue::from_static("null"))), others: of(None) }
    }

    /// The headers of one answer: those of the family, and those that [`Cors::apply`] adds.
    pub(crate) fn with(&self, cors: Cors) -> HeaderMap {
        let Some(origin) = cors.origin else { return self.others.clone() };
        let mut headers = self.of_page.clone();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if !cors.credentials {
            headers.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
        }
        headers
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
            _ => origins.listed().iter().fold("frame-ancestors 'self'".to_owned(), |all, origin| all + " " + origin),
        };
        let same = *origins != Origins::Any && origins.listed().is_empty() && !inner;
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
