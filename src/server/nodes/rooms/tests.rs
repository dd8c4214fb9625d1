//! Tests of what nodes tell each other of a send.

mod moving;

use uuid::Uuid;

use super::target::{one_for_each, options_of, room_of, target_of};
use crate::{
    cluster::rooms::Behind,
    config::{Config, SlowMember},
    hub::{Audience, Target},
    server::core::Core,
    session::droppable::{LONGEST_KEY, WhenBehind},
};

fn target(audience: Audience, when_behind: WhenBehind) -> Target {
    Target {
        audience,
        except: vec![Uuid::from_u128(7)],
        except_rooms: vec!["b".to_owned()],
        when_behind,
        name: None,
        at: None,
        now: 0,
        gathering: None,
    }
}

#[tokio::test]
async fn another_node_reads_what_was_sent() {
    let core = Core::new(Config::default());
    let room = || Audience::Room("a".to_owned());
    for (sent, read) in [
        (WhenBehind::Keep, WhenBehind::Keep),
        (WhenBehind::KeepOrSkip, WhenBehind::Keep),
        (WhenBehind::Skip, WhenBehind::Skip),
        (WhenBehind::Latest("key".into()), WhenBehind::Latest("key".into())),
    ] {
        let sent = target(room(), sent);
        let options = options_of(&sent).unwrap();
        let target = target_of(&core, &room_of(&sent).unwrap().into(), &options);
        assert!(matches!(&target.audience, Audience::Room(key) if key == "a"));
        assert_eq!((target.except, target.except_rooms), (sent.except, sent.except_rooms));
        assert_eq!(target.when_behind, read);
    }
    let plain =
        Target { except: Vec::new(), except_rooms: Vec::new(), ..target(Audience::Everybody, WhenBehind::Keep) };
    assert_eq!(options_of(&plain), None, "most sends say nothing more");
    let everybody = target_of(&core, &room_of(&plain).unwrap().into(), &options_of(&plain).unwrap_or_default());
    assert!(matches!(everybody.audience, Audience::Everybody));
}

#[tokio::test]
async fn what_becomes_of_slow_members_is_for_each_node_to_say() {
    let core = Core::new(Config { slow_members: SlowMember::Gap, ..Config::default() });
    let options = options_of(&target(Audience::Everybody, WhenBehind::Keep)).unwrap();
    assert_eq!(target_of(&core, &"a".into(), &options).when_behind, WhenBehind::KeepOrSkip);
    let mut options = options;
    options.when_behind = Behind::Latest("k".repeat(LONGEST_KEY + 1));
    assert_eq!(target_of(&core, &"a".into(), &options).when_behind, WhenBehind::Keep, "no node sends such a key");
}

#[test]
fn a_send_to_several_rooms_is_one_for_each_without_the_members_of_those_before() {
    let rooms = ["a", "c", "d"].map(str::to_owned);
    let all = target(Audience::AnyOf(rooms.to_vec()), WhenBehind::Keep);
    assert_eq!(room_of(&all), None);
    let each = one_for_each(&all, &rooms);
    let keys: Vec<_> = each.iter().map(|target| room_of(target).unwrap()).collect();
    assert_eq!(keys, ["a", "c", "d"]);
    let except: Vec<String> = each.iter().map(|target| target.except_rooms.join(" ")).collect();
    assert_eq!(except, ["b", "b a", "b a c"]);
}
