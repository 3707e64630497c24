//! Reading the layers and judging what they make together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::error::place;
use super::{Config, ConfigError, Keep, Listener, LogFormat};

/// Prefix of the variables that override keys; `__` stands for the dot, as in `BEACON_LOG__LEVEL`.
const PREFIX: &str = "BEACON_";
/// Variables with the prefix that other parts of the software read.
const OTHERS: &[&str] = &["BEACON_HOME", "BEACON_LOCAL_URL", "BEACON_NODE", "BEACON_SEAL_KEY", "BEACON_URL"];

/// Lokey's names of settings, which work under the same prefix, and the keys they stand for.
const FORMER: &[(&str, &str)] = &[
    ("BEACON_AMPLIFICATION_FACTOR", "services.amplification_factor"),
    ("BEACON_DB_PATH", "data_dir"),
    ("BEACON_FORTUNA_POLL_INTERVAL_MS", "services.process_interval_ms"),
    ("BEACON_FORTUNA_QUEUE_SIZE", "services.fortuna_queue_size"),
    ("BEACON_HASH_INTERVAL_MS", "services.hash_interval_ms"),
    ("BEACON_I2C_BUS_NUMBER", "entropy.i2c_bus"),
    ("BEACON_PROCESS_INTERVAL_MS", "services.process_interval_ms"),
    ("BEACON_SEED_COUNT", "services.seed_count"),
    ("BEACON_TRNG_POLL_INTERVAL_MS", "services.hash_interval_ms"),
    ("BEACON_TRNG_QUEUE_SIZE", "services.trng_queue_size"),
];

/// What a configuration is made of, the weakest first.
#[derive(Default)]
pub struct Layers {
    file: Option<PathBuf>,
    variables: BTreeMap<String, String>,
    log_format: Option<LogFormat>,
    flags: Option<Config>,
}

impl Layers {
    /// The file, which must be there.
    #[must_use]
    pub fn file(mut self, path: &Path) -> Self {
        self.file = Some(path.to_owned());
        self
    }

    /// The variables of this process.
    #[must_use]
    pub fn environment(self) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        self.variables(std::env::vars_os().filter_map(text))
    }

    /// Of `all` variables those that have the prefix and are not for other parts.
    #[must_use]
    pub fn variables(mut self, all: impl Iterator<Item = (String, String)>) -> Self {
        self.variables = all.filter(|(name, _)| name.starts_with(PREFIX) && !OTHERS.contains(&name.as_str())).collect();
        self
    }

    /// The flag `--log-format`.
    #[must_use]
    pub fn log_format(mut self, format: Option<LogFormat>) -> Self {
        self.log_format = format;
        self
    }

    /// A whole configuration made of flags, to be judged as any other.
    #[must_use]
    pub fn flags(mut self, config: Config) -> Self {
        self.flags = Some(config);
        self
    }

    /// Reads and judges everything.
    pub fn load(self) -> Result<Config, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Config::default()));
        if let Some(path) = &self.file {
            if !path.is_file() {
                return Err(ConfigError {
                    place: path.display().to_string(),
                    key: String::new(),
                    problem: "there is no such file".into(),
                    remedy: "write one with `beacon-node init`, or name another with --config".into(),
                });
            }
            figment = figment.merge(Toml::file_exact(path));
        }
        for (name, value) in self.variables {
            figment = figment.merge(Variable { name, value });
        }
        if let Some(format) = self.log_format {
            figment = figment.merge(Serialized::default("log.format", format));
        }
        if let Some(config) = self.flags {
            figment = figment.merge(Flags(config));
        }
        let config: Config = figment.extract()?;
        judge(&config).map_err(|complaint| ConfigError {
            place: place(figment.find_metadata(complaint.key)),
            key: complaint.key.into(),
            problem: complaint.problem,
            remedy: complaint.remedy,
        })?;
        Ok(config)
    }
}

/// One environment variable, so that an error names it.
struct Variable {
    name: String,
    value: String,
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("environment variable {}", self.name))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let former = FORMER.iter().find(|(name, _)| *name == self.name);
        let key = former.map_or_else(
            || self.name[PREFIX.len()..].to_ascii_lowercase().replace("__", "."),
            |(_, key)| (*key).to_owned(),
        );
        let Ok(value) = self.value.parse::<Value>();
        let dict = figment::util::nest(&key, value).into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}

/// Flags of a command, so that an error says so.
struct Flags(Config);

impl Provider for Flags {
    fn metadata(&self) -> Metadata {
        Metadata::named("the flags")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Serialized::defaults(&self.0).data()
    }
}

/// A rule that a configuration breaks.
struct Complaint {
    key: &'static str,
    problem: String,
    remedy: String,
}

fn complain(key: &'static str, problem: String, remedy: &str) -> Result<(), Complaint> {
    Err(Complaint { key, problem, remedy: remedy.into() })
}

