//! What the node tells of itself: announced rounds, the status page, metrics, warnings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use beacon_engine::status::Status;
use beacon_entropy::worker::WorkerState;
use beacon_spec::chain::{Beacon, Revealed, Transcript};
use beacon_spec::keys::IdentityKey;

use super::driver::Driver;
use crate::cli::Prepared;
use crate::clock;
use crate::http::health::{EntropyView, NodeStatus, Participation, PeerView, Role, SyncState};
use crate::network::{Direction, PeerKey};
use crate::quality::{Quality, share};

/// A clock this far from the median of the peers' is warned of, milliseconds.
const CLOCK_WARNING: u64 = 500;

/// The status before the engine has been asked.
pub fn initial(prepared: &Prepared) -> NodeStatus {
    NodeStatus {
        chain: prepared.sealed.chain,
        name: prepared.sealed.genesis.draft.name.clone(),
        software: concat!("beacon-node ", env!("CARGO_PKG_VERSION")).to_owned(),
        identity: Some(prepared.identity),
        role: if prepared.member { Role::Member } else { Role::Observer },
        ..NodeStatus::default()
    }
}

impl Driver {
    /// Announces a certified round to subscribers, the log and metrics.
    pub(super) fn publish(&mut self, beacon: &Arc<Beacon>, transcript: Option<Arc<Transcript>>) {
        self.api.publish(beacon, transcript.clone());
        let header = &beacon.header;
        let late = clock::now().saturating_sub(header.due);
        tracing::info!(
            round = header.round,
            output = %header.output,
            contributors = header.contributors,
            weight = header.weight,
            late_ms = late,
            "certified"
        );
        self.newest = Some(header.clone());
        self.metrics.certified(header, transcript.is_some().then(|| Duration::from_millis(late)));
        for contribution in transcript.iter().flat_map(|transcript| &transcript.contributions) {
            let part = match contribution.revealed {
                Revealed::Opened(_) => "opened",
                Revealed::Recovered(_) => "recovered",
            };
            self.metrics.participated(contribution.member, part);
        }
    }

    /// Renews what status pages and metrics show.
    pub(super) fn refresh(&mut self) {
        let status = self.engine.status();
        for committee in self.engine.committees().filter(|committee| committee.epoch() > self.served_epoch) {
            self.api.add_committee(committee);
        }
        self.served_epoch = self.served_epoch.max(status.epoch);
        self.watch_clock(status.clock_offset_ms);
        self.metrics.schedule(status.expected, status.expected.saturating_sub(status.round));
        self.metrics.decided(status.decided);
        self.metrics.missing_transcripts(status.missing_transcripts);
        let pool = self.workshop.pool().status();
        let workers = [("running", WorkerState::Running), ("restarting", WorkerState::Restarting)];
        for (name, state) in workers.into_iter().chain([("failed", WorkerState::Failed)]) {
            let count = pool.workers.iter().filter(|worker| worker.state == state).count();
            self.metrics.entropy_workers(name, count);
        }
        let entropy = EntropyView::from(&pool);
        for (state, count) in entropy.source_states() {
            self.metrics.entropy_sources(state, count);
        }
        let cluster = self.workshop.cluster().view();
        let peers = self.peer_views(&status);
        let quality = self.quality(&peers, &entropy);
        self.metrics
            .peers(peers.iter().filter(|peer| peer.member).count(), peers.iter().filter(|peer| !peer.member).count());
        let participation = self.participation(&status);
        self.status.send_modify(|shown| {
            shown.member = status.member;
            shown.role = if status.member.is_some() { Role::Member } else { Role::Observer };
            shown.decided_window = status.decided;
            shown.sync = match status.best_peer_round > status.round + 1 {
                true => SyncState::CatchingUp,
                false => SyncState::Current,
            };
            shown.peers = peers;
            shown.clock_offset_ms = status.clock_offset_ms.map(|offset| -offset);
            shown.entropy = entropy;
            shown.quality = quality;
            shown.cluster = cluster;
            shown.participation = participation;
        });
    }

    /// The parts of the network's quality that the shell knows.
    fn quality(&self, peers: &[PeerView], entropy: &EntropyView) -> Quality {
        let committee = self.engine.committees().last();
        let signers = committee.map(|committee| committee.signers());
        let weighty = signers.map_or(0, |signers| signers.list().signers.iter().filter(|s| s.weight > 0).count());
        let total = signers.map_or(0, |signers| signers.total_weight());
        let newest = self.newest.as_ref();
        let others = self.members.iter().filter(|member| **member != self.identity).count();
        let up = peers.iter().filter(|peer| peer.member && peer.up).count();
        Quality {
            participating_weight: newest.and_then(|header| share(header.weight, total)),
            contributors: newest.and_then(|header| share(header.contributors.into(), weighty as u64)),
            peers_up: share(up as u64, others as u64),
            sources_healthy: share(entropy.sources_healthy as u64, entropy.sources_credited as u64),
            ..Quality::default()
        }
    }

    fn peer_views(&self, status: &Status) -> Vec<PeerView> {
        let rounds: BTreeMap<PeerKey, Option<u64>> = status.peers.iter().map(|(key, round)| (key.0, *round)).collect();
        let view = |peer: crate::network::PeerStatus| PeerView {
            identity: IdentityKey(peer.key),
            address: peer.address,
            inbound: peer.direction == Direction::Inbound,
            member: peer.member,
            up: peer.up,
            rtt_ms: peer.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
            round: rounds.get(&peer.key).copied().flatten(),
        };
        self.network.peers().into_iter().map(view).collect()
    }

    fn participation(&self, status: &Status) -> Vec<Participation> {
        status
            .participation
            .iter()
            .map(|(member, count)| Participation {
                member: *member,
                weight: count.weight,
                opened: count.contributed - count.recovered,
                recovered: count.recovered,
                absent: status.rounds_seen - count.contributed,
            })
            .collect()
    }

    /// Warns once of a clock far from the peers', and again when it has come back.
    fn watch_clock(&mut self, offset: Option<i64>) {
        let Some(offset) = offset else { return };
        self.metrics.clock_offset(-offset);
        let far = offset.unsigned_abs() > CLOCK_WARNING;
        if far && !self.clock_warned {
            tracing::warn!(
                offset_ms = -offset,
                "this clock is far from the median of the peers' clocks; correct it (chrony, systemd-timesyncd)"
            );
        }
        if !far && self.clock_warned {
            tracing::info!(offset_ms = -offset, "this clock agrees with the peers' again");
        }
        self.clock_warned = far;
    }
}
