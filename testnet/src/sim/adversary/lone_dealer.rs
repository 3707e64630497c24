//! Sends its commitment to the window's first proposer alone and gives it to nobody who asks.

use beacon_engine::event::{Message, Request, Response};
use beacon_spec::consensus::proposer;

use super::{Adversary, Scene};
use crate::sim::post::Parcel;

pub struct LoneDealer;

impl Adversary for LoneDealer {
    fn name(&self) -> &'static str {
        "lone-dealer"
    }

    fn send(&mut self, scene: &mut Scene, parcel: Parcel) -> Vec<Parcel> {
        let Message::Commitment(commitment) = &parcel.message else { return vec![parcel] };
        let window = commitment.signed.body.window;
        let Some(committee) = scene.committee(window) else { return vec![parcel] };
        let signers = committee.signers();
        let weights = (0..signers.len() as u16).map(|member| (member, signers.weight(member)));
        let first = proposer(weights, window, 0).and_then(|first| scene.node_of(&committee, first));
        scene.acted(self.name());
        let to = parcel.to.iter().copied().filter(|node| Some(*node) == first).collect();
        vec![Parcel { to, gossip: false, ..parcel }]
    }

    fn answer(&mut self, _: &mut Scene, _: usize, request: &Request, truth: Response) -> Option<Response> {
        match request {
            Request::Commitments { .. } => Some(Response::Commitments(Vec::new())),
            _ => Some(truth),
        }
    }
}
