//! Counting by reason what threads of the network end and refuse.
//!
//! Many tasks on several threads count here, so a count is an atomic; machines with a thread of their own count in plain
//! fields (`names.rs`).

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that happens for one of several named reasons; [`reasons!`] makes one.
pub trait Reason: Copy + 'static {
    /// Every reason, each at the place that is its [`index`](Reason::index).
    const ALL: &'static [Self];

    /// The name under which it is counted.
    fn name(self) -> &'static str;

    /// Its place in [`ALL`](Reason::ALL).
    fn index(self) -> usize;
}

/// Makes an enum of reasons. A reason without a name does not compile.
macro_rules! reasons {
    ($(#[$doc:meta])* $enum:ident { $($(#[$reason_doc:meta])* $reason:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $enum { $($(#[$reason_doc])* $reason,)* }

        impl $crate::telemetry::Reason for $enum {
            const ALL: &'static [Self] = &[$($enum::$reason,)*];

            fn name(self) -> &'static str {
                match self { $($enum::$reason => $name,)* }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}
pub(crate) use reasons;

/// How often each reason of `R` came up.
pub struct Tally<R> {
    counts: Box<[AtomicU64]>,
    reasons: PhantomData<fn(R)>,
}

impl<R: Reason> Tally<R> {
    /// Counts one more.
    pub fn count(&self, reason: R) {
        if let Some(count) = self.counts.get(reason.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often `reason` came up.
    pub fn of(&self, reason: R) -> u64 {
        self.counts.get(reason.index()).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Every reason by its name, zeros included, always in the same order.
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        R::ALL.iter().map(|&reason| (reason.name(), self.of(reason))).collect()
    }
}

impl<R: Reason> Default for Tally<R> {
    fn default() -> Self {
        Tally { counts: R::ALL.iter().map(|_| AtomicU64::new(0)).collect(), reasons: PhantomData }
    }
}

impl<R: Reason> fmt::Debug for Tally<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.named()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::Refusal;
    use crate::net::End;

    fn every_reason_has_a_counter<R: Reason>() {
        let tally = Tally::<R>::default();
        for (times, &reason) in (1..).zip(R::ALL) {
            (0..times).for_each(|_| tally.count(reason));
        }
        let expected: Vec<_> = R::ALL.iter().map(|reason| reason.name()).zip(1..).collect();
        assert_eq!(tally.named(), expected);
        let names: BTreeSet<_> = expected.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), R::ALL.len(), "two reasons share a name");
        let is_label = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(names.into_iter().all(|name| is_label(name)), "{expected:?}");
    }

    #[test]
    fn every_reason_has_a_name_and_a_counter_of_its_own() {
        every_reason_has_a_counter::<End>();
        every_reason_has_a_counter::<Refusal>();
        every_reason_has_a_counter::<crate::net::turn_dtls::Dropped>();
        every_reason_has_a_counter::<crate::recordings::News>();
        every_reason_has_a_counter::<ringback_media::quality::Cause>();
    }
}
