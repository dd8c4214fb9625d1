//! Layers, and what sees faults.

use super::*;
use crate::{
    dialect::{Data, Fault, Reply},
    server::events::{Answer, EventName, IntoAnswer, Next, concurrent},
};

/// A layer that notes its way in and out.
macro_rules! noting {
    ($notes:expr, $name:literal) => {{
        let notes = $notes.clone();
        async move |event: Incoming, next: Next| {
            notes.add(format!("{} {} {}", $name, event.name(), event.wants_reply()));
            let answer = next.run(event).await;
            let text = answer.as_ref().map_or_else(Fault::to_string, |answered| answered.as_json().to_owned());
            notes.add(format!("{} out {text}", $name));
            answer
        }
    }};
}

#[tokio::test]
async fn the_layer_that_was_added_last_is_the_outermost() {
    let (bench, notes) = (Bench::new().await, Notes::default());
    let events = Events::new()
        .layer(noting!(notes, "inner"))
        .layer(noting!(notes, "outer"))
        .on("later", concurrent(1, async |Data(number): Data<u8>| Reply(number)));
    assert_eq!(bench.ask(events, (), &[r#"["later",1]"#]).await, ["31[1]"]);
    assert_eq!(notes.all(), ["outer later true", "inner later true", "inner out [1]", "outer out [1]"]);
}

#[tokio::test]
async fn layers_are_around_wrong_data_and_unknown_names() {
    let (bench, notes) = (Bench::new().await, Notes::default());
    let events = Events::new().on("a", async |Data(_): Data<u8>| Reply(1)).layer(noting!(notes, "layer"));
    let plain = bench.event(None, r#"["a",1]"#);
    bench.run(events, (), vec![bench.event(Some(1), r#"["b"]"#), bench.event(Some(2), r#"["a"]"#), plain]).await;
    let notes = notes.all();
    assert_eq!(notes[..2], ["layer b true", "layer out unknown: no such event"]);
    assert!(notes[3].starts_with("layer out data: "), "{notes:?}");
    assert_eq!(notes[4..], ["layer a false", "layer out []"], "without a request nothing is written");
    assert_eq!(bench.answers().len(), 2);
}

#[tokio::test]
async fn a_layer_may_answer_instead() {
    async fn guard(event: Incoming, next: Next<u8>) -> Answer {
        match event.name() {
            "secret" => Err(Fault::new("forbidden", format!("not with {}", next.state()))),
            "instead" => Reply("instead").into_answer(),
            "itself" => {
                event.reply(Reply("in vain")).await.expect("nothing is sent");
                Reply("by the layer").into_answer()
            }
            "changed" => next.run(event).await.and(Reply("changed").into_answer()),
            _ => next.run(event).await,
        }
    }
    let (bench, notes) = (Bench::new().await, Notes::default());
    let reached = notes.clone();
    let events = Events::new().layer(guard).on_other(async move |name: EventName| reached.add(name.as_str()));
    let asked = [r#"["secret"]"#, r#"["instead"]"#, r#"["itself"]"#, r#"["changed"]"#, r#"["a"]"#];
    let answers = bench.ask(events, 5, &asked).await;
    let expected = [
        r#"71{"code":"forbidden","message":"not with 5"}"#,
        r#"32["instead"]"#,
        r#"33["by the layer"]"#,
        r#"34["changed"]"#,
        "35[]",
    ];
    assert_eq!(answers, expected);
    assert_eq!(notes.all(), ["changed", "a"]);
}

#[tokio::test]
async fn on_fault_sees_each_fault_behind_its_answer() {
    let (bench, notes) = (Bench::new().await, Notes::default());
    let (seen, answers) = (notes.clone(), bench.answers.clone());
    let events = Events::new()
        .on("fails", async |Data(_): Data<u8>| Fault::new("failed", "on purpose"))
        .on("works", async || {})
        .on_fault(async move |fault: Fault, name: EventName, data: Data<serde_json::Value>| {
            seen.add(format!("{name} {} {} {}", fault.code, data.0, lock(&answers.0).len()));
            Fault::new("on_fault", "has nobody to answer")
        });
    let incoming = vec![
        bench.event(Some(1), r#"["fails",1]"#),
        bench.event(None, r#"["fails","x"]"#),
        bench.event(Some(2), r#"["works"]"#),
        bench.event(Some(3), r#"["what"]"#),
    ];
    bench.run(events, (), incoming).await;
    assert_eq!(notes.all(), ["fails failed 1 1", r#"fails data "x" 1"#, "what unknown null 3"]);
    assert_eq!(bench.answers().len(), 3);
    assert_eq!(bench.faults(), 3);
}
