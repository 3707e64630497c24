//! Lokey's controller: blocks of the workers, of which a chip may be one.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::{LocalApi, lokey};
use crate::http::answer::{Params, Refusal, fresh};

pub(super) async fn generate(State(api): State<LocalApi>, params: Params) -> Result<Response, Refusal> {
    params.only(&["count"])?;
    let count = params.number("count")?.unwrap_or(1);
    if !(1..=100).contains(&count) {
        return Err(Refusal::bad("bad-number", format!("count is 1 to 100, not {count}")));
    }
    api.work(move |services| {
        let block = |_| services.block().map(|block| Value::from(hex::encode(*block.bytes)));
        let blocks: Result<Vec<Value>, _> = (0..count).map(block).collect();
        let mut blocks = blocks.map_err(|error| Refusal::Unavailable(error.to_string()))?;
        // One block alone comes without a list.
        let data = if count == 1 { blocks.remove(0) } else { Value::from(blocks) };
        Ok(fresh(StatusCode::OK, &json!({ "data": data })))
    })
    .await
}

pub(super) async fn info(State(api): State<LocalApi>) -> Result<Response, Refusal> {
    api.work(|services| {
        let pool = services.pool.status();
        let view = json!({
            "status": "running",
            "workers": pool.workers.len(),
            "workers_running": pool.workers_running,
            "chip": services.chip(),
        });
        Ok(fresh(StatusCode::OK, &view))
    })
    .await
}

pub(super) async fn health(State(api): State<LocalApi>) -> Response {
    let well = api.services.has_workers();
    lokey::healthy(well, json!({ "workers": well }))
}
