//! The chain as such: what it is, who signs it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use beacon_engine::serve::Archive;
use beacon_spec::codec::{decode, encode};
use beacon_spec::committee::MemberList;
use beacon_spec::genesis::{GENESIS_LIMITS, Genesis};

use super::answer::{Form, Keep, Params, Refusal, answer, json};
use super::api::PublicApi;
use super::view::InfoView;

pub(super) async fn info(State(api): State<PublicApi>, form: Form) -> Result<Response, Refusal> {
    let committee = api.committee(newest_epoch(&api)).await?;
    let status = api.status();
    let view = || json(&InfoView::new(api.chain(), api.light(), &committee.list, api.tip(), status.role.name()));
    // The binary form is the light genesis alone, which never changes; the JSON form tells the newest round.
    let keep = if form == Form::Binary { Keep::Forever } else { Keep::Seconds(0) };
    Ok(answer(form, keep, view, || encode(api.light())))
}

/// The sealed genesis with all its bundles, which a verifier of transcripts needs.
pub(super) async fn genesis(State(api): State<PublicApi>, form: Form) -> Result<Response, Refusal> {
    let bytes = api.read(|store| store.genesis()).await?;
    let view = match form {
        Form::Binary => None,
        Form::Json => Some(decode::<Genesis>(&bytes, &GENESIS_LIMITS).map_err(|_| Refusal::Lost)?),
    };
    Ok(answer(form, Keep::Forever, || json(&view), || bytes))
}

/// Who signs in an epoch; with `full=1` all members with their bundles, which an auditor needs.
pub(super) async fn committee(
    State(api): State<PublicApi>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let form = params.form(&headers)?;
    let asked = params.number("epoch")?;
    let epoch = asked.unwrap_or_else(|| newest_epoch(&api));
    let committee = api.committee(epoch).await?;
    let keep = if asked.is_some() { Keep::Forever } else { Keep::Seconds(0) };
    if !params.flag("full")? {
        return Ok(answer(form, keep, || committee.json.clone(), || encode(&committee.list)));
    }
    let view = match form {
        Form::Binary => None,
        Form::Json => Some(decode::<MemberList>(&committee.members, &GENESIS_LIMITS).map_err(|_| Refusal::Lost)?),
    };
    Ok(answer(form, keep, || json(&view), || committee.members.to_vec()))
}

/// The epoch of the newest certified round; the first one before there is any.
fn newest_epoch(api: &PublicApi) -> u64 {
    api.schedule().epoch_of(api.tip().max(1))
}
