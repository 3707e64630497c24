//! Answers requests with lies: other positions, changed rounds and decisions, other members' commitments, nothing.

use beacon_engine::event::{PeerStatus, Request, Response};

use super::{Adversary, Scene};

pub struct SyncLiar;

impl Adversary for SyncLiar {
    fn name(&self) -> &'static str {
        "sync-liar"
    }

    fn answer(&mut self, scene: &mut Scene, _: usize, request: &Request, truth: Response) -> Option<Response> {
        scene.acted(self.name());
        let choice = scene.rng().below(6);
        Some(match (truth, choice) {
            (truth, 0) => truth,
            (_, 1) => return None,
            (_, 2) => match request {
                Request::Status => Response::Rounds(Vec::new()),
                _ => Response::Status(PeerStatus { round: 9, header: scene.chain, decided: 9, clock: 0 }),
            },
            (Response::Status(status), _) => {
                let round = status.round + scene.rng().below(1_000);
                let clock = if choice == 3 { u64::MAX } else { 0 };
                Response::Status(PeerStatus { round, decided: round + 2, clock, ..status })
            }
            (Response::Rounds(mut rounds), _) => {
                let place = scene.rng().below(rounds.len() as u64) as usize;
                match rounds.get_mut(place) {
                    Some(record) if choice == 3 => record.beacon.header.output.0[0] ^= 1,
                    Some(record) if choice == 4 => {
                        record.beacon.certificate.signatures.iter_mut().take(1).for_each(|first| first.0[0] ^= 1);
                    }
                    Some(record) => record.transcript = None,
                    None => {}
                }
                Response::Rounds(rounds)
            }
            (Response::Decisions(mut decisions), _) => {
                for decision in &mut decisions {
                    match choice {
                        3 => drop(decision.value.set.pop()),
                        4 => decision.certificate.signers.truncate(1),
                        _ => decision.certificate.round += 1,
                    }
                }
                Response::Decisions(decisions)
            }
            (Response::Commitments(mut commitments), _) => {
                for commitment in &mut commitments {
                    match choice {
                        3 => commitment.signed.body.window += 1,
                        4 => commitment.dealings.truncate(0),
                        _ => commitment.signed.signature.0[0] ^= 1,
                    }
                }
                Response::Commitments(commitments)
            }
            (Response::Registry(mut answer), _) => {
                if let Some((decision, registry)) = answer.as_deref_mut() {
                    match choice {
                        3 => registry.epoch += 1,
                        4 => drop(registry.registered.pop()),
                        _ => decision.certificate.signers.truncate(1),
                    }
                }
                Response::Registry(answer)
            }
            (Response::Committee(mut answer), _) => {
                if let Some(list) = answer.as_deref_mut() {
                    match choice {
                        3 => list.members.truncate(1),
                        4 => list.members.iter_mut().take(1).for_each(|member| member.weight += 1),
                        _ => list.epoch += 1,
                    }
                }
                Response::Committee(answer)
            }
            (Response::Checkpoint(mut answer), _) => {
                if let Some(checkpoint) = answer.as_deref_mut() {
                    checkpoint.beacon.header.output.0[0] ^= 1;
                }
                Response::Checkpoint(answer)
            }
            (Response::Genesis(mut bytes), _) => {
                bytes.truncate(10);
                Response::Genesis(bytes)
            }
        })
    }
}
