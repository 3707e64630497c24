//! What the operator orders: the committee's making shown, amendments proposed and approved, a newcomer's bundle.
//!
//! Amendments and bundles are signed here, because only the key store holds the identity key.

use beacon_engine::event::Input;
use beacon_spec::bundle::{BUNDLE_LIMITS, KeyBundle, MAX_TICKET_KEYS};
use beacon_spec::codec::{decode, encode};
use beacon_spec::committee::Committee;
use beacon_spec::hash::Digest32;
use beacon_spec::message::{Amendment, Change};
use serde_json::{Value, json};

use super::driver::Driver;
use super::error::ShellError;
use crate::http::{Asked, ChangeView, Order};

/// Ticket keys of a newcomer's bundle when the operator names no number.
const TICKET_KEYS: usize = 16;

impl Driver {
    pub(super) fn on_order(&mut self, asked: Asked) -> Result<(), ShellError> {
        let answer = match asked.order {
            Order::Show => self.show_committee(),
            Order::Propose { changes, expires } => self.propose(&changes, expires),
            Order::Approve { digest } => self.approve(&digest),
            Order::Register { ticket_keys } => self.make_own_bundle(ticket_keys.unwrap_or(TICKET_KEYS)),
        };
        let answer = match answer {
            Ok((value, input)) => {
                if let Some(input) = input {
                    self.step(input)?;
                }
                Ok(value)
            }
            Err(reason) => Err(reason),
        };
        // Refused only when whoever asked has gone.
        let _ = asked.reply.send(answer);
        Ok(())
    }

    fn propose(&mut self, changes: &[ChangeView], expires: Option<u64>) -> Obeyed {
        let committee = self.committee_in_force()?;
        let last = self.schedule.last_window_of_epoch(committee.epoch());
        let changes = changes.iter().map(change).collect::<Result<Vec<_>, String>>()?;
        let amendment = Amendment {
            follows: committee.membership(),
            expires: expires.unwrap_or(last),
            changes,
            approvals: Vec::new(),
        };
        self.sign(amendment, &committee)
    }

    fn approve(&mut self, digest: &Digest32) -> Obeyed {
        let committee = self.committee_in_force()?;
        let known = self.engine.amendments().find(|(other, _)| *other == digest);
        let unknown = || format!("no amendment {digest} is proposed here: see `beacon-node committee status`");
        let amendment = known.map(|(_, amendment)| amendment.clone()).ok_or_else(unknown)?;
        self.sign(amendment, &committee)
    }

    /// Approves as this member, after the same judgement that every proposer applies.
    fn sign(&mut self, mut amendment: Amendment, committee: &Committee) -> Obeyed {
        let outsider = || "this node is no member of the committee in force, and only members approve".to_owned();
        let member = committee.signers().index_of(&self.identity).ok_or_else(outsider)?;
        self.engine.judge_amendment(&amendment).map_err(|reason| format!("the amendment is refused: {reason}"))?;
        amendment.approve(&self.chain, member, self.workshop.keys().identity_secret());
        let shown = amendment_view(&amendment, &self.chain, committee);
        Ok((shown, Some(Input::Amendment(Box::new(amendment)))))
    }

    fn make_own_bundle(&mut self, ticket_keys: usize) -> Obeyed {
        let committee = self.committee_in_force()?;
        let registry = self.engine.registry();
        let member = committee.signers().index_of(&self.identity);
        let most = member.zip(registry).and_then(|(member, registry)| registry.most_keys(&committee, member).ok());
        let most = most.unwrap_or(MAX_TICKET_KEYS).min(MAX_TICKET_KEYS);
        if ticket_keys == 0 || ticket_keys > most {
            return Err(format!("{ticket_keys} ticket keys: choose 1 to {most}"));
        }
        let epoch = committee.epoch() + 1;
        let made = self.workshop.make_bundle(epoch, ticket_keys).map_err(|error| error.to_string())?;
        let (bundle, secrets) = made;
        let shown = json!({
            "identity": self.identity, "chain": self.chain, "epoch": epoch,
            "ticket_keys": bundle.ticket_keys.len(), "bundle": hex::encode(encode(&bundle)),
        });
        Ok((shown, Some(Input::Bundle { bundle: Box::new(bundle), secrets })))
    }

    fn show_committee(&mut self) -> Obeyed {
        let committee = self.committee_in_force()?;
        let registry = self.engine.registry();
        let signers = committee.signers();
        let registered = |member: u16| registry.as_ref().map(|registry| registry.bundle_of(member).is_some());
        let members: Vec<Value> = committee
            .members()
            .iter()
            .zip(committee.ticket_counts())
            .zip(0u16..)
            .map(|((member, tickets), index)| {
                json!({
                    "member": index, "identity": member.identity, "weight": member.weight, "tickets": tickets,
                    "ticket_keys": member.bundle.ticket_keys.len(), "keys_of_epoch": member.bundle.epoch,
                    "registered_next": registered(index),
                })
            })
            .collect();
        let view = |amendment: &Amendment| amendment_view(amendment, &self.chain, &committee);
        let pending = registry.as_ref().and_then(|registry| registry.pending.as_ref()).map(view);
        let proposed: Vec<Value> = self.engine.amendments().map(|(_, amendment)| view(amendment)).collect();
        let last = self.schedule.last_window_of_epoch(committee.epoch());
        let shown = json!({
            "epoch": committee.epoch(), "membership": committee.membership(), "hash": committee.hash(),
            "total_weight": signers.total_weight(), "quorum_weight": signers.total_weight() * 2 / 3 + 1,
            "last_window": last, "open_until_window": last.saturating_sub(2),
            "members": members, "pending": pending, "proposed": proposed,
        });
        Ok((shown, None))
    }

    fn committee_in_force(&self) -> Result<std::sync::Arc<Committee>, String> {
        self.engine.committee_in_force().ok_or_else(|| "the committee in force is still being fetched".to_owned())
    }
}

/// What an order answers, and what it makes the engine do.
type Obeyed = Result<(Value, Option<Input>), String>;

fn change(view: &ChangeView) -> Result<Change, String> {
    Ok(match view {
        ChangeView::Add { identity, weight, bundle } => {
            let bytes = hex::decode(bundle).map_err(|error| format!("the bundle of {identity}: {error}"))?;
            let bundle: KeyBundle =
                decode(&bytes, &BUNDLE_LIMITS).map_err(|reason| format!("the bundle of {identity}: {reason}"))?;
            Change::Add { identity: *identity, weight: *weight, bundle }
        }
        ChangeView::Remove { identity } => Change::Remove { identity: *identity },
        ChangeView::Weight { identity, weight } => Change::Weight { identity: *identity, weight: *weight },
    })
}

fn amendment_view(amendment: &Amendment, chain: &Digest32, committee: &Committee) -> Value {
    let signers = committee.signers();
    let approvals: Vec<u16> = amendment.approvals.iter().map(|(member, _)| *member).collect();
    let weight: u64 = approvals.iter().map(|member| signers.weight(*member)).sum();
    let changes: Vec<String> = amendment.changes.iter().map(change_text).collect();
    json!({
        "digest": amendment.digest(chain), "changes": changes, "approvals": approvals, "approved_weight": weight,
        "of_quorum": signers.total_weight() * 2 / 3 + 1, "expires": amendment.expires,
    })
}

fn change_text(change: &Change) -> String {
    match change {
        Change::Add { identity, weight, .. } => format!("add {identity} with weight {weight}"),
        Change::Remove { identity } => format!("remove {identity}"),
        Change::Weight { identity, weight } => format!("set {identity} to weight {weight}"),
    }
}
