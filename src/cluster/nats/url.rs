//! The URLs of servers of NATS.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::cluster::engine::EngineError;

/// The port of a URL that has none.
const PORT: u16 = 4222;

/// Servers that are one engine, and what they ask of who connects.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Servers {
    /// Hosts and ports. There is one at least.
    pub(super) addresses: Vec<(String, u16)>,
    /// The names and values of what proves who the client is.
    pub(super) credentials: Vec<(&'static str, String)>,
}

impl Servers {
    /// Reads one URL, or several with commas between them.
    pub(super) fn read(urls: &str) -> Result<Self, EngineError> {
        let mut servers = Servers { addresses: Vec::new(), credentials: Vec::new() };
        for url in urls.split(',').map(str::trim) {
            let (credentials, address) = server(url)?;
            if servers.credentials.is_empty() {
                servers.credentials = credentials;
            }
            servers.addresses.push(address);
        }
        Ok(servers)
    }
}

type Server = (Vec<(&'static str, String)>, (String, u16));

fn server(url: &str) -> Result<Server, EngineError> {
    let wrong = |what: &str| EngineError::new(format_args!("no URL of NATS: {what}"));
    if url.starts_with("tls://") {
        let text = "connections to NATS by TLS are not there yet: give a URL that begins with nats://";
        return Err(EngineError::new(text));
    }
    let rest = url.strip_prefix("nats://").ok_or_else(|| wrong("it does not begin with nats://"))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) || rest.contains(char::is_whitespace) {
        return Err(wrong("something follows the host and the port"));
    }
    let (user, address) = match rest.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, rest),
    };
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(|text| text.into_owned()).map_err(|_| wrong("the user or the password is no Unicode"))
    };
    let credentials = match user.map(|user| user.split_once(':')) {
        None => vec![],
        Some(None) => vec![("auth_token", decoded(user.unwrap_or_default())?)],
        Some(Some((user, password))) => vec![("user", decoded(user)?), ("pass", decoded(password)?)],
    };
    // An address of version 6 has colons of its own, within brackets.
    let (host, port) = match address.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, port.parse().map_err(|_| wrong("its port is no number up to 65535"))?),
        None => (address, PORT),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    if host.is_empty() || host.contains(['[', ']']) || (bare.is_none() && host.contains(':')) {
        return Err(wrong("it has no host"));
    }
    Ok((credentials, (host.to_owned(), port)))
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (host, port)) in self.addresses.iter().enumerate() {
            let between = if n == 0 { "" } else { "," };
            match host.contains(':') {
                true => write!(f, "{between}[{host}]:{port}")?,
                false => write!(f, "{between}{host}:{port}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let read = |urls| Servers::read(urls).unwrap();
        let one = read("nats://host");
        assert_eq!((one.to_string().as_str(), one.credentials), ("host:4222", vec![]));
        let two = read("nats://user:p%40ss@10.0.0.1:77, nats://[::1]:78/,nats://[fe80::1]");
        assert_eq!(two.to_string(), "10.0.0.1:77,[::1]:78,[fe80::1]:4222");
        assert_eq!(two.credentials, [("user", "user".to_owned()), ("pass", "p@ss".to_owned())]);
        assert_eq!(read("nats://to%3Aken@host").credentials, [("auth_token", "to:ken".to_owned())]);
        for wrong in ["", "host", "http://h", "nats://", "nats://@", "nats://h:x", "nats://h:65536", "nats://h/path"] {
            assert!(Servers::read(wrong).is_err(), "{wrong}");
        }
        for wrong in ["nats://h,", "nats://a:b:c", "nats://[::1", "nats://u:%ff@h", "nats://h?x", "nats://a b"] {
            let text = Servers::read(wrong).map(|_| ()).unwrap_err().to_string();
            assert!(text.starts_with("no URL of NATS: "), "{wrong}: {text}");
        }
    }
}
