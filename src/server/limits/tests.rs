use super::*;

fn shares(limits: Limits) -> Arc<Shares<u32>> {
    Arc::new(Shares::new(limits))
}

#[test]
fn sessions_count_until_they_end_and_each_holder_alone() {
    let shares = shares(Limits::default().sessions(2));
    let first = shares.open(0, 1).unwrap();
    let _second = shares.open(0, 1).unwrap();
    assert_eq!(shares.open(0, 1).unwrap_err(), Exceeded::Sessions(2));
    assert!(shares.open(0, 2).is_ok());
    drop(first);
    assert!(shares.open(0, 1).is_ok());
}

#[test]
fn openings_have_a_rate_and_a_burst_of_one_second() {
    let shares = shares(Limits::default().openings(50));
    let opened = |from: u64, to: u64| (from..to).map(|now| usize::from(shares.open(now, 1).is_ok())).sum::<usize>();
    let at_once = (0..200).filter(|_| shares.open(0, 1).is_ok()).count();
    assert_eq!(at_once, 50);
    assert_eq!(opened(1, 1001), 50, "one in 20 ms");
    assert_eq!(opened(1001, 11_001), 500);
    assert_eq!((0..200).filter(|_| shares.open(60_000, 1).is_ok()).count(), 50, "a pause saves up one second");
    assert_eq!(shares.open(60_000, 1).unwrap_err(), Exceeded::Openings(50));
    assert!(shares.open(60_000, 2).is_ok());
}

#[test]
fn openings_without_a_limit_have_none() {
    let shares = shares(Limits::none());
    let held: Vec<_> = (0..10_000).map(|_| shares.open(0, 1).unwrap()).collect();
    assert_eq!(lock(&shares.0).shares[&1].sessions, held.len());
}

#[test]
fn bytes_are_given_back() {
    let shares = shares(Limits::default().bytes(100));
    let mut first = shares.begin(1);
    let mut second = shares.begin(1);
    assert_eq!(first.grow(0, 60), Ok(()));
    for length in [41, usize::MAX] {
        assert_eq!(second.grow(0, length), Err(Exceeded::Bytes(100)));
    }
    assert_eq!(second.grow(0, 40), Ok(()));
    assert_eq!(shares.begin(2).grow(0, 100), Ok(()));
    drop(first);
    assert_eq!(second.grow(0, 100), Ok(()));
}

#[test]
fn holders_that_have_nothing_are_forgotten() {
    let shares = shares(Limits::default());
    let kept = shares.open(0, 0).unwrap();
    for holder in 1..100_000 {
        drop(shares.open(u64::from(holder), holder).unwrap());
    }
    let table = lock(&shares.0);
    assert!(table.shares.len() < 2 * MANY && table.shares.contains_key(&0), "{}", table.shares.len());
    drop(table);
    drop(kept);
}
