//! The order of a target set ([RFC 3261 §16.6]).
//!
//! [RFC 3261 §16.6]: https://www.rfc-editor.org/rfc/rfc3261#section-16.6

/// Targets in groups of equal preference, the most preferred group first: parallel within a group, one group after the
/// other. Within a group the order stays.
pub fn groups<T>(targets: impl IntoIterator<Item = T>, q: impl Fn(&T) -> u16) -> Vec<Vec<T>> {
    let mut sorted: Vec<T> = targets.into_iter().collect();
    sorted.sort_by_key(|target| std::cmp::Reverse(q(target)));
    let mut groups: Vec<Vec<T>> = Vec::new();
    for target in sorted {
        match groups.last_mut() {
            Some(group) if group.first().is_some_and(|first| q(first) == q(&target)) => group.push(target),
            _ => groups.push(vec![target]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_one_preference_are_one_group_in_their_order() {
        let targets = [("a", 500), ("b", 1000), ("c", 500), ("d", 0), ("e", 1000)];
        let names: Vec<Vec<&str>> = groups(targets, |target| target.1)
            .into_iter()
            .map(|group| group.into_iter().map(|(name, _)| name).collect())
            .collect();
        assert_eq!(names, [vec!["b", "e"], vec!["a", "c"], vec!["d"]]);
        assert!(groups::<u8>([], |_| 0).is_empty());
    }
}
