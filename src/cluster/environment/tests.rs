use super::*;

const SECRET: &str = "sixteen bytes, and more";

/// The outcome with these variables, and no others.
fn read(variables: &[(&str, &str)]) -> Result<Option<Cluster>, String> {
    let find = |name: &str| Ok(variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned()));
    Cluster::from_variables(find).map_err(|error| error.to_string())
}

fn error(variables: &[(&str, &str)]) -> String {
    read(variables).expect_err("it fails")
}

#[test]
fn a_server_is_alone_without_an_engine() {
    assert!(read(&[]).unwrap().is_none());
    assert!(
        read(&[("ANYWIRE_REDIS", ""), ("ANYWIRE_PEERS", "127.0.0.1:1"), ("ANYWIRE_SECRET", SECRET)]).unwrap().is_none()
    );
}

#[test]
fn an_error_names_the_variable() {
    let redis = ("ANYWIRE_REDIS", "redis://127.0.0.1:1");
    let peers = ("ANYWIRE_PEERS", "127.0.0.1:0");
    assert_eq!(
        error(&[redis]),
        "ANYWIRE_REDIS is set, but not ANYWIRE_PEERS, the address at which the other nodes reach this one"
    );
    assert_eq!(error(&[redis, peers]), "ANYWIRE_REDIS is set, but not ANYWIRE_SECRET, the secret that all nodes share");
    assert_eq!(
        error(&[redis, peers, ("ANYWIRE_SECRET", "short")]),
        "ANYWIRE_SECRET: the secret of a cluster has at least 16 bytes"
    );
    for address in ["0.0.0.0:1", "[::]:1", "127.0.0.1", "nowhere", "127.0.0.1:65536"] {
        let text = error(&[redis, ("ANYWIRE_PEERS", address), ("ANYWIRE_SECRET", SECRET)]);
        assert!(text.starts_with(&format!("ANYWIRE_PEERS: {address:?} is not an address")), "{text}");
    }
    let text = error(&[redis, peers, ("ANYWIRE_SECRET", SECRET), ("ANYWIRE_NODE", "a b")]);
    assert_eq!(text, "ANYWIRE_NODE: a node's name is up to 64 letters, digits or '-'");
}

#[test]
fn nodes_of_one_machine_need_no_address_and_no_secret() {
    let host = ("ANYWIRE_HOST", "/no/such/folder");
    let redis = ("ANYWIRE_REDIS", "redis://127.0.0.1:1");
    assert_eq!(error(&[host, redis]), "ANYWIRE_REDIS and ANYWIRE_HOST are set: a cluster has one engine");
    for name in ["ANYWIRE_PEERS", "ANYWIRE_SECRET"] {
        assert_eq!(
            error(&[host, (name, SECRET)]),
            format!("ANYWIRE_HOST is set, whose nodes reach each other by its folder, and {name} too")
        );
    }
    assert!(error(&[host, ("ANYWIRE_NODE", "a b")]).starts_with("ANYWIRE_NODE: "));
    let text = error(&[host]);
    assert!(text.starts_with("ANYWIRE_HOST: "), "{text}");
    #[cfg(all(unix, feature = "host"))]
    {
        let folder = std::env::temp_dir().join(format!("aw-env-{}", std::process::id()));
        let cluster = read(&[("ANYWIRE_HOST", folder.to_str().unwrap()), ("ANYWIRE_NODE", "a-1")]).unwrap().unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(cluster.peers.is_some() && cluster.node.as_deref() == Some("a-1"));
    }
}

#[test]
fn an_unreadable_variable_is_an_error() {
    let failed = Cluster::from_variables(|name| Err(EngineError::new(format_args!("{name} is no Unicode"))));
    assert_eq!(failed.unwrap_err().to_string(), "ANYWIRE_REDIS is no Unicode");
}

#[cfg(feature = "redis")]
#[test]
fn a_node_is_read_whole() {
    let mut variables = vec![
        ("ANYWIRE_REDIS", "redis://user:hidden-word@127.0.0.1:1/3"),
        ("ANYWIRE_PEERS", "127.0.0.1:0"),
        ("ANYWIRE_SECRET", SECRET),
    ];
    let cluster = read(&variables).unwrap().unwrap();
    assert!(cluster.peers.is_some());
    assert_eq!(cluster.node, None);
    let text = format!("{cluster:?}");
    assert!(!text.contains("hidden-word") && !text.contains(SECRET), "{text}");
    variables.push(("ANYWIRE_NODE", "a-1"));
    assert_eq!(read(&variables).unwrap().unwrap().node.as_deref(), Some("a-1"));
    for url in
        ["http://user:hidden-word@host", "rediss://user:hidden-word@host", "nowhere", "redis://user:hidden-word@/x"]
    {
        variables[0].1 = url;
        let text = error(&variables);
        assert!(text.starts_with("ANYWIRE_REDIS: ") && !text.contains("hidden-word"), "{text}");
    }
}

#[cfg(feature = "nats")]
#[test]
fn a_node_on_nats_is_read_whole() {
    let mut variables = vec![
        ("ANYWIRE_NATS", "nats://user:hidden-word@127.0.0.1:1,nats://127.0.0.2"),
        ("ANYWIRE_PEERS", "127.0.0.1:0"),
        ("ANYWIRE_SECRET", SECRET),
    ];
    let cluster = read(&variables).unwrap().unwrap();
    assert!(cluster.peers.is_some());
    let text = format!("{cluster:?}");
    assert!(text.contains("Sender") && !text.contains("hidden-word") && !text.contains(SECRET), "{text}");
    let missing = "ANYWIRE_NATS is set, but not ANYWIRE_SECRET, the secret that all nodes share";
    assert_eq!(error(&variables[..2]), missing);
    for url in ["redis://user:hidden-word@host", "tls://user:hidden-word@host", "nowhere"] {
        variables[0].1 = url;
        let text = error(&variables);
        assert!(text.starts_with("ANYWIRE_NATS: ") && !text.contains("hidden-word"), "{text}");
    }
}

#[test]
fn a_cluster_has_one_engine() {
    let both = [("ANYWIRE_NATS", "nats://127.0.0.1:1"), ("ANYWIRE_REDIS", "redis://127.0.0.1:1")];
    assert_eq!(error(&both), "ANYWIRE_REDIS and ANYWIRE_NATS are set: a cluster has one engine");
    let one = [both[0], ("ANYWIRE_REDIS", "")];
    assert!(error(&one).starts_with("ANYWIRE_NATS is set, but not ANYWIRE_PEERS"));
}

#[cfg(not(feature = "nats"))]
#[test]
fn nats_that_was_left_out_is_an_error() {
    let variables =
        [("ANYWIRE_NATS", "nats://127.0.0.1:1"), ("ANYWIRE_PEERS", "127.0.0.1:0"), ("ANYWIRE_SECRET", SECRET)];
    assert_eq!(error(&variables), "ANYWIRE_NATS: this program was compiled without the feature `nats`");
}

#[cfg(not(feature = "redis"))]
#[test]
fn an_engine_that_was_left_out_is_an_error() {
    let variables =
        [("ANYWIRE_REDIS", "redis://127.0.0.1:1"), ("ANYWIRE_PEERS", "127.0.0.1:0"), ("ANYWIRE_SECRET", SECRET)];
    assert_eq!(error(&variables), "ANYWIRE_REDIS: this program was compiled without the feature `redis`");
}
