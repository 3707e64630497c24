//! What goes wrong on purpose: members of less than a third of the weight, each named by its crime.
//!
//! An adversary drives a real engine with its real keys and changes what that engine says: it rewrites, adds and drops
//! messages, answers requests as it likes, and sees what honest nodes send before anyone else does. Several crimes may
//! be one member's, and several members' crimes come together.

mod bad_certifier;
mod bad_dealer;
mod bad_sharer;
mod choosy_proposer;
mod clock_cheat;
mod copy_cat;
mod eclipser;
mod equivocating_dealer;
mod equivocating_proposer;
mod equivocating_voter;
mod false_accuser;
mod flooder;
mod forge;
mod heaviest;
mod identity_dealer;
mod lone_dealer;
mod scene;
mod sync_liar;
mod whisperer;
mod withholder;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use beacon_engine::event::{Message, Request, Response};
use beacon_spec::evidence::Crime;

use super::net::Net;
use super::post::Parcel;
use super::rng::Rng;
pub use clock_cheat::AHEAD;
pub use scene::Scene;
use withholder::{Withheld, Withholder};

/// One crime of one member.
pub trait Adversary: Send {
    fn name(&self) -> &'static str;

    /// What becomes of a message that the member's engine sends.
    fn send(&mut self, _: &mut Scene, parcel: Parcel) -> Vec<Parcel> {
        vec![parcel]
    }

    /// What it sends upon seeing what an honest node sends.
    fn see(&mut self, _: &mut Scene, _from: usize, _: &Message) -> Vec<Parcel> {
        Vec::new()
    }

    /// What it answers instead of the truth.
    fn answer(&mut self, _: &mut Scene, _asker: usize, _: &Request, truth: Response) -> Option<Response> {
        Some(truth)
    }
}

/// Every crime there is, by name.
pub const NAMES: [&str; 21] = [
    "equivocating-dealer",
    "equivocating-proposer",
    "equivocating-voter",
    "withholder-of-openings",
    "withholder-of-readies",
    "withholder-of-shares",
    "withholder-of-votes",
    "whisperer",
    "bad-dealer",
    "identity-dealer",
    "bad-sharer",
    "bad-certifier",
    "lone-dealer",
    "copy-cat",
    "choosy-proposer",
    "flooder",
    "sync-liar",
    "false-accuser",
    "eclipser",
    "clock-cheat",
    "heaviest",
];

/// The adversary of a name of [`NAMES`].
pub fn by_name(name: &str) -> Option<Box<dyn Adversary>> {
    Some(match name {
        "equivocating-dealer" => Box::new(equivocating_dealer::EquivocatingDealer::default()),
        "equivocating-proposer" => Box::new(equivocating_proposer::EquivocatingProposer::default()),
        "equivocating-voter" => Box::new(equivocating_voter::EquivocatingVoter),
        "withholder-of-openings" => Box::new(Withholder(Withheld::Openings)),
        "withholder-of-readies" => Box::new(Withholder(Withheld::Readies)),
        "withholder-of-shares" => Box::new(Withholder(Withheld::Shares)),
        "withholder-of-votes" => Box::new(Withholder(Withheld::Votes)),
        "whisperer" => Box::new(whisperer::Whisperer::default()),
        "bad-dealer" => Box::new(bad_dealer::BadDealer::default()),
        "identity-dealer" => Box::new(identity_dealer::IdentityDealer::default()),
        "bad-sharer" => Box::new(bad_sharer::BadSharer),
        "bad-certifier" => Box::new(bad_certifier::BadCertifier),
        "lone-dealer" => Box::new(lone_dealer::LoneDealer),
        "copy-cat" => Box::new(copy_cat::CopyCat::default()),
        "choosy-proposer" => Box::new(choosy_proposer::ChoosyProposer::default()),
        "flooder" => Box::new(flooder::Flooder),
        "sync-liar" => Box::new(sync_liar::SyncLiar),
        "false-accuser" => Box::new(false_accuser::FalseAccuser),
        "eclipser" => Box::new(eclipser::Eclipser),
        "clock-cheat" => Box::new(clock_cheat::ClockCheat),
        "heaviest" => Box::new(heaviest::Heaviest),
        _ => return None,
    })
}

/// All crimes of one member, one after the other.
#[derive(Default)]
pub struct Gang(Vec<Box<dyn Adversary>>);

impl Gang {
    pub fn send(&mut self, scene: &mut Scene, parcel: Parcel) -> Vec<Parcel> {
        let mut parcels = vec![parcel];
        for adversary in &mut self.0 {
            parcels = parcels.into_iter().flat_map(|parcel| adversary.send(scene, parcel)).collect();
        }
        parcels
    }

