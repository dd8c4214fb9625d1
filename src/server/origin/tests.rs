//! Headers, and what they prove.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;

use super::*;

const HOST: (&str, &str) = ("host", "chat.test");

fn judge_from(config: &Config, peer: &str, pairs: &[(&str, &str)]) -> Verdict {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    let mut extensions = Extensions::new();
    extensions.insert(ConnectInfo(format!("{peer}:1").parse::<SocketAddr>().unwrap()));
    let uri = Uri::from_static("/live/open");
    judge(config, Asked { headers: &headers, uri: &uri, extensions: &extensions })
}

fn judge_by(config: &Config, pairs: &[(&str, &str)]) -> Verdict {
    judge_from(config, "10.0.0.9", pairs)
}

fn policy(origins: Origins) -> Config {
    Config { origins, ..Config::default() }
}

#[test]
fn pages_of_the_same_host_may() {
    let same = policy(Origins::Same);
    let host = ("host", "chat.test:8080");
    assert_eq!(judge_by(&same, &[host, ("origin", "http://chat.test:8080")]), Verdict::Allowed);
    assert_eq!(judge_by(&same, &[("host", "CHAT.test"), ("origin", "http://chat.test")]), Verdict::Allowed);
    assert_eq!(judge_by(&same, &[HOST, ("origin", "https://chat.test")]), Verdict::Allowed);
    assert_eq!(judge_by(&same, &[("host", "chat.test:443"), ("origin", "https://chat.test")]), Verdict::Allowed);
    assert_eq!(judge_by(&same, &[host, ("origin", "http://chat.test")]), Verdict::Doubted, "another port");
    assert_eq!(judge_by(&same, &[HOST, ("origin", "https://evil.test")]), Verdict::Doubted);
    assert_eq!(judge_by(&same, &[host, ("origin", "null")]), Verdict::Refused);
}

#[test]
fn the_browser_knows_its_own_pages_behind_any_proxy() {
    let same = policy(Origins::Same);
    let (host, page) = (("host", "127.0.0.1:3000"), ("origin", "https://chat.test"));
    assert_eq!(judge_by(&same, &[host, page, ("sec-fetch-site", "same-origin")]), Verdict::Allowed);
    for site in ["same-site", "cross-site", "none"] {
        assert_eq!(judge_by(&same, &[host, page, ("sec-fetch-site", site)]), Verdict::Refused, "{site}");
        let listed = policy(Origins::list(["https://chat.test"]));
        assert_eq!(judge_by(&listed, &[host, page, ("sec-fetch-site", site)]), Verdict::Listed, "{site}");
    }
}

#[test]
fn without_an_origin_other_headers_decide() {
    let same = policy(Origins::Same);
    assert_eq!(judge_by(&same, &[HOST]), Verdict::Unknown);
    assert_eq!(judge_by(&same, &[HOST, ("sec-fetch-site", "same-origin")]), Verdict::Allowed);
    assert_eq!(judge_by(&same, &[HOST, ("sec-fetch-site", "cross-site")]), Verdict::Refused);
    assert_eq!(judge_by(&same, &[HOST, ("sec-fetch-site", "none")]), Verdict::Unknown);
    assert_eq!(judge_by(&same, &[HOST, ("referer", "http://chat.test/page?x")]), Verdict::Allowed);
    assert_eq!(judge_by(&same, &[HOST, ("referer", "http://evil.test/chat.test")]), Verdict::Refused);
    let any = policy(Origins::Any);
    assert_eq!(judge_by(&any, &[HOST, ("sec-fetch-site", "cross-site")]), Verdict::Foreign);
    assert_eq!(judge_by(&any, &[HOST]), Verdict::Unknown);
}

#[test]
fn a_list_adds_to_the_same_host() {
    let list = policy(Origins::list(["https://app.test"]));
    let host = ("host", "live.test");
    assert_eq!(judge_by(&list, &[host, ("origin", "https://app.test")]), Verdict::Listed);
    assert_eq!(judge_by(&list, &[host, ("origin", "http://app.test")]), Verdict::Doubted);
    assert_eq!(judge_by(&list, &[host, ("origin", "https://live.test")]), Verdict::Allowed);
}

