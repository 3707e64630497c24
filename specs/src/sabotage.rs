//! Planted bugs: what the simulator's checkers and the explorer of short runs must find.
//!
//! Only the cargo feature `sabotage` compiles them in; no crate turns it on, and without it [`planted`] is the constant
//! `false`. With it a test plants one bug for its own thread.

/// A bug, named by the rule that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// The gate of a round opens whatever the clock says. [open-3]
    GateRemoved,
    /// A member opens its dealing whether or not it was decided. [agree-7]
    UndecidedOpened,
    /// Shares are released without openings or readies of a quorum. [recover-2]
    ReadyRuleRemoved,
    /// A restart forgets the agreement log. [restart-1]
    WalIgnored,
    /// Messages leave before what they depend on is on disk. [deal-2]
    SendBeforeFsync,
    /// The seed of the own commitment is not kept. [deal-2]
    SeedNotKept,
    /// Exactly two thirds are taken for a quorum. [committee-3]
    QuorumOffByOne,
    /// Votes of more than a third decide. [consensus-5]
    QuorumOfAThird,
    /// One share too few is taken for enough. [recover-6]
    ThresholdOffByOne,
    /// The challenge of a dealing leaves its last share out. [pvss-5]
    WeakFiatShamir,
    /// The challenge of a dealing leaves its context out. [pvss-5]
    UnboundContext,
    /// What is incomplete here is called invalid. [agree-6]
    IncompleteIsInvalid,
    /// Shares that are the identity are refused after the decision. [pvss-7]
    IdentityRefused,
    /// The output is mixed from what is known when the recovery would begin. [mix-4]
    MixedWithoutTheMissing,
    /// Windows that are certified whole are not forgotten. [agree-7]
    PastWindowsKept,
    /// The same header vote, seen again, is called a crime. [certify-6]
    RepetitionIsACrime,
    /// A certificate is assembled with one signature too few. [certify-2]
    CertificateTooSmall,
    /// A height starts without the header that it waits for. [agree-2]
    PaceIgnored,
    /// Secrets are erased before the first header of the next epoch is on disk. [epoch-9]
    ErasedBeforeDisk,
    /// Readies are judged by the keys of the window before. [epoch-8]
    OldKeysTaken,
    /// Who recovered a secret before its time releases no shares of its dealing. [recover-4]
    EarlyRecoveryKept,
}

impl Bug {
    pub const ALL: [Bug; 21] = [
        Bug::GateRemoved,
        Bug::UndecidedOpened,
        Bug::ReadyRuleRemoved,
        Bug::WalIgnored,
        Bug::SendBeforeFsync,
        Bug::SeedNotKept,
        Bug::QuorumOffByOne,
        Bug::QuorumOfAThird,
        Bug::ThresholdOffByOne,
        Bug::WeakFiatShamir,
        Bug::UnboundContext,
        Bug::IncompleteIsInvalid,
        Bug::IdentityRefused,
        Bug::MixedWithoutTheMissing,
        Bug::PastWindowsKept,
        Bug::RepetitionIsACrime,
        Bug::CertificateTooSmall,
        Bug::PaceIgnored,
        Bug::ErasedBeforeDisk,
        Bug::OldKeysTaken,
        Bug::EarlyRecoveryKept,
    ];
}

#[cfg(feature = "sabotage")]
mod build {
    use core::cell::Cell;

    use super::Bug;

    /// Stands in every program that was built with planted bugs, and in no other.
    pub const MARKER: &str = "beacon-sabotage: this program holds planted bugs";

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug for this thread, or none.
    pub fn plant(bug: Option<Bug>) {
        assert!(core::hint::black_box(MARKER).is_ascii());
        PLANTED.with(|planted| planted.set(bug));
    }

    pub fn planted(bug: Bug) -> bool {
        PLANTED.with(Cell::get) == Some(bug)
    }

    /// Runs `act` without any bug.
    pub fn aside<T>(act: impl FnOnce() -> T) -> T {
        let bug = PLANTED.with(Cell::take);
        let done = act();
        PLANTED.with(|planted| planted.set(bug));
        done
    }
}

#[cfg(feature = "sabotage")]
pub use build::{MARKER, aside, plant, planted};

/// Whether a bug is planted in this thread.
#[cfg(not(feature = "sabotage"))]
pub const fn planted(_: Bug) -> bool {
    false
}

/// Runs `act` without any bug.
#[cfg(not(feature = "sabotage"))]
pub fn aside<T>(act: impl FnOnce() -> T) -> T {
    act()
}
