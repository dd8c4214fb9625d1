//! The hops that proxies report of a request: `X-Forwarded-For`, and `Forwarded` (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header};

/// The addresses that proxies report, the last first; `None` stands for one that is hidden or malformed.
/// `Forwarded` counts only where there is no `X-Forwarded-For`.
pub(super) fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let texts = |name| headers.get_all(name).iter().rev().map(|value| value.to_str().unwrap_or_default());
    if headers.contains_key("x-forwarded-for") {
        return texts("x-forwarded-for").flat_map(|value| value.rsplit(',')).map(node).collect();
    }
    let elements = texts(header::FORWARDED.as_str()).flat_map(|value| split(value, ',').into_iter().rev());
    elements.map(|element| node(pair(element, "for")?)).collect()
}

/// The host that the browser asked for, as the first proxy reports it.
pub(super) fn host(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(hosts) = text("x-forwarded-host") {
        return hosts.split(',').next().map(str::trim);
    }
    let first = split(text(header::FORWARDED.as_str())?, ',').into_iter().next()?;
    pair(first, "host").map(unquoted)
}

/// Splits at a mark that does not stand in quotes.
fn split(text: &str, mark: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|letter: char| {
        let splits = letter == mark && !quoted;
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        splits
    });
    parts.collect()
}

/// The value of a pair of an element of `Forwarded`, perhaps in quotes.
fn pair<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = split(element, ';').into_iter().filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// An address with or without a port, in quotes and brackets or not.
fn node(text: &str) -> Option<IpAddr> {
    let text = unquoted(text.trim());
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bracketed.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn addresses_have_ports_brackets_and_quotes() {
        for (text, address) in [
            ("192.0.2.1", Some("192.0.2.1")),
            (" 192.0.2.1:5555 ", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:80", Some("2001:db8::1")),
            ("\"[2001:db8::1]:80\"", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("unknown", None),
            ("_hidden", None),
            ("192.0.2.1:x", None),
            ("", None),
        ] {
            assert_eq!(node(text), address.map(|address| address.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn the_last_hop_is_first() {
        let texts = |lines: &[(&'static str, &str)]| {
            let hops = hops(&headers(lines)).into_iter();
            hops.map(|hop| hop.map_or("-".to_owned(), |hop| hop.to_string())).collect::<Vec<_>>()
        };
        let plain = [("x-forwarded-for", "192.0.2.1, 192.0.2.2:5"), ("x-forwarded-for", "192.0.2.3")];
        assert_eq!(texts(&plain), ["192.0.2.3", "192.0.2.2", "192.0.2.1"]);
        let standard = [
            ("forwarded", "proto=https;For=\"[2001:db8::1]:4711\", for=unknown;by=x"),
            ("forwarded", "x=\"a,for=1.1.1.1\";for=192.0.2.3, host=a"),
        ];
        assert_eq!(texts(&standard), ["-", "192.0.2.3", "-", "2001:db8::1"]);
        assert_eq!(texts(&[standard[0], ("x-forwarded-for", "192.0.2.9")]), ["192.0.2.9"]);
    }

    #[test]
    fn hosts() {
        for (lines, expected) in [
            (&[("x-forwarded-host", "a.test, b.test"), ("forwarded", "host=c.test")][..], Some("a.test")),
            (&[("forwarded", "for=1.1.1.1;host=\"c.test:8080\", host=d.test")], Some("c.test:8080")),
            (&[("forwarded", "for=1.1.1.1")], None),
            (&[], None),
        ] {
            assert_eq!(host(&headers(lines)), expected, "{lines:?}");
        }
    }
}
