//! Recovery of withheld secrets: the ready rule, the release of shares, and reconstruction.

use beacon_spec::committee::Committee;
use beacon_spec::keys::IdentityKey;
use beacon_spec::message::{DealerShares, SetEntry, Shares};
use beacon_spec::pvss;
use beacon_spec::reject::Reject;
use beacon_spec::sabotage::{Bug, planted};

use crate::engine::{Engine, Own};
use crate::event::{Message, Millis, Recipient};
use crate::resend::Own as OwnMessage;

impl Engine {
    /// Weight of the members whose valid opening or ready for the next round was seen. Recovered secrets do not
    /// count: one fast clock must not hand out a round early. [recover-2]
    fn seen_weight(&self, committee: &Committee) -> u64 {
        let round = self.chain.round + 1;
        let Some(window) = self.windows.get(&self.current_window()) else { return 0 };
        let of_round = (round, 0)..=(round, u16::MAX);
        let openings = window.decision.as_ref().map(|decided| &decided.openings);
        let opened = openings.into_iter().flat_map(|openings| openings.range(of_round.clone()).map(|(key, _)| key.1));
        let is_opened = |member: u16| openings.is_some_and(|openings| openings.contains_key(&(round, member)));
        let ready = window.readies.range(of_round.clone()).map(|key| key.1).filter(|member| !is_opened(*member));
        opened.chain(ready).map(|member| committee.signers().weight(member)).sum()
    }

    /// Entries of the decided set without an opening: their secrets are unknown, or were recovered.
    fn unopened(&self) -> Vec<SetEntry> {
        if self.round.header.is_some() && self.round.recovered.is_empty() {
            return Vec::new();
        }
        let round = self.chain.round + 1;
        let Some(window) = self.windows.get(&self.current_window()) else { return Vec::new() };
        let Some(decided) = window.decided(self.durable) else { return Vec::new() };
        let opened = |entry: &&SetEntry| !decided.openings.contains_key(&(round, entry.member));
        decided.decision.value.set.iter().filter(opened).copied().collect()
    }

    /// When shares for `dealer` may be released. Who recovered its secret need not wait any longer. [recover-3]
    fn release_time(&self, dealer: u16) -> Option<Millis> {
        let known = self.round.slow.contains(&dealer) || self.round.recovered.contains_key(&dealer);
        let delay = if known { 0 } else { self.config.parameters.recovery_delay };
        Some(self.round.quorum_at?.saturating_add(delay))
    }

    /// Whether shares of a dealing were not released yet and can be: a dealing that a decision names may still be on
    /// its way here.
    fn may_release(&self, entry: &SetEntry) -> bool {
        let index = self.index_in_window(self.chain.round + 1);
        let held =
            self.windows.get(&self.current_window()).is_some_and(|window| window.dealing(entry, index).is_some());
        let kept = planted(Bug::EarlyRecoveryKept) && self.round.recovered.contains_key(&entry.member);
        held && !kept && !self.round.released.contains(&entry.member)
    }

    pub(crate) fn recover_deadline(&self) -> Option<Millis> {
        self.round.quorum_at?;
        let waiting = self.unopened();
        waiting.iter().filter(|entry| self.may_release(entry)).filter_map(|entry| self.release_time(entry.member)).min()
    }

    pub(crate) fn try_recover(&mut self) -> bool {
        let due = self.recover_deadline().is_some_and(|at| at <= self.now);
        if self.round.settled && !due {
            return false;
        }
        let unopened = self.unopened();
        if unopened.is_empty() {
            return false;
        }
        let Some(committee) = self.committee_of_window(self.current_window()) else { return false };
        let seen = || committee.signers().is_quorum(self.seen_weight(&committee)) || planted(Bug::ReadyRuleRemoved);
        if self.round.quorum_at.is_none() && seen() {
            self.round.quorum_at = Some(self.now);
        }
        self.reconstruct(&committee, &unopened) | self.release(&committee, &unopened)
    }

