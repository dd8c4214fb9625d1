//! Settings from the environment, which are read in a process of their own.

use std::{env, process::Command};

use anywire::{Anywire, Cluster, Server, Session};

async fn nothing(_: Session) {}

/// Runs the test below with these variables. Returns whether it passes, and what it says.
fn with(variables: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "environment::a_process_of_its_own", "--nocapture"]);
    for name in ["ANYWIRE_REDIS", "ANYWIRE_NATS", "ANYWIRE_HOST", "ANYWIRE_PEERS", "ANYWIRE_SECRET", "ANYWIRE_NODE"] {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

/// The test below runs it in processes whose environment it sets: that of this one is shared by all tests.
#[tokio::test]
async fn a_process_of_its_own() {
    let Some(cluster) = Cluster::from_env().unwrap() else {
        println!("alone");
        return;
    };
    let named: Server = Anywire::builder().cluster(cluster.clone()).handler(nothing).build();
    println!("it is {:?}", named.live());
    let own: Server = Anywire::builder().cluster(cluster).node("own").handler(nothing).build();
    println!("it is {:?}", own.live());
}

#[test]
fn a_server_is_built_from_it() {
    let (passed, text) = with(&[]);
    assert!(passed && text.contains("alone"), "{text}");
    let variables = [
        ("ANYWIRE_REDIS", "redis://127.0.0.1:1"),
        ("ANYWIRE_PEERS", "127.0.0.1:0"),
        ("ANYWIRE_SECRET", "at least 16 bytes"),
        ("ANYWIRE_NODE", "named-1"),
    ];
    let (passed, text) = with(&variables);
    assert!(passed, "{text}");
    assert!(text.contains("node: \"named-1\""), "{text}");
    assert!(text.contains("node: \"own\""), "the builder goes before it: {text}");
    let (passed, text) = with(&variables[..3]);
    assert!(passed && !text.contains("named-1"), "{text}");
    let (passed, text) = with(&variables[..2]);
    assert!(!passed && text.contains("ANYWIRE_SECRET"), "{text}");
}
