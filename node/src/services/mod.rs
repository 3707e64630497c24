//! Private randomness for others on this machine: the pool's generator, Fortuna, and two queues filled in the
//! background; and for peers, a `cluster`. What is given out here is secret and has nothing to do with the beacon's output, which is public.

mod cluster;
mod filler;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use beacon_entropy::atecc608a::DeviceStatus;
use beacon_entropy::equipment::Equipment;
use beacon_entropy::fortuna::{Service as Fortuna, Settings};
use beacon_entropy::pool::{Contribution, EntropyPool, PoolError};
use beacon_entropy::random::Random;

use crate::config::ServicesConfig;
use crate::store::{Queues, StoreError, Which};

pub use cluster::{Cluster, ClusterPeer};
pub use filler::Filler;

/// How long the workers may take for one block.
const DEADLINE: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
pub enum ServicesError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("Fortuna has no first seed: {0}")]
    Pool(#[from] PoolError),
}

/// Everything that the local listener gives out randomness from.
pub struct Services {
    pub pool: Arc<EntropyPool>,
    pub random: Random,
    pub fortuna: Fortuna,
    pub queues: Queues,
    /// What single sources are built with.
    pub equipment: Equipment,
    /// Whether raw samples may be asked for.
    pub raw: bool,
    delete_on_consumption: AtomicBool,
    hash_interval: Duration,
    process_interval: Duration,
    seed_file: PathBuf,
    /// Why the last filling brought nothing.
    trouble: Mutex<Option<String>>,
}

impl Services {
    /// Opens the queues in `home` and seeds Fortuna from its file and from the pool.
    pub fn open(
        home: &Path,
        config: &ServicesConfig,
        equipment: Equipment,
        pool: Arc<EntropyPool>,
    ) -> Result<Services, ServicesError> {
        let queues = Queues::open(&home.join("queues"), |which| match which {
            Which::Trng => config.trng_queue_size,
            Which::Fortuna => config.fortuna_queue_size,
        })?;
        let services = Services {
            random: pool.random(),
            fortuna: Fortuna::new(Settings {
                amplification_factor: config.amplification_factor,
                seed_count: config.seed_count,
                process_interval_ms: config.process_interval_ms,
            }),
            pool,
            queues,
            equipment,
            raw: config.raw,
            delete_on_consumption: AtomicBool::new(config.delete_on_consumption),
            hash_interval: Duration::from_millis(config.hash_interval_ms),
            process_interval: Duration::from_millis(config.process_interval_ms),
            seed_file: home.join("fortuna.seed"),
            trouble: Mutex::default(),
        };
        if let Err(error) = services.fortuna.load_seed_file(&services.seed_file) {
            // The pool's seed below is enough by itself.
            tracing::warn!(%error, path = %services.seed_file.display(), "Fortuna's seed file is not used");
        }
        services.fortuna.seed_directly(&*services.block()?.bytes);
        Ok(services)
    }

    /// 32 bytes mixed from all workers, the chip among them if there is one.
    pub fn block(&self) -> Result<Contribution, PoolError> {
        self.pool.block(DEADLINE)
    }

    /// Whether any worker runs.
    pub fn has_workers(&self) -> bool {
        self.pool.status().workers_running > 0
    }

    /// What the chip says of itself.
    pub fn chip(&self) -> DeviceStatus {
        self.equipment.chip.status()
    }

    pub fn delete_on_consumption(&self) -> bool {
        self.delete_on_consumption.load(Ordering::Relaxed)
    }

    pub fn set_delete_on_consumption(&self, delete: bool) {
        self.delete_on_consumption.store(delete, Ordering::Relaxed);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::Config;
    use beacon_entropy::pool::PoolConfig;
    use tempfile::{TempDir, tempdir};

    /// Services over the operating system's generator.
    pub(crate) fn services() -> (TempDir, Services) {
        let home = tempdir().expect("a temporary directory");
        let config = ServicesConfig { raw: true, ..Config::default().services };
        let workers = PoolConfig::named(&[&["os"]]).expect("known");
        let pool = Arc::new(EntropyPool::start(workers).expect("starts"));
        let services = Services::open(home.path(), &config, Equipment::default(), pool).expect("opens");
        (home, services)
    }

    #[test]
    fn each_filling_brings_what_the_settings_say() {
        let (_home, services) = services();
        services.fill_trng();
        services.fill_trng();
        services.fill_fortuna();
        let current = |which| services.queues.status(which).queue_current;
        // Three seeds, amplified by four.
        assert_eq!((current(Which::Trng), current(Which::Fortuna)), (2, 12));
        assert_eq!(services.fortuna.info().events, 3);
        let settings = Settings { amplification_factor: 2, seed_count: 1, ..services.fortuna.settings() };
        services.fortuna.set(settings);
        services.fill_fortuna();
        assert_eq!(current(Which::Fortuna), 14);
        assert_eq!(services.trouble(), None);
    }

    #[test]
    fn blocks_differ_and_the_seed_file_is_left_for_the_next_start() {
        let (home, services) = services();
        services.fill_fortuna();
        let taken = services.queues.take(Which::Fortuna, 0, 12, false).expect("twelve");
        let distinct: std::collections::BTreeSet<&[u8]> = taken.chunks(32).collect();
        assert_eq!(distinct.len(), 12);
        services.save_seed();
        assert_eq!(std::fs::read(home.path().join("fortuna.seed")).expect("written").len(), 64);
    }
}
