//! Rounds: one, the newest, a range, a proof, a transcript.

use std::cell::Cell;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use beacon_spec::chain::Beacon;
use beacon_spec::codec::encode;
use beacon_spec::hash::Digest32;
use beacon_spec::mmr::{self, MmrProof};

use super::answer::{Form, Keep, Params, Refusal, Round, answer, json};
use super::api::PublicApi;
use super::view::{ProofView, TranscriptView};
use crate::store::{Store, StoreError};

/// Rounds of one answer.
const RANGE: u64 = 1000;

pub(super) async fn latest(State(api): State<PublicApi>, form: Form) -> Result<Response, Refusal> {
    let announced = api.round(api.tip().max(1)).await?;
    let keep = until_next(&api, announced.round());
    Ok(answer(form, keep, || announced.json(), || encode(&announced.beacon)))
}

/// Others may keep the newest round until the next one is due; without a schedule, not at all.
pub(super) fn until_next(api: &PublicApi, newest: u64) -> Keep {
    let next = match api.schedule().period {
        0 => api.now(),
        _ => api.schedule().time_of(newest.saturating_add(1)).unwrap_or(u64::MAX),
    };
    Keep::Seconds(next.saturating_sub(api.now()) / 1000)
}

pub(super) async fn round(State(api): State<PublicApi>, round: Round, form: Form) -> Result<Response, Refusal> {
    let announced = api.round(round.0).await?;
    Ok(answer(form, Keep::Forever, || announced.json(), || encode(&announced.beacon)))
}

pub(super) async fn range(
    State(api): State<PublicApi>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let form = params.form(&headers)?;
    let bad = |error: &str| Refusal::Bad { code: "bad-range", error: error.to_owned() };
    let from = params.number("from")?.ok_or_else(|| bad("from is missing: the first round wanted"))?;
    if from == 0 {
        return Err(Refusal::NoSuchRound);
    }
    let last = from.saturating_add(RANGE - 1);
    let to = params.number("to")?.unwrap_or(last);
    if to < from {
        return Err(bad("to is below from"));
    }
    let rounds = api.rounds(from, to.min(last)).await?;
    // A range cut at the tip grows; a full one never changes.
    let full = rounds.last().is_some_and(|newest| newest.round() == to.min(last));
    let keep = if full { Keep::Forever } else { Keep::Seconds(0) };
    let array = || {
        let parts: Vec<Bytes> = rounds.iter().map(|announced| announced.json()).collect();
        Bytes::from([&b"["[..], &parts.join(&b','), b"]"].concat())
    };
    let binary = || {
        let beacons: Vec<&Beacon> = rounds.iter().map(|announced| &announced.beacon).collect();
        encode(&beacons)
    };
    Ok(answer(form, keep, array, binary))
}

pub(super) async fn proof(
    State(api): State<PublicApi>,
    Round(round): Round,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let form = params.form(&headers)?;
    let bad = |error: String| Refusal::Bad { code: "bad-head", error };
    let head =
        params.number("head")?.ok_or_else(|| bad("head is missing: the round whose root is trusted".to_owned()))?;
    if round == 0 {
        return Err(Refusal::NoSuchRound);
    }
    if round >= head {
        return Err(bad(format!("the root in header {head} is over the rounds before it, not over {round}")));
    }
    api.certified(head)?;
    let hash = api.round(round).await?.beacon.header.hash();
    let count = head - 1; // head is above round, which is at least 1
    let proof = api.read(move |store| prove(store, round, count)).await?;
    // Certified, but its nodes are still on their way to the disk.
    let proof = proof.ok_or(Refusal::NotYet { round: head, seconds: 1 })?;
    let view = ProofView { round, head, header_hash: hash, count, siblings: &proof.siblings };
    Ok(answer(form, Keep::Forever, || json(&view), || encode(&proof)))
}

fn prove(store: &Store, round: u64, count: u64) -> Result<Option<MmrProof>, StoreError> {
    let failed = Cell::new(None);
    let node = |position| -> Option<Digest32> {
        store.mmr_node(position).unwrap_or_else(|error| {
            failed.set(Some(error));
            None
        })
    };
    let proof = mmr::prove(round, count, node);
    failed.into_inner().map_or(Ok(proof), Err)
}

pub(super) async fn transcript(
    State(api): State<PublicApi>,
    Round(round): Round,
    form: Form,
) -> Result<Response, Refusal> {
    let announced = api.round(round).await?;
    let transcript = api.transcript(round).await?.ok_or(Refusal::Pruned { round })?;
    let header = &announced.beacon.header;
    let committee = api.committee(header.epoch).await.ok();
    let view = || TranscriptView::new(&transcript, header, committee.as_ref().map(|committee| &committee.list));
    // How a secret was revealed may differ from node to node, so nobody keeps it for long.
    Ok(answer(form, Keep::Seconds(60), || json(&view()), || encode(&*transcript)))
}
