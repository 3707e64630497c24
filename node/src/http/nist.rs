//! The beacon in the shape of NIST's Randomness Beacon 2.0 (NISTIR 8213 draft), under `/beacon/2.0`: pulses by their
//! number and by time, previous and next.
//!
//! A pulse is a round, its time stamp the round's due time, its value 512 bits expanded from the output. What NIST's
//! pulses have and rounds do not is left out rather than imitated: there is no local random value, no external one, no
//! cipher suite, and no field is called a signature that is none. In place of the precommitment stands the hash of the
//! set of dealings, decided before the round opened; in place of the skip list, the proof that any later round's header
//! gives. A certificate is that of the round itself.
//!
//! An answer to a time never changes: a time whose pulse is not certified yet is refused as too early, and never
//! answered with an older pulse.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::get;
use beacon_spec::codec::number;
use beacon_spec::hash::Digest32;
use beacon_spec::mix::expand;
use beacon_spec::schedule::Schedule;
use serde::Serialize;

use super::answer::{Keep, Refusal, kept, number as read_number};
use super::api::PublicApi;
use super::beacon::until_next;
use super::openapi::{Documented, Operation};
use super::recent::Announced;
use crate::when::rfc3339_millis;

/// NIST numbers the chains of a beacon; a node serves one.
const CHAIN: &str = "1";
/// The label and the length of a round's 512-bit value. [mix-3]
const LABEL: &[u8] = b"512";
const LENGTH: usize = 64;
/// NIST's status of a pulse that begins a chain; every other one is 0, since no round is ever missing.
const FIRST: u32 = 1;

/// Answers to people and to programs that know NIST's beacon.
pub(super) fn routes(routes: Documented<PublicApi>) -> Documented<PublicApi> {
    let timed =
        |path, summary| Operation::get(path, summary).answers(400, "no number of milliseconds").answers(425, "not yet");
    let pulse = Operation::get("/beacon/2.0/chain/{chain}/pulse/{pulse}", "A pulse by its number, or first, or last")
        .answers(400, "no number of a pulse")
        .answers(404, "no such chain or pulse")
        .answers(425, "not yet");
    routes
        .route(Operation::get("/beacon/2.0/pulse/last", "The newest pulse"), get(last))
        .route(timed("/beacon/2.0/pulse/time/{ms}", "The pulse at a time, or else the next one"), get(at))
        .route(timed("/beacon/2.0/pulse/time/next/{ms}", "The first pulse after a time"), get(next))
        .route(
            timed("/beacon/2.0/pulse/time/previous/{ms}", "The last pulse before a time").answers(404, "there is none"),
            get(previous),
        )
        .route(pulse, get(numbered))
}

