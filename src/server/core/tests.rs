//! Sessions and their places.

use super::*;
use crate::session::rules::NATIVE;

#[tokio::test]
async fn an_id_that_is_taken_is_not_given_twice() {
    let core = Core::new(Config::default());
    let member = core.create(Remote::default(), core.terms(&NATIVE), ChannelSet::None, None, None).unwrap();
    assert!(core.create_as(member.id(), Remote::default(), core.terms(&NATIVE), ChannelSet::None).is_err());
    assert!(Arc::ptr_eq(&core.hub.get(member.id()).unwrap(), &member));
    assert_ne!(
        core.create(Remote::default(), core.terms(&NATIVE), ChannelSet::None, None, None).unwrap().id(),
        member.id()
    );
    assert_eq!(core.hub.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_warning_that_anyone_can_cause_is_logged_once_a_minute() {
    let core = Core::new(Config::default());
    assert!(core.may_warn());
    assert!(!core.may_warn());
    tokio::time::advance(std::time::Duration::from_millis(WARNING_INTERVAL)).await;
    assert!(core.may_warn());
}

#[tokio::test]
async fn a_session_is_here_elsewhere_or_nowhere() {
    let core = Core::new(Config { node: "here-1".to_owned(), ..Config::default() });
    let member = core.create(Remote::default(), core.terms(&NATIVE), ChannelSet::None, None, None).unwrap();
    let id = member.shared.public_id();
    assert!(matches!(core.find(&id), Located::Here(found) if Arc::ptr_eq(&found, &member)));
    assert!(core.find(&id).here().is_some());
    let uuid = member.id().simple();
    assert!(matches!(core.find(&format!("there-2.{uuid}")), Located::Elsewhere("there-2")));
    assert!(core.find(&format!("there-2.{uuid}")).here().is_none());
    let unknown = ids::random().simple();
    let long = "n".repeat(65);
    for id in [
        format!("here-1.{unknown}"),
        format!("here-1.{uuid}0"),
        format!("there-2.{uuid}0"),
        format!("there 2.{uuid}"),
        format!("{long}.{uuid}"),
        format!(".{uuid}"),
        uuid.to_string(),
        "here-1.".to_owned(),
        String::new(),
    ] {
        assert!(matches!(core.find(&id), Located::Nowhere), "{id}");
    }
    core.forget(member.id());
    assert!(matches!(core.find(&id), Located::Nowhere), "it is over");
}
