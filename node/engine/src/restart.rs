//! Starting: from nothing, or from what the disk kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use beacon_spec::chain::Beacon;
use beacon_spec::committee::MemberList;
use beacon_spec::mmr::Mmr;
use beacon_spec::reject::Reject;
use beacon_spec::sabotage::{Bug, planted};

use crate::agree::{Agree, AgreeConfig, Timeouts, WalEntry};
use crate::agreement::Agreement;
use crate::batch::{Decision, Recovered};
use crate::certify::Chain;
use crate::engine::{Config, Engine};
use crate::event::{Halt, Millis, Step};
use crate::evidence::Proven;
use crate::inbox::Inbox;
use crate::membership::{Known, Membership};
use crate::open::Round;
use crate::resend::Resend;
use crate::rollback::Caution;
use crate::status::Participation;
use crate::sync::Sync;
use crate::window::Decided;

impl Engine {
    /// Builds the engine from its configuration and the store's records; the step says what to do first.
    ///
    /// Decisions and log entries are taken as this node wrote them; commitments are verified again. [restart-1]
    pub fn recover(config: Config, recovered: Recovered, now: Millis) -> (Engine, Step) {
        let chain = match &recovered.tip {
            Some((beacon, mmr)) => Chain::new(beacon.header.round, beacon.header.hash(), mmr.clone()),
            None => Chain::new(0, config.chain, Mmr::new()),
        };
        let agree = Agree::new(AgreeConfig {
            chain: config.chain,
            timeouts: Timeouts::default(),
            released: config.unsafe_release,
        });
        let mut engine = Engine {
            committees: BTreeMap::from([(1, config.committee.clone())]),
            config,
            now,
            set_back: 0,
            out: Step::default(),
            records: Vec::new(),
            sync_batch: false,
            seq: 1,
            durable: 0,
            chain,
            windows: BTreeMap::new(),
            inbox: Inbox::default(),
            agreement: Agreement::new(agree),
            round: Round::default(),
            resend: Resend::default(),
            sync: Sync::default(),
            membership: Membership::default(),
            proven: Proven::default(),
            caution: Caution::default(),
            participation: Participation::default(),
            halted: false,
        };
        engine.sync.head_since = now;
        engine.be_cautious(&recovered);
        engine.restore(recovered);
        engine.announce_members();
        let step = engine.settle();
        (engine, step)
    }

    fn restore(&mut self, recovered: Recovered) {
        let consistent = recovered
            .tip
            .as_ref()
            .is_none_or(|(beacon, mmr)| beacon.header.chain == self.config.chain && mmr.count() == beacon.header.round);
        if !consistent {
            return self.halt(Halt::BadRecords("the newest round does not fit this chain".into()));
        }
        if let Err(reason) = self.restore_committees(recovered.committees, recovered.tip.as_ref()) {
            return self.halt(Halt::BadRecords(reason));
        }
        self.restore_evidence(&recovered.evidence);
        let base = recovered.registry.map(Known::new);
        for decision in recovered.decisions {
            let number = decision.value.window;
            if let Err(reason) = self.restore_decision(decision, base.as_ref()) {
                return self.halt(Halt::BadRecords(format!("decision of window {number}: {reason}")));
            }
        }
        for (number, seed) in recovered.seeds {
            if let Some(window) = self.window_mut(number) {
                window.seed = Some(seed);
            }
        }
        for commitment in recovered.commitments {
            let hash = commitment.signed.body.hash(&self.config.chain);
            self.inbox.stored.insert(hash);
            let me = self.config.identity;
            self.on_commitment(me, commitment, true);
        }
        self.out.relay = false;
        for window in self.windows.keys().copied().collect::<Vec<_>>() {
            let set = self.windows.get(&window).and_then(|state| state.decision.as_ref());
            let set = set.map(|decided| decided.decision.value.set.clone()).unwrap_or_default();
            self.want(window, &set);
        }
        let wal = if planted(Bug::WalIgnored) { Vec::new() } else { recovered.wal };
        for (height, _, bytes) in wal {
            self.agreement.recovered.entry(height).or_default().push(WalEntry { height, bytes });
        }
        for round in recovered.missing_transcripts {
            self.sync.miss_transcript(round);
        }
    }

    /// The committees of the tip's epoch and of its neighbours. The tip's own must be there and be the one that signed.
    fn restore_committees(&mut self, lists: Vec<MemberList>, tip: Option<&(Beacon, Mmr)>) -> Result<(), String> {
        let exempt = self.config.parameters.development_exemption;
        for list in lists {
            let epoch = list.epoch;
            let committee = list.build(exempt).map_err(|reason| format!("committee of epoch {epoch}: {reason}"))?;
            self.committees.insert(epoch, Arc::new(committee));
        }
        let Some((beacon, _)) = tip else { return Ok(()) };
        let header = &beacon.header;
        match self.committee(header.epoch) {
            Some(committee) if committee.hash() == header.committee => {}
            Some(_) => return Err(format!("the committee of epoch {} is not the one that signs it", header.epoch)),
            None => return Err(format!("the committee of epoch {} is missing", header.epoch)),
        }
        self.note_hand_over(header.round, header.next_committee);
        Ok(())
    }

    /// An own decision, and the registry after it: from the one before, or the `base` if the value carries its hash.
    fn restore_decision(&mut self, decision: Decision, base: Option<&Arc<Known>>) -> Result<(), Reject> {
        let number = decision.value.window;
        let Some(committee) = self.committee_of_window(number) else { return Ok(()) }; // of an epoch long past
        self.check_decision(&decision)?;
        let after = match self.registry_before(number) {
            Some(before) => Some(self.registry_after(&before, &decision.value, &committee)?),
            None => base.filter(|known| known.hash == decision.value.registry).cloned(),
        };
        self.agreement.note_decided(&decision.certificate);
        if let Some(window) = self.window_mut(number) {
            window.decision = Some(Decided { decision, seq: 0, openings: BTreeMap::new() });
        }
        if let Some(after) = after {
            self.learn_registry(number, after);
        }
        Ok(())
    }
}
