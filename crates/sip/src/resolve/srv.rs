//! The order of SRV records ([RFC 2782]).
//!
//! [RFC 2782]: https://www.rfc-editor.org/rfc/rfc2782

use super::question::Srv;
use super::random::Random;

/// The records in the order to try them: by priority, and within one by chance in the proportion of their weights.
///
/// The same records and seed give the same order, in whatever order the DNS gave them.
pub(super) fn order(mut records: Vec<Srv>, random: &mut Random) -> Vec<Srv> {
    let key = |srv: &Srv| (srv.priority, srv.weight, srv.port, srv.target.clone());
    records.sort_by_cached_key(key);
    records.dedup();
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|srv| srv.priority) {
        let same = records.iter().take_while(|srv| srv.priority == priority).count();
        let same = records.get(..same).unwrap_or_default();
        // Those of weight 0 come first, so that they are chosen by the number 0 alone.
        let sum: u64 = same.iter().map(|srv| u64::from(srv.weight)).sum();
        let chosen = random.up_to(sum);
        let mut running = 0;
        let at = same
            .iter()
            .position(|srv| {
                running += u64::from(srv.weight);
                running >= chosen
            })
            .unwrap_or_default();
        ordered.push(records.remove(at));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.into() }
    }

    /// How often each record comes first, over many seeds.
    fn firsts(records: &[Srv], seeds: u64) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for seed in 0..seeds {
            let first = order(records.to_vec(), &mut Random::new(seed)).remove(0);
            *counts.entry(first.target).or_default() += 1;
        }
        counts
    }

    #[test]
    fn requests_are_shared_by_weight() {
        let counts = firsts(
            &[srv(1, 10, "tenth"), srv(1, 30, "third"), srv(1, 60, "most"), srv(2, 99, "last")],
            10_000,
        );
        assert_eq!(counts.keys().collect::<Vec<_>>(), ["most", "tenth", "third"]);
        for (target, share) in [("tenth", 1_000), ("third", 3_000), ("most", 6_000)] {
            assert!(counts[target].abs_diff(share) < 200, "{target}: {}", counts[target]);
        }
    }

    #[test]
    fn weight_zero_is_hardly_ever_chosen_beside_others() {
        let counts = firsts(&[srv(1, 0, "zero"), srv(1, 99, "heavy")], 10_000);
        assert!(counts["zero"] < 200 && counts["zero"] > 0, "{counts:?}");
    }

    /// RFC 3263's example servers, by priority alone.
    #[test]
    fn a_lower_priority_comes_first_whatever_the_weights() {
        for seed in 0..100 {
            let ordered = order(
                vec![
                    srv(2, 1, "server2.example.com"),
                    srv(1, 0, "server1.example.com"),
                    srv(3, 65535, "server3"),
                ],
                &mut Random::new(seed),
            );
            let names: Vec<_> = ordered.iter().map(|srv| srv.target.as_str()).collect();
            assert_eq!(names, ["server1.example.com", "server2.example.com", "server3"]);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_order_of_the_dns_makes_no_difference(
            weights in prop::collection::vec((0u16..3, any::<u16>()), 0..20), seed: u64
        ) {
            let records: Vec<_> =
                weights.iter().enumerate().map(|(at, &(p, w))| srv(p, w, &format!("h{at}"))).collect();
            let ordered = order(records.clone(), &mut Random::new(seed));
            let mut turned = records.clone();
            turned.reverse();
            prop_assert_eq!(&ordered, &order(turned, &mut Random::new(seed)));
            prop_assert!(ordered.is_sorted_by_key(|srv| srv.priority));
            let names = |list: &[Srv]| {
                let mut names: Vec<_> = list.iter().map(|srv| srv.target.clone()).collect();
                names.sort();
                names
            };
            prop_assert_eq!(names(&ordered), names(&records));
        }
    }
}
