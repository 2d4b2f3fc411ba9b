//! A simulated world: a clock that moves when it is told to, and what tests of protocol machines need around it.

mod clock;

pub use clock::Clock;
