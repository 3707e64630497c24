//! The genesis parameters: sensible defaults, and complaints that name the flag.

use beacon_spec::genesis::Parameters;
use beacon_spec::schedule::Schedule;
use clap::Args;

use super::failure::Failure;

const DAY: u64 = 86_400_000;
/// The latest genesis time there may be, in Unix milliseconds.
const LATEST: u64 = 1 << 52;

/// What never changes for the life of the chain. Times in milliseconds.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Flags {
    /// From round to round; 0 is as fast as the network goes
    #[arg(long, value_name = "MS", default_value_t = 3000)]
    pub period: u64,
    /// Rounds agreed together, 1 to 64
    #[arg(long, value_name = "K", default_value_t = 1)]
    pub window: u64,
    /// Windows of an epoch [default: about a day]
    #[arg(long, value_name = "E")]
    pub epoch_windows: Option<u64>,
    /// Due time of round 1 as Unix milliseconds
    #[arg(long, value_name = "MS", conflicts_with = "seconds")]
    pub genesis_time: Option<u64>,
    /// Due time of round 1, so many seconds from now; leave time to make bundles and seal
    #[arg(long = "in", value_name = "SECONDS", default_value_t = 600)]
    pub seconds: u64,
    /// Overdue rounds open at least this far apart [default: half the period, at most 100]
    #[arg(long, value_name = "MS")]
    pub catch_up_interval: Option<u64>,
    /// Members deal this long before the genesis time [default: the period, 500 to 2000]
    #[arg(long, value_name = "MS")]
    pub lead: Option<u64>,
    /// How long openings are waited for before shares [default: a quarter of the period, 50 to 500]
    #[arg(long, value_name = "MS")]
    pub recovery_delay: Option<u64>,
    /// How long a proposer waits for stragglers [default: a quarter of the period, 20 to 200]
    #[arg(long, value_name = "MS")]
    pub grace: Option<u64>,
    /// Bundles that one window may register [default: 16, more if E is small]
    #[arg(long, value_name = "N")]
    pub registrations_per_value: Option<u16>,
    /// Allow members of a third of the weight and more, for development networks of one to three nodes:
    /// each of them can then stop, and with two thirds foresee and choose, the output
    #[arg(long)]
    pub development_exemption: bool,
}

impl Flags {
    /// The parameters for a committee of `members`, with defaults filled in and every range judged.
    pub(super) fn parameters(&self, members: usize, now: u64) -> Result<Parameters, Failure> {
        let (period, window) = (self.period, self.window);
        self.judge_basics()?;
        let catch_up_interval = self.catch_up_interval.unwrap_or((period / 2).min(100));
        // With period 0 rounds follow each other about this fast; it only sizes the default epoch.
        let pace = if period == 0 { catch_up_interval.max(50) } else { period };
        let epoch_windows = self.epoch_windows.unwrap_or((DAY / (pace * window)).max(4));
        let needed = 4 * members as u64;
        let enough = needed.div_ceil(epoch_windows.max(1)).clamp(16, u64::from(u16::MAX));
        let parameters = Parameters {
            schedule: Schedule { genesis_time: self.genesis_time(now), period, window, epoch_windows },
            catch_up_interval,
            lead: self.lead.unwrap_or(period.clamp(500, 2000)),
            recovery_delay: self.recovery_delay.unwrap_or((period / 4).clamp(50, 500)),
            grace: self.grace.unwrap_or((period / 4).clamp(20, 200)),
            registrations_per_value: self.registrations_per_value.unwrap_or(enough as u16),
            development_exemption: self.development_exemption,
        };
        judge(&parameters, needed)?;
        parameters.check(members).map_err(|reason| {
            Failure::usage(format!("the parameters break a rule: {reason}"), "leave flags out to take the defaults")
        })?;
        Ok(parameters)
    }

    /// Whole seconds look better and mean the same to everybody.
    fn genesis_time(&self, now: u64) -> u64 {
        let soon = now.saturating_add(self.seconds.saturating_mul(1000));
        self.genesis_time.unwrap_or(soon.div_ceil(1000).saturating_mul(1000))
    }

    fn judge_basics(&self) -> Result<(), Failure> {
        range("--window", self.window, 1, 64)?;
        range("--period", self.period, 0, 366 * DAY)
    }
}

fn judge(parameters: &Parameters, needed: u64) -> Result<(), Failure> {
    let schedule = &parameters.schedule;
    range("--genesis-time", schedule.genesis_time, 0, LATEST)?;
    range("--epoch-windows", schedule.epoch_windows, 4, 1 << 32)?;
    let longest = if schedule.period == 0 { 60_000 } else { (schedule.period / 2).min(60_000) };
    range("--catch-up-interval", parameters.catch_up_interval, 0, longest)?;
    range("--lead", parameters.lead, 0, 3_600_000)?;
    range("--recovery-delay", parameters.recovery_delay, 0, 60_000)?;
    range("--grace", parameters.grace, 0, 60_000)?;
    let per_epoch = schedule.epoch_windows.saturating_mul(u64::from(parameters.registrations_per_value));
    if per_epoch < needed {
        let what = format!(
            "--epoch-windows {} with --registrations-per-value {} lets {per_epoch} bundles register in an epoch, but \
             {} members need room for {needed}",
            schedule.epoch_windows,
            parameters.registrations_per_value,
            needed / 4
        );
        return Err(Failure::usage(what, "make one of the two larger"));
    }
    Ok(())
}

fn range(flag: &str, value: u64, least: u64, most: u64) -> Result<(), Failure> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let remedy = format!("write {least} to {most}");
    Err(Failure::usage(format!("{flag} {value} is out of range"), remedy))
}