#[test]
fn where_the_names_of_the_server_are_given_only_they_count() {
    let hosts = vec!["chat.test".to_owned(), "chat.test:8443".to_owned()];
    let named = Config { hosts, ..Config::default() };
    let upstream = ("host", "127.0.0.1:3000");
    let own = ("sec-fetch-site", "same-origin");
    for origin in ["https://chat.test", "http://chat.test:80", "https://chat.test:8443"] {
        assert_eq!(judge_by(&named, &[upstream, ("origin", origin)]), Verdict::Allowed, "{origin}");
    }
    // A name of the attacker's that leads to this server: to the browser the page and the server are one.
    let rebound = [("host", "evil.test"), ("origin", "http://evil.test"), own];
    assert_eq!(judge_by(&named, &rebound), Verdict::Refused);
    assert_eq!(judge_by(&named, &[("host", "evil.test"), own]), Verdict::Refused);
    assert_eq!(judge_by(&named, &[("host", "evil.test"), own, ("referer", "http://evil.test/")]), Verdict::Refused);
    assert_eq!(judge_by(&named, &[HOST, own]), Verdict::Allowed);
    assert_eq!(judge_by(&named, &[upstream, own, ("referer", "https://chat.test/page")]), Verdict::Allowed);
    assert_eq!(judge_by(&named, &[upstream, ("origin", "https://other.test")]), Verdict::Refused, "no doubt is left");
}

#[test]
fn a_name_may_have_the_default_port_of_a_scheme() {
    let named = Config { hosts: vec!["chat.test:443".to_owned()], ..Config::default() };
    let upstream = ("host", "127.0.0.1:3000");
    assert_eq!(judge_by(&named, &[upstream, ("origin", "https://chat.test")]), Verdict::Allowed);
    assert_eq!(judge_by(&named, &[HOST, ("sec-fetch-site", "same-origin")]), Verdict::Allowed);
    assert_eq!(judge_by(&named, &[upstream, ("origin", "http://chat.test")]), Verdict::Refused, "port 80");
    assert_eq!(judge_by(&named, &[upstream, ("origin", "https://chat.test:8443")]), Verdict::Refused);
}

#[test]
fn a_trusted_proxy_reports_the_host() {
    let trusting = Config { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Config::default() };
    let headers =
        [("host", "127.0.0.1:3000"), ("origin", "https://chat.test"), ("x-forwarded-host", "chat.test, inner.test")];
    assert_eq!(judge_from(&trusting, "10.1.2.3", &headers), Verdict::Allowed);
    assert_eq!(judge_from(&trusting, "192.0.2.1", &headers), Verdict::Doubted, "a stranger's header");
    assert_eq!(judge_from(&Config::default(), "10.1.2.3", &headers), Verdict::Doubted);
}

#[test]
fn a_refusal_names_what_does_not_fit_and_the_ways_out() {
    let long = format!("https://{}.test", "a".repeat(1000));
    for (origin, quoted) in [("https://chat.test", "https://chat.test"), (&long, &long[..MOST_QUOTED])] {
        let mut headers = HeaderMap::new();
        headers.insert("host", "127.0.0.1:3000".parse().unwrap());
        headers.insert("origin", origin.parse().unwrap());
        let asked = Asked { headers: &headers, uri: &Uri::from_static("/"), extensions: &Extensions::new() };
        let named = Config { hosts: vec!["chat.test".to_owned()], ..Config::default() };
        for (config, verdict, parts) in [
            (Config::default(), Verdict::Doubted, &["at 127.0.0.1:3000:", "Host", "hosts()", "origins()"][..]),
            (Config::default(), Verdict::Refused, &["origins()"]),
            (named, Verdict::Refused, &["hosts()", "origins()"]),
        ] {
            let refused = refusal(&config, asked, verdict);
            assert_eq!(refused.code, 4300);
            for part in [&[&*format!("pages of {quoted} may")], parts].concat() {
                assert!(refused.text.contains(part), "{part}: {refused}");
            }
        }
        let unnamed = Asked { headers: &HeaderMap::new(), ..asked };
        assert_eq!(refusal(&Config::default(), unnamed, Verdict::Refused), reason::ORIGIN_REFUSED);
    }
}
