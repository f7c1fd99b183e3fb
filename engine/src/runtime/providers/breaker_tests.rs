//! When a breaker opens and what it says.

use super::*;

const RULES: BreakerRules = BreakerRules { threshold: 3, ..BreakerRules::DEFAULT };
const NOW: Timestamp = Timestamp(1_000);

fn fail(breaker: &Breaker) -> Option<Tripped> {
    breaker.bad(RULES, NOW, "503: no", "here")
}

#[test]
fn failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
    let breaker = Breaker::new("p.v1.work");
    assert!(fail(&breaker).is_none() && fail(&breaker).is_none());
    breaker.well();
    assert!(fail(&breaker).is_none() && fail(&breaker).is_none());
    assert!(breaker.is_closed());
    let opened = fail(&breaker).unwrap();
    assert!(!breaker.is_closed());
    assert_eq!((opened.failures, opened.until), (3, Timestamp(31_000)));
    assert_eq!(fail(&breaker), None, "it is open already");
    assert_eq!(breaker.gate(NOW), Gate::Held(opened.clone()));
    assert_eq!(breaker.gate(Timestamp(31_000)), Gate::Due(opened));
}

#[test]
fn closed_again_it_counts_from_zero() {
    let breaker = Breaker::new("p.v1.work");
    for _ in 0..3 {
        fail(&breaker);
    }
    breaker.set(None);
    assert!(breaker.is_closed());
    assert!(fail(&breaker).is_none() && fail(&breaker).is_none());
    assert_eq!(breaker.gate(NOW), Gate::Closed);
}

#[test]
fn what_was_written_before_does_not_come_back() {
    let breaker = Breaker::new("p.v1.work");
    let opened = breaker.bad(BreakerRules { threshold: 1, ..RULES }, NOW, "no", "here").unwrap();
    let newer = Tripped { revision: 7, half_open: true, ..opened.clone() };
    breaker.set(Some(newer.clone()));
    breaker.set(Some(Tripped { revision: 5, ..opened }));
    assert_eq!(breaker.tripped(), Some(newer));
}
