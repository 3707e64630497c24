//! Column families, their keys, and how RocksDB is set up: for little memory and exact durability.
//!
//! All integers in keys are big-endian, so that the order of keys is the order of numbers.
//!
//! | family | key | value |
//! |---|---|---|
//! | `beacons` | round | `Beacon` |
//! | `transcripts` | round | `Transcript` |
//! | `missing` | round | empty: the round is stored, its transcript is not |
//! | `mmr` | position | 32-byte node |
//! | `wal` | height, index | entry of the agreement engine's log |
//! | `seeds` | window | 32 bytes, secret |
//! | `commitments` | window, member, hash | `Commitment` |
//! | `decisions` | window | `Decision` |
//! | `registries` | window | `Registry` after the window's value, where it changed |
//! | `committees` | epoch | `MemberList`, from the second epoch on |
//! | `evidence` | epoch, member, crime | `Evidence` |
//! | `meta` | names in [`meta`] | see there |

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, LogLevel, Options};
use serde::{Deserialize, Serialize};

use beacon_spec::codec::Limits;
use beacon_spec::hash::Digest32;
use beacon_spec::mmr::Mmr;

/// The version of this layout. A database of a higher one is refused.
pub(super) const FORMAT: u32 = 1;
/// A decision with a full set and as many registrations as a value may carry.
pub(super) const DECISION_LIMITS: Limits = Limits::bytes(16 << 20);
/// As many bundles as members, and an amendment.
pub(super) const REGISTRY_LIMITS: Limits = Limits::bytes(3 << 20);
/// The tip with up to 62 peaks.
pub(super) const TIP_LIMITS: Limits = Limits::bytes(4096);

/// Names in the family `meta`.
pub(super) mod meta {
    /// [`super::FORMAT`] of the writer, u32.
    pub const FORMAT: &[u8] = b"format";
    /// Chain hash, 32 bytes.
    pub const CHAIN: &[u8] = b"chain";
    /// The sealed genesis as it was given.
    pub const GENESIS: &[u8] = b"genesis";
    /// [`super::Tip`].
    pub const TIP: &[u8] = b"tip";
    /// Transcripts below this round have been pruned, u64.
    pub const FLOOR: &[u8] = b"floor";
    /// The first round that is kept, u64: the checkpoint that the database began from. Absent for round 1.
    pub const BASE: &[u8] = b"base";
    /// Present, and empty, in a backup that no node has started from.
    pub const BACKUP: &[u8] = b"backup";
    /// The window up to which nothing may be signed, u64; 0 or nothing: everything may.
    pub const SILENT: &[u8] = b"silent";
}

/// The newest round, and the peaks after it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Tip {
    pub round: u64,
    pub header: Digest32,
    pub mmr: Mmr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Beacons,
    Transcripts,
    Missing,
    Mmr,
    Wal,
    Seeds,
    Commitments,
    Decisions,
    Registries,
    Committees,
    Evidence,
    Meta,
}

impl Family {
    pub const ALL: [Family; 12] = [
        Family::Beacons,
        Family::Transcripts,
        Family::Missing,
        Family::Mmr,
        Family::Wal,
        Family::Seeds,
        Family::Commitments,
        Family::Decisions,
        Family::Registries,
        Family::Committees,
        Family::Evidence,
        Family::Meta,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Family::Beacons => "beacons",
            Family::Transcripts => "transcripts",
            Family::Missing => "missing",
            Family::Mmr => "mmr",
            Family::Wal => "wal",
            Family::Seeds => "seeds",
            Family::Commitments => "commitments",
            Family::Decisions => "decisions",
            Family::Registries => "registries",
            Family::Committees => "committees",
            Family::Evidence => "evidence",
            Family::Meta => "meta",
        }
    }

    /// Curve points, scalars and hashes do not compress; headers repeat the hashes of their chain and committee.
    const fn compression(self) -> DBCompressionType {
        match self {
            Family::Beacons | Family::Decisions | Family::Meta => DBCompressionType::Lz4,
            _ => DBCompressionType::None,
        }
    }

    /// Bytes of one memtable, about 12 MiB in all; a full one is written out while the next one fills. There is no
    /// common bound: under one, RocksDB writes out the oldest memtable first, however small, and leaves many tables.
    const fn write_buffer(self) -> usize {
        match self {
            Family::Transcripts | Family::Commitments => 4 << 20,
            Family::Beacons | Family::Wal | Family::Decisions | Family::Meta => 1 << 20,
            Family::Missing | Family::Mmr | Family::Seeds | Family::Registries => 256 << 10,
            Family::Committees | Family::Evidence => 256 << 10,
        }
    }

    /// The settings of this family; all share one block cache.
    pub fn options(self, cache: &Cache) -> Options {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(cache);
        blocks.set_block_size(16 << 10);
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_format_version(5);
        let mut options = Options::default();
        options.set_block_based_table_factory(&blocks);
        options.set_compression_type(self.compression());
        options.set_write_buffer_size(self.write_buffer());
        options.set_max_write_buffer_number(2);
        options.set_target_file_size_base(16 << 20);
        options
    }
}

/// The block cache that all families share.
pub(super) fn cache() -> Cache {
    Cache::new_lru_cache(8 << 20)
}

/// The settings of the whole database.
pub(super) fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    // A record torn off at the end of the log was never reported as durable. Anything else that does not read back
    // is damage: to go on from an earlier state would roll back votes that have left this node.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(16 << 20);
    options.set_max_background_jobs(2);
    options.set_max_open_files(64);
    options.set_max_file_opening_threads(1);
    options.set_bytes_per_sync(512 << 10);
    options.set_manifest_preallocation_size(64 << 10);
    options.set_max_manifest_file_size(4 << 20);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(256 << 10);
    options.set_keep_log_file_num(2);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// The key of a round, a window or a position.
pub(super) fn number_key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The key of an entry of the agreement engine's log.
pub(super) fn wal_key(height: u64, index: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&height.to_be_bytes());
    key[8..].copy_from_slice(&index.to_be_bytes());
    key
}

/// The key of a commitment.
pub(super) fn commitment_key(window: u64, member: u16, hash: &Digest32) -> [u8; 42] {
    let mut key = [0; 42];
    key[..8].copy_from_slice(&window.to_be_bytes());
    key[8..10].copy_from_slice(&member.to_be_bytes());
    key[10..].copy_from_slice(&hash.0);
    key
}

/// The key of a proof of a crime.
pub(super) fn evidence_key(epoch: u64, member: u16, crime: u8) -> [u8; 11] {
    let mut key = [0; 11];
    key[..8].copy_from_slice(&epoch.to_be_bytes());
    key[8..10].copy_from_slice(&member.to_be_bytes());
    key[10] = crime;
    key
}

/// The number that an 8-byte key or value stands for.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}
