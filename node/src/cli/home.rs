//! The home of a node: one directory with keys, genesis, configuration and data.

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use crate::config::Config;
use crate::http::Token;

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

    /// The token of the local listener, if the configuration names a file with one.
    pub(super) fn token(&self, config: &Config) -> Result<Option<Token>, Failure> {
        config.local_token_file.as_ref().map(|file| read_token(&self.resolve(file))).transpose()
    }

    /// A path of the configuration: relative ones start here.
    pub(super) fn resolve(&self, path: &std::path::Path) -> PathBuf {
        self.root.join(path)
    }
}

pub(super) fn read_token(path: &Path) -> Result<Token, Failure> {
    Token::read(path).map_err(|error| {
        let remedy = "write one: `(umask 077; openssl rand -hex 32 > FILE)`";
        Failure::new(format!("the token file {} {error}", path.display()), remedy)
    })
}

impl std::fmt::Display for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.root.display().fmt(f)
    }
}