    pub fn see(&mut self, scene: &mut Scene, from: usize, message: &Message) -> Vec<Parcel> {
        self.0.iter_mut().flat_map(|adversary| adversary.see(scene, from, message)).collect()
    }

    pub fn answer(&mut self, scene: &mut Scene, asker: usize, request: &Request, truth: Response) -> Option<Response> {
        self.0.iter_mut().try_fold(truth, |answer, adversary| adversary.answer(scene, asker, request, answer))
    }
}

/// What was made for `key`, now or before: an adversary tells one lie about one thing, however often it is asked.
fn once<K: Ord, V: Clone>(made: &mut BTreeMap<K, V>, key: K, make: impl FnOnce() -> Option<V>) -> Option<V> {
    match made.entry(key) {
        Entry::Occupied(entry) => Some(entry.get().clone()),
        Entry::Vacant(entry) => Some(entry.insert(make()?).clone()),
    }
}

/// Who is an adversary, what they have done, and who of the others must stay.
pub struct Adversaries {
    gangs: BTreeMap<usize, Gang>,
    /// Honest nodes whose disks survive: more than two thirds of the weight of every committee that can come to force.
    core: BTreeSet<usize>,
    /// Honest nodes that have lost their records.
    pub lost: BTreeSet<usize>,
    /// What nodes did that is a provable crime.
    pub crimes: BTreeSet<(usize, Crime)>,
    /// How often each crime was committed.
    pub counts: BTreeMap<&'static str, u64>,
    /// Whether the network is out of their hands.
    pub calm: bool,
    /// The node that hears nobody but the adversaries, and until when.
    eclipsed: Option<(usize, u64)>,
    rng: Rng,
}

impl Adversaries {
    pub fn none(members: usize) -> Adversaries {
        Adversaries::new(0, BTreeMap::new(), (0..members).collect())
    }

    /// Members with their crimes, and the core of the others.
    pub fn new(seed: u64, crimes: BTreeMap<usize, Vec<&'static str>>, core: BTreeSet<usize>) -> Adversaries {
        let gang = |names: Vec<&'static str>| Gang(names.into_iter().filter_map(by_name).collect());
        Adversaries {
            gangs: crimes.into_iter().map(|(member, names)| (member, gang(names))).collect(),
            core,
            lost: BTreeSet::new(),
            crimes: BTreeSet::new(),
            counts: BTreeMap::new(),
            calm: false,
            eclipsed: None,
            rng: Rng::new(seed, "adversaries"),
        }
    }

    pub fn is_adversary(&self, node: usize) -> bool {
        self.gangs.contains_key(&node)
    }

    pub fn members(&self) -> Vec<usize> {
        self.gangs.keys().copied().collect()
    }

    /// The names of a node's crimes.
    pub fn crimes_of(&self, node: usize) -> Vec<&'static str> {
        self.gangs.get(&node).map(|gang| gang.0.iter().map(|crime| crime.name()).collect()).unwrap_or_default()
    }

    pub fn core(&self) -> &BTreeSet<usize> {
        &self.core
    }

    /// From now on these nodes must stay, and no fewer than before.
    pub fn protect(&mut self, core: BTreeSet<usize>) {
        self.core = core;
    }

    /// Whether the network can do without the node.
    pub fn is_expendable(&self, node: usize) -> bool {
        !self.core.contains(&node) && !self.is_adversary(node)
    }

    /// Whether an eclipse keeps two nodes apart.
    pub fn cut(&self, one: usize, other: usize, now: u64) -> bool {
        let Some((victim, until)) = self.eclipsed.filter(|_| !self.calm) else { return false };
        let apart = |one, other| one == victim && !self.is_adversary(other);
        now < until && (apart(one, other) || apart(other, one))
    }
}

impl Net {
    /// Lets a member's crimes act, with everything that it knows.
    pub(super) fn scheme<T>(&mut self, me: usize, act: impl FnOnce(&mut Gang, &mut Scene) -> T) -> T {
        self.learn_committees(me);
        let mut gang = self.adversaries.gangs.remove(&me).unwrap_or_default();
        let mut scene = Scene::new(self, me);
        let done = act(&mut gang, &mut scene);
        self.adversaries.gangs.insert(me, gang);
        done
    }
}

#[test]
fn every_name_has_an_adversary_of_that_name() {
    for name in NAMES {
        assert_eq!(by_name(name).map(|adversary| adversary.name()), Some(name));
    }
}