    /// Releases the own shares of every dealing that is due, in one message; also those of a dealing whose secret was
    /// recovered meanwhile, since some of the shares that it was recovered from may have reached nobody else. [recover-4]
    fn release(&mut self, committee: &Committee, unopened: &[SetEntry]) -> bool {
        let is_due = |entry: &&SetEntry| {
            self.may_release(entry) && self.release_time(entry.member).is_some_and(|at| at <= self.now)
        };
        let due: Vec<u16> = unopened.iter().filter(is_due).map(|entry| entry.member).collect();
        if due.is_empty() {
            return false;
        }
        self.round.released.extend(due);
        let Some(shares) = self.own(committee).and_then(|own| self.own_shares(committee, &own)) else { return false };
        for dealer in &shares.dealers {
            let kept = self.round.shares.entry(dealer.dealer).or_default();
            kept.extend(dealer.shares.iter().map(|share| (share.position, *share)));
        }
        self.send(Recipient::Members, Message::Shares(Box::new(shares)), 0);
        self.resend_later(OwnMessage::Shares(self.chain.round + 1));
        true
    }

    /// The own shares of every dealing released so far for the next round.
    pub(crate) fn own_shares(&self, committee: &Committee, own: &Own) -> Option<Shares> {
        let round = self.chain.round + 1;
        let index = self.index_in_window(round);
        let window = self.windows.get(&self.current_window())?;
        let positions: Vec<u16> = committee.positions(own.member).collect();
        let mut dealers = Vec::new();
        for entry in self.decided_set()?.iter().filter(|entry| self.round.released.contains(&entry.member)) {
            let Some(dealing) = window.dealing(entry, index) else { continue };
            let shares: Vec<_> = positions
                .iter()
                .zip(&own.secrets.tickets)
                .filter_map(|(position, secret)| pvss::share(secret, *position, dealing, committee.ticket_set()).ok())
                .collect();
            dealers.push(DealerShares { dealer: entry.member, shares });
        }
        let some = dealers.iter().any(|dealer| !dealer.shares.is_empty());
        some.then_some(Shares { round, member: own.member, dealers })
    }

    /// Takes shares of the next round: each at its owner's position, at most one a position and dealing, proof
    /// checked last, and only while the secret is unknown. [recover-5]
    pub(crate) fn on_shares(&mut self, from: IdentityKey, message: Shares) {
        if message.round != self.chain.round + 1 {
            return;
        }
        let number = self.current_window();
        let Some(committee) = self.committee_of_window(number) else { return };
        if committee.signers().identity(message.member) != Some(from) {
            return self.blame(from, Reject::UnknownMember);
        }
        let index = self.index_in_window(message.round);
        let threshold = committee.ticket_set().threshold();
        for dealer in message.dealers {
            if self.secret(dealer.dealer).is_some() {
                continue;
            }
            let Some(set) = self.decided_set() else { return };
            let Some(entry) = set.iter().find(|entry| entry.member == dealer.dealer).copied() else { continue };
            for share in dealer.shares {
                if committee.owner(share.position) != Some(message.member) {
                    return self.blame(from, Reject::BadPosition);
                }
                let Some(window) = self.windows.get(&number) else { return };
                let Some(dealing) = window.dealing(&entry, index) else { break };
                let kept = self.round.shares.entry(dealer.dealer).or_default();
                if kept.len() >= threshold || kept.contains_key(&share.position) {
                    continue;
                }
                match pvss::verify_share(&share, dealing, committee.ticket_set()) {
                    Ok(()) => {
                        kept.insert(share.position, share);
                        self.round.settled = false;
                    }
                    Err(reason) => return self.blame(from, reason),
                }
            }
        }
    }

    /// Reconstructs every secret for which enough shares are here. [recover-6]
    fn reconstruct(&mut self, committee: &Committee, unopened: &[SetEntry]) -> bool {
        let threshold = committee.ticket_set().threshold();
        let threshold = threshold - usize::from(planted(Bug::ThresholdOffByOne) && threshold > 1);
        let mut moved = false;
        for entry in unopened.iter().filter(|entry| self.secret(entry.member).is_none()).collect::<Vec<_>>() {
            let Some(kept) = self.round.shares.get(&entry.member).filter(|kept| kept.len() >= threshold) else {
                continue;
            };
            let shares: Vec<_> = kept.values().take(threshold).copied().collect();
            if let Ok(secret) = pvss::recover(&shares, committee.ticket_set()) {
                self.round.recovered.insert(entry.member, (secret, shares));
                moved = true;
            }
        }
        moved
    }
}
