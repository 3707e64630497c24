//! What the operator may ask and order on the local listener: the committee, its making, and amendments.
//!
//! Orders need a body of type `application/json`, which no page of another origin can send unasked.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

use beacon_spec::hash::Digest32;
use beacon_spec::keys::IdentityKey;

use super::answer::{Refusal, fresh};
use super::api::PublicApi;

/// One change of membership as the operator writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change", deny_unknown_fields)]
pub enum ChangeView {
    /// `bundle`: the newcomer's bundle for the next epoch, its encoding in hexadecimal.
    Add {
        identity: IdentityKey,
        weight: u64,
        bundle: String,
    },
    Remove {
        identity: IdentityKey,
    },
    Weight {
        identity: IdentityKey,
        weight: u64,
    },
}

/// What the operator orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "order", deny_unknown_fields)]
pub enum Order {
    /// Tell of the committee in force and of the next one's making.
    Show,
    /// Propose an amendment and approve of it. `expires`: the last window that may carry it, else the epoch's last.
    Propose { changes: Vec<ChangeView>, expires: Option<u64> },
    /// Approve of a proposed amendment.
    Approve { digest: Digest32 },
    /// Make a bundle for the next epoch, with which others can add this node to the committee.
    Register { ticket_keys: Option<usize> },
}

/// An order on its way to the loop, and where the answer goes.
pub struct Asked {
    pub order: Order,
    pub reply: oneshot::Sender<Result<Value, String>>,
}

pub(super) async fn committee(State(api): State<PublicApi>) -> Result<Response, Refusal> {
    obey(&api, Order::Show).await
}

pub(super) async fn order(
    State(api): State<PublicApi>,
    order: Result<Json<Order>, JsonRejection>,
) -> Result<Response, Refusal> {
    let bad = |rejection: JsonRejection| Refusal::Bad { code: "bad-order", error: rejection.body_text() };
    obey(&api, order.map_err(bad)?.0).await
}

async fn obey(api: &PublicApi, order: Order) -> Result<Response, Refusal> {
    let (reply, answer) = oneshot::channel();
    api.orders().send(Asked { order, reply }).await.map_err(|_| Refusal::Lost)?;
    match answer.await.map_err(|_| Refusal::Lost)? {
        Ok(value) => Ok(fresh(StatusCode::OK, &value)),
        Err(error) => Err(Refusal::Bad { code: "refused", error }),
    }
}
