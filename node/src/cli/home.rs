//! The home of a node: one directory with keys, genesis, configuration and data.

use std::path::PathBuf;

use clap::Args;

/// `--home`, as every command of a node takes it.
#[derive(Args)]
pub(super) struct Home {
    /// The node's directory
    #[arg(long = "home", value_name = "DIR", env = "BEACON_HOME")]
    root: PathBuf,
}

impl Home {
    pub(super) fn at(root: PathBuf) -> Self {
        Home { root }
    }

    /// The key store's directory.
    pub(super) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The sealed genesis.
    pub(super) fn genesis(&self) -> PathBuf {
        self.root.join("genesis.bin")
    }

    pub(super) fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// A path of the configuration: relative ones start here.
    pub(super) fn resolve(&self, path: &std::path::Path) -> PathBuf {
        self.root.join(path)
    }
}

impl std::fmt::Display for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.root.display().fmt(f)
    }
}
