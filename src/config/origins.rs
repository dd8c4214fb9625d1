//! Which pages may open sessions.

/// Which pages may open sessions, judged the same way on every transport, WebSocket included.
///
/// Pages of the same host always may: browsers that send `Sec-Fetch-Site: same-origin` prove it, and otherwise
/// the `Origin` must name the host that the request was sent to. A request without `Origin` is judged by its
/// `Referer`. A program that sends none of them may open a session where [`and_programs`](Self::and_programs) or
/// [`Any`](Self::Any) allows it, and its cookies are removed.
///
/// Cookies of a page of another origin reach the handler only if that origin is in a [list](Self::list) and the
/// page connects with `credentials: 'include'`. Under [`Any`](Self::Any) they never do. This is the same on every
/// transport.
///
/// Script tags and frames send no `Origin`. A page whose origin is in a list must therefore send its `Referer`
/// (its `Referrer-Policy` must not be `no-referrer`) for the transports that use them.
///
/// ```
/// use anywire::Origins;
///
/// let app = Origins::list(["https://app.example.org", "http://localhost:5173"]);
/// let app_and_scripts = Origins::list(["https://app.example.org"]).and_programs();
/// let programs = Origins::Same.and_programs();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origins {
    /// Pages of the host that serves this request. The default.
    #[default]
    Same,
    /// Pages of the same host and of these origins; [`list`](Self::list) makes it.
    #[non_exhaustive]
    List {
        /// Origins as browsers write them.
        origins: Vec<String>,
        /// Whether programs that send no origin may open sessions too.
        programs: bool,
    },
    /// All pages, and programs that send no origin. Cookies of other origins are removed.
    Any,
}

impl Origins {
    /// Pages of the same host and of these origins. An origin is a scheme and a host, with the port if it is not
    /// the default port of the scheme: `https://example.org`, `http://localhost:5173`.
    ///
    /// # Panics
    /// Panics if a text is not an origin, since no page would ever match it.
    pub fn list<T: AsRef<str>>(origins: impl IntoIterator<Item = T>) -> Self {
        let origins = origins.into_iter().map(|origin| {
            let origin = origin.as_ref();
            normal(origin).unwrap_or_else(|| {
                panic!(
                    "{origin:?} is not an origin: write a scheme and a host, as `https://example.org`, without a path"
                )
            })
        });
        Origins::List { origins: origins.collect(), programs: false }
    }

    /// Allows programs that send no origin too: clients in Node, tests, devices. Browsers always name the page,
    /// so this admits no other page.
    #[must_use]
    pub fn and_programs(self) -> Self {
        match self {
            Origins::Same => Origins::List { origins: Vec::new(), programs: true },
            Origins::List { origins, .. } => Origins::List { origins, programs: true },
            Origins::Any => Origins::Any,
        }
    }

    /// The origins that are named.
    pub(crate) fn listed(&self) -> &[String] {
        match self {
            Origins::List { origins, .. } => origins,
            Origins::Same | Origins::Any => &[],
        }
    }

    /// Whether programs may open sessions that send no origin.
    pub(crate) fn admit_programs(&self) -> bool {
        matches!(self, Origins::Any | Origins::List { programs: true, .. })
    }
}

/// The origin as browsers write it; `None` if the text is not one.
fn normal(origin: &str) -> Option<String> {
    let (scheme, authority) = origin.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let scheme_fits =
        scheme.bytes().next().is_some_and(|first| first.is_ascii_alphabetic()) && scheme.bytes().all(fits);
    // That is the address of a WebSocket. The page that opens it has another scheme.
    let scheme_fits = scheme_fits && scheme != "ws" && scheme != "wss";
    (scheme_fits && is_authority(authority)).then(|| format!("{scheme}://{}", bare(&scheme, authority)))
}

/// Whether this is a host, perhaps with a port.
pub(crate) fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_name = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let is_address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    (is_name || is_address) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// A host and port in small letters, without the default port of the scheme.
fn bare(scheme: &str, authority: &str) -> String {
    without_port(scheme, authority).to_ascii_lowercase()
}

/// A host and port without the default port of the scheme.
pub(crate) fn without_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let default = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    authority.strip_suffix(default).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for (text, origin) in [
            ("https://app.test", "https://app.test"),
            ("HTTPS://App.Test:443", "https://app.test"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:80", "http://[::1]"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ] {
            assert_eq!(Origins::list([text]).listed(), [origin]);
        }
        for text in [
            "",
            "app.test",
            "*",
            "null",
            "https://",
            "https://app.test/",
            "https://a.test/b",
            "https://*.test",
            "https://a:b",
            "wss://app.test",
        ] {
            assert_eq!(normal(text), None, "{text}");
        }
    }

    #[test]
    fn programs_are_added_to_what_was_allowed() {
        let list = Origins::list(["https://app.test"]);
        assert!(!Origins::Same.admit_programs() && !list.admit_programs() && Origins::Any.admit_programs());
        assert!(Origins::Same.and_programs().admit_programs());
        let both = list.and_programs();
        assert!(both.admit_programs());
        assert_eq!(both.listed(), ["https://app.test"]);
        assert_eq!(Origins::Any.and_programs(), Origins::Any);
    }
}