#[derive(Serialize)]
struct Answer {
    pulse: PulseView,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PulseView {
    uri: String,
    /// Of the beacon's formats and rules.
    version: String,
    /// Milliseconds from pulse to pulse.
    #[serde(with = "number")]
    period: u64,
    chain_index: u32,
    chain_hash: Digest32,
    #[serde(with = "number")]
    pulse_index: u64,
    /// When the pulse was due: a plan, and no proof of time.
    time_stamp: String,
    dealing_set: Digest32,
    list_values: Vec<Listed>,
    status_code: u32,
    /// 512 bits.
    output_value: String,
    /// The 256 bits that these come from, and the header that holds them.
    output: Digest32,
    header_hash: Digest32,
    previous_header_hash: Digest32,
    /// Where the round is with its certificate, to be verified.
    verify: String,
    /// Where the keys are that signed it.
    committee: String,
}

/// A link to an earlier pulse.
#[derive(Serialize)]
struct Listed {
    uri: String,
    #[serde(rename = "type")]
    kind: &'static str,
    value: String,
}

fn uri(round: u64) -> String {
    format!("/beacon/2.0/chain/{CHAIN}/pulse/{round}")
}

/// The 512-bit value of a round. [mix-3]
fn value(announced: &Announced) -> Result<String, Refusal> {
    let bytes = expand(&announced.beacon.header.output, LABEL, LENGTH).map_err(|_| Refusal::Lost)?;
    Ok(hex::encode(bytes))
}

async fn pulse(api: &PublicApi, round: u64) -> Result<Answer, Refusal> {
    let announced = api.round(round).await?;
    let mut list_values = Vec::new();
    if round > 1 {
        let before = api.round(round - 1).await?;
        list_values.push(Listed { uri: uri(round - 1), kind: "previous", value: value(&before)? });
    }
    let header = &announced.beacon.header;
    let pulse = PulseView {
        uri: uri(round),
        version: format!("beacon/{}", header.version),
        period: api.schedule().period,
        chain_index: 1,
        chain_hash: api.chain(),
        pulse_index: round,
        time_stamp: rfc3339_millis(header.due),
        dealing_set: header.dealing_set,
        list_values,
        status_code: if round == 1 { FIRST } else { 0 },
        output_value: value(&announced)?,
        output: header.output,
        header_hash: header.hash(),
        previous_header_hash: header.previous,
        verify: format!("/beacon/rounds/{round}"),
        committee: format!("/beacon/committee?epoch={}", header.epoch),
    };
    Ok(Answer { pulse })
}

async fn settled(api: &PublicApi, round: u64) -> Result<Response, Refusal> {
    Ok(kept(Keep::Forever.control(), &pulse(api, round).await?))
}

async fn last(State(api): State<PublicApi>) -> Result<Response, Refusal> {
    let round = api.tip().max(1);
    Ok(kept(until_next(&api, round).control(), &pulse(&api, round).await?))
}

async fn numbered(
    State(api): State<PublicApi>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path((chain, number)) = path.map_err(|error| Refusal::bad("bad-path", error.to_string()))?;
    if chain != CHAIN && chain != "last" && chain != api.chain().to_string() {
        return Err(Refusal::UnknownChain);
    }
    match number.as_str() {
        "first" => settled(&api, 1).await,
        "last" => last(State(api)).await,
        number => settled(&api, read_number("the pulse", number)?).await,
    }
}

/// The milliseconds in a path.
struct Time(u64);

impl<S: Send + Sync> FromRequestParts<S> for Time {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|error| Refusal::bad("bad-path", error.to_string()))?;
        read_number("the time", &text).map(Time)
    }
}

async fn at(State(api): State<PublicApi>, Time(time): Time) -> Result<Response, Refusal> {
    settled(&api, from(api.schedule(), time)?).await
}

async fn next(State(api): State<PublicApi>, Time(time): Time) -> Result<Response, Refusal> {
    let after = time.checked_add(1).ok_or(Refusal::NoSuchTime)?;
    settled(&api, from(api.schedule(), after)?).await
}

async fn previous(State(api): State<PublicApi>, Time(time): Time) -> Result<Response, Refusal> {
    let before = time.checked_sub(1).ok_or(Refusal::NoSuchTime)?;
    let round = api.schedule().round_at(before).map_err(|_| Refusal::NoSuchTime)?;
    settled(&api, round).await
}

/// The first round due at `time` or later.
fn from(schedule: &Schedule, time: u64) -> Result<u64, Refusal> {
    let Some(before) = time.checked_sub(1).filter(|before| *before >= schedule.genesis_time) else {
        // Without a period no round has a time of its own, not even the first.
        return if schedule.period == 0 { Err(Refusal::NoSuchTime) } else { Ok(1) };
    };
    let passed = schedule.round_at(before).map_err(|_| Refusal::NoSuchTime)?;
    passed.checked_add(1).ok_or(Refusal::NoSuchTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_find_their_round_at_both_ends_of_it() {
        let schedule = Schedule { genesis_time: 10_000, period: 3000, window: 3, epoch_windows: 4 };
        for (time, round) in [(0, 1), (10_000, 1), (10_001, 2), (13_000, 2), (13_001, 3), (15_999, 3), (16_000, 3)] {
            assert_eq!(from(&schedule, time).ok(), Some(round), "{time}");
        }
        let endless = Schedule { period: 0, ..schedule };
        assert!([0, 10_000, 10_001, u64::MAX].iter().all(|time| from(&endless, *time).is_err()));
        let fast = Schedule { genesis_time: 0, period: 1, ..schedule };
        assert_eq!(from(&fast, u64::MAX - 1).ok(), Some(u64::MAX));
        assert!(from(&fast, u64::MAX).is_err(), "that round has no number");
    }
}
