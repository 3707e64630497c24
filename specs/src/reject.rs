//! Every reason to refuse: one variant a rule, so that a verdict names what was wrong.

use core::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $code:literal),+ $(,)?) => {
        /// Why bytes or values were refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reject { $($(#[$doc])* $name),+ }

        impl Reject {
            /// The stable name used in vectors, JSON and metrics.
            pub const fn code(self) -> &'static str {
                match self { $(Reject::$name => $code),+ }
            }

            /// Every reason there is.
            pub const ALL: &'static [Reject] = &[$(Reject::$name),+];
        }
    };
}

reasons! {
    /// Input longer than its decoder's limit.
    TooLong => "too-long",
    /// Not an encoding of the type.
    Malformed => "malformed",
    /// Bytes left over after the value.
    TrailingBytes => "trailing-bytes",
    /// Not lower- or upper-case hexadecimal of the right length.
    BadHex => "bad-hex",
    /// More than 8160 bytes asked of one HKDF expansion.
    ExpandTooLong => "expand-too-long",
    /// A version this software does not know.
    UnknownVersion => "unknown-version",
    /// Bound to another chain.
    WrongChain => "wrong-chain",
    /// Bound to another epoch.
    WrongEpoch => "wrong-epoch",
    /// Bound to another window.
    WrongWindow => "wrong-window",
    /// Bound to another round.
    WrongRound => "wrong-round",
    /// A due time that the schedule does not give.
    WrongDueTime => "wrong-due-time",
    /// A member index or key that the committee does not have.
    UnknownMember => "unknown-member",
    /// A member with no weight where only weighted members count.
    NoWeight => "no-weight",
    /// A public key that is no canonical, torsion-free point, or is weak.
    BadKey => "bad-key",
    /// A signature that does not verify under `verify_strict`.
    BadSignature => "bad-signature",
    /// A compressed point that does not decode.
    BadPoint => "bad-point",
    /// A scalar that is not canonical.
    BadScalar => "bad-scalar",
    /// The identity where a key or a dealing's D must not be one.
    IdentityPoint => "identity-point",
    /// A count that the parameters do not allow.
    BadCount => "bad-count",
    /// A list that is not strictly increasing.
    NotSorted => "not-sorted",
    /// One key twice.
    DuplicateKey => "duplicate-key",
    /// A proof of possession that does not verify.
    BadPossession => "bad-possession",
    /// A weight outside 1..=1,000,000 or a trust level outside 0.0..=1.0.
    BadWeight => "bad-weight",
    /// A committee with no weight at all, or 2^62 and more.
    BadTotal => "bad-total",
    /// A member with a third of the weight or more, without the genesis exemption.
    TooHeavy => "too-heavy",
    /// Fewer ticket keys than tickets.
    TooFewTicketKeys => "too-few-ticket-keys",
    /// A parameter outside its range.
    BadParameter => "bad-parameter",
    /// A dealing whose proof does not verify.
    BadDealing => "bad-dealing",
    /// Dealings that do not hash to the signed root.
    WrongRoot => "wrong-root",
    /// An opening d with d·G ≠ D.
    BadOpening => "bad-opening",
    /// A share whose proof does not verify.
    BadShare => "bad-share",
    /// A ticket position that the committee does not have, or that is not the sender's.
    BadPosition => "bad-position",
    /// Fewer shares than recovery takes.
    TooFewShares => "too-few-shares",
    /// Contributors' or signers' weight not above two thirds.
    NoQuorum => "no-quorum",
    /// A bit for a member with no weight or no place, or a bitmap of the wrong length.
    BadBitmap => "bad-bitmap",
    /// A header that does not follow the one before.
    BrokenLink => "broken-link",
    /// A header whose committee is not the one in force.
    WrongCommittee => "wrong-committee",
    /// An MMR root or proof that does not hold.
    BadMmr => "bad-mmr",
    /// A header that differs from the certified one of its round.
    Conflict => "conflict",
    /// A registry hash that does not follow from the value.
    WrongRegistry => "wrong-registry",
    /// A registration or amendment where none is allowed.
    NotAllowedHere => "not-allowed-here",
    /// An amendment whose approvals do not reach two thirds.
    NoApproval => "no-approval",
    /// An amendment past its expiry window or not following the membership in force.
    Expired => "expired",
    /// An output that the transcript does not give.
    WrongOutput => "wrong-output",
    /// An entry that stands in a list twice.
    DuplicateEntry => "duplicate-entry",
    /// A list in which some entries have a weight and some have none.
    MixedWeights => "mixed-weights",
    /// Evidence that accuses nobody.
    NotEvidence => "not-evidence",
    /// A time before the first round, or any time look-up when the period is 0.
    NoSuchTime => "no-such-time",
    /// A head older than the trusting period.
    Stale => "stale",
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl core::error::Error for Reject {}