fn judge(config: &Config) -> Result<(), Complaint> {
    judge_addresses("listen", &config.listen)?;
    judge_addresses("peers", &config.peers)?;
    judge_listeners(config)?;
    judge_entropy(config)?;
    judge_services(config)?;
    judge_log(config)?;
    if config.data_dir.as_os_str().is_empty() {
        complain("data_dir", "the path is empty".into(), "write a directory, such as \"data\"")?;
    }
    if config.transcripts_keep == Keep::Rounds(0) {
        complain("transcripts_keep", "0 keeps none, not even those in progress".into(), "write 1 or more, or \"all\"")?;
    }
    let limits = &config.limits;
    for (key, value) in [
        ("limits.handshakes", limits.handshakes),
        ("limits.connections_per_peer", limits.connections_per_peer),
        ("limits.strangers_per_address", limits.strangers_per_address),
    ] {
        if value == 0 {
            complain(key, "0 lets nobody in".into(), "write 1 or more, or remove the line for the default")?;
        }
    }
    Ok(())
}

/// The shape of multiaddrs; the network judges their contents when it starts.
fn judge_addresses(key: &'static str, addresses: &[String]) -> Result<(), Complaint> {
    const FORMS: &str = "write a multiaddr: /ip4/192.0.2.1/tcp/7700, /ip4/192.0.2.1/udp/7700/quic-v1, or with \
        /ip6/… or /dns/name/… in front";
    for address in addresses {
        let parts: Vec<&str> = address.split('/').collect();
        let known = matches!(parts.get(1), Some(&("ip4" | "ip6" | "dns" | "dns4" | "dns6")));
        let transport = matches!(parts.get(3), Some(&("tcp" | "udp")));
        let port = parts.get(4).is_some_and(|port| port.parse::<u16>().is_ok());
        if !parts[0].is_empty() || !known || !transport || !port {
            return complain(key, format!("{address:?} is no address of a peer"), FORMS);
        }
    }
    Ok(())
}

fn judge_listeners(config: &Config) -> Result<(), Complaint> {
    let (Listener(http), Listener(local)) = (config.http, config.local_http);
    let open = local.filter(|address| !address.ip().is_loopback() && config.local_token_file.is_none());
    if let Some(address) = open {
        let problem = format!("{address} is not on the loopback, and this listener gives out secrets");
        complain("local_http", problem, "write 127.0.0.1:PORT or [::1]:PORT, or \"off\"; or set local_token_file")?;
    }
    if let (Some(public), Some(local)) = (http, local)
        && public.port() == local.port()
        && public.port() != 0
        && (public.ip() == local.ip() || public.ip().is_unspecified())
    {
        let problem = format!("{local} collides with http = \"{public}\"");
        complain("local_http", problem, "give the two listeners different ports")?;
    }
    Ok(())
}

fn judge_entropy(config: &Config) -> Result<(), Complaint> {
    const KEY: &str = "entropy.workers";
    let workers = &config.entropy.workers;
    if workers.is_empty() || workers.iter().any(Vec::is_empty) {
        let remedy = "write at least one list of sources, such as [[\"os\", \"sleep\"]]";
        complain(KEY, "every worker needs a source, and there must be a worker".into(), remedy)?;
    }
    if workers.len() > 64 {
        complain(KEY, format!("{} workers are too many", workers.len()), "write 64 or fewer")?;
    }
    match config.entropy.pool(&config.entropy.equipment(false)) {
        Ok(_) => Ok(()),
        Err(unknown) => {
            let names: Vec<&str> = beacon_entropy::sources::CATALOGUE.iter().map(|(name, _)| *name).collect();
            complain(KEY, unknown.to_string(), &format!("sources are {}, and file:PATH", names.join(", ")))
        }
    }
}

fn judge_services(config: &Config) -> Result<(), Complaint> {
    let services = &config.services;
    let size = |key, size: u64| match crate::store::CAPACITY.contains(&size) {
        true => Ok(()),
        false => complain(key, format!("{size} is no size of a queue"), "write 10 to 1000000"),
    };
    size("services.trng_queue_size", services.trng_queue_size)?;
    size("services.fortuna_queue_size", services.fortuna_queue_size)?;
    let within = |key, value: u64, most: u64| match (1..=most).contains(&value) {
        true => Ok(()),
        false => complain(key, format!("{value} is out of range"), &format!("write 1 to {most}")),
    };
    within("services.hash_interval_ms", services.hash_interval_ms, 86_400_000)?;
    within("services.process_interval_ms", services.process_interval_ms, 86_400_000)?;
    within("services.seed_count", services.seed_count as u64, 32)?;
    within("services.amplification_factor", services.amplification_factor as u64, 1000)?;
    for origin in &services.cors {
        let bare = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if bare.is_none_or(|host| host.is_empty() || host.contains(['/', '*', ' '])) {
            let remedy = "write scheme and host as a browser sends them: https://example.org, http://localhost:3000";
            complain("services.cors", format!("{origin:?} is no web origin"), remedy)?;
        }
    }
    Ok(())
}

fn judge_log(config: &Config) -> Result<(), Complaint> {
    match tracing_subscriber::EnvFilter::builder().parse(&config.log.level) {
        Ok(_) => Ok(()),
        Err(error) => {
            let problem = format!("{:?} is no log level: {error}", config.log.level);
            complain("log.level", problem, "write error, warn, info, debug, trace, or info,libp2p=warn")
        }
    }
}
