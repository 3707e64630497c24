//! What is proven against members.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;

use beacon_spec::codec::encode;
use beacon_spec::evidence::Evidence;
use beacon_spec::hash::Digest32;

use super::answer::{Keep, Params, Refusal, answer, json};
use super::api::PublicApi;

/// Bytes of the proofs of one answer.
const MAX_ANSWER: usize = 1 << 20;

#[derive(Serialize)]
struct ProofView<'a> {
    member: u16,
    crime: &'static str,
    window: u64,
    evidence: &'a Evidence,
}

#[derive(Serialize)]
struct EvidenceView<'a> {
    chain: Digest32,
    epoch: u64,
    evidence: Vec<ProofView<'a>>,
    /// The member to go on with, if there is more.
    next: Option<u16>,
}

/// One proof of each crime of each member of an epoch.
pub(super) async fn evidence(
    State(api): State<PublicApi>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    params.only(&["epoch", "from", "format"])?;
    let form = params.form(&headers)?;
    let epoch = params.number("epoch")?.unwrap_or_else(|| api.schedule().epoch_of(api.tip().max(1)));
    let from = u16::try_from(params.number("from")?.unwrap_or(0)).unwrap_or(u16::MAX);
    let (found, next) = api.read(move |store| store.evidence(epoch, from, MAX_ANSWER)).await?;
    let schedule = *api.schedule();
    let view = || {
        let proofs = found.iter().map(|evidence| ProofView {
            member: evidence.member(),
            crime: evidence.crime().words(),
            window: evidence.window(&schedule),
            evidence,
        });
        json(&EvidenceView { chain: api.chain(), epoch, evidence: proofs.collect(), next })
    };
    Ok(answer(form, Keep::Seconds(0), view, || encode(&found)))
}
