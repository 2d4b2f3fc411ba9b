//! The reasons for which a machine drops packets, and how often each was.

/// Makes `Reason`, of the reasons that are listed with the names under which they are counted, and `Drops`, which counts
/// them without an allocation.
#[macro_export]
macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident = $name:literal,)*) => {
        /// Why a packet was dropped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $reason,)* }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Reason] = &[$(Reason::$reason,)*];

            /// The name under which it is counted.
            pub const fn name(self) -> &'static str {
                match self { $(Reason::$reason => $name,)* }
            }
        }

        /// How many packets were dropped for each reason.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct Drops([u64; Reason::ALL.len()]);

        impl Drops {
            /// How many were dropped for `reason`.
            pub fn of(&self, reason: Reason) -> u64 {
                self.0.get(reason as usize).copied().unwrap_or_default()
            }

            /// How many were dropped.
            pub fn total(&self) -> u64 {
                self.0.iter().sum()
            }

            /// Every reason with its count, zeros included, always in the same order.
            pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
                Reason::ALL.iter().map(|&reason| (reason, self.of(reason)))
            }

            pub(super) fn count(&mut self, reason: Reason) {
                if let Some(count) = self.0.get_mut(reason as usize) {
                    *count += 1;
                }
            }
        }

        impl Default for Drops {
            fn default() -> Self {
                Drops([0; Reason::ALL.len()])
            }
        }

        /// The reasons that were ever given.
        impl std::fmt::Debug for Drops {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let given = self.iter().filter(|(_, count)| *count > 0);
                f.debug_map().entries(given.map(|(reason, count)| (reason.name(), count))).finish()
            }
        }

        #[cfg(test)]
        #[test]
        fn every_reason_has_a_name_and_a_counter_of_its_own() {
            let names: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
            assert_eq!(names.len(), Reason::ALL.len());
            let mut drops = Drops::default();
            for (times, &reason) in Reason::ALL.iter().enumerate() {
                (0..times).for_each(|_| drops.count(reason));
            }
            for (times, &reason) in Reason::ALL.iter().enumerate() {
                assert_eq!(drops.of(reason), times as u64, "{reason:?}");
            }
            assert_eq!(drops.total(), drops.iter().map(|(_, count)| count).sum::<u64>());
        }
    };
}
