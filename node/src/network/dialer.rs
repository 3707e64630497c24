//! Whom to dial, and when again. Pure: time and jitter are passed in.
//!
//! A target is dialled one address at a time, in turn, so that a firewall that swallows UDP costs
//! one handshake timeout and then TCP is tried. Retries start quick, because a committee starts
//! together, and slow down to ten seconds. Of two members the one with the smaller key dials at
//! once and the other a moment later, so that a pair seldom ends up with two connections.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(10);
/// How long the one with the larger key leaves the first move to the other.
const COURTESY: Duration = Duration::from_millis(150);
/// Addresses kept for one target; configured ones are never displaced.
const ADDRESSES: usize = 8;
/// The longest a dial may stay without an outcome before it counts as failed.
const DIAL_LIMIT: Duration = Duration::from_secs(30);

/// Whom to reach: a peer by its identity, or whoever answers at an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Peer(PeerId),
    Address(Multiaddr),
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub target: Target,
    pub address: Multiaddr,
}

#[derive(Default)]
struct State {
    addresses: Vec<Multiaddr>,
    /// How many of the first addresses come from the configuration.
    configured: usize,
    next: usize,
    failures: u32,
    due: Option<Instant>,
    dialing: Option<(ConnectionId, Instant)>,
    /// Who answered, for an address; itself, for a peer. `None` while not connected.
    connected: Option<PeerId>,
}

pub(super) struct Dialer {
    local: PeerId,
    targets: BTreeMap<Target, State>,
}

impl Dialer {
    pub(super) fn new(local: PeerId) -> Self {
        Self { local, targets: BTreeMap::new() }
    }

    /// Adds an address from the configuration.
    pub(super) fn configure(&mut self, peer: Option<PeerId>, address: Multiaddr, now: Instant) {
        if peer == Some(self.local) {
            return;
        }
        let target = peer.map_or_else(|| Target::Address(address.clone()), Target::Peer);
        let first = now + self.courtesy(peer);
        let state = self.targets.entry(target).or_default();
        if !state.addresses.contains(&address) {
            state.addresses.insert(state.configured, address);
            state.configured += 1;
        }
        state.due = state.due.or(Some(first));
    }

    /// Adds the members and drops former ones that are not configured.
    pub(super) fn set_members(&mut self, members: impl Iterator<Item = PeerId>) {
        let mut kept = std::mem::take(&mut self.targets);
        for member in members.filter(|member| *member != self.local) {
            let target = Target::Peer(member);
            let state = kept.remove(&target).unwrap_or_default();
            self.targets.insert(target, state);
        }
        kept.retain(|_, state| state.configured > 0);
        self.targets.extend(kept);
    }

    /// Takes a named peer's own word about where it listens: it replaces what was learned before,
    /// except the address in use, which has proved itself.
    pub(super) fn announce(&mut self, peer: PeerId, reported: Vec<Multiaddr>) {
        let Some(state) = self.targets.get_mut(&Target::Peer(peer)) else { return };
        let used = state.next.checked_rem(state.addresses.len()).map(|turn| state.addresses[turn].clone());
        state.addresses.truncate(state.configured);
        for address in used.iter().cloned().chain(reported) {
            if state.addresses.len() < ADDRESSES.max(state.configured) && !state.addresses.contains(&address) {
                state.addresses.push(address);
            }
        }
        state.next = state.addresses.iter().position(|address| Some(address) == used.as_ref()).unwrap_or(0);
    }

    /// Notes where others say that a named peer listens. Of no interest while it is connected.
    pub(super) fn learn(&mut self, peer: PeerId, address: Multiaddr, now: Instant) {
        let courtesy = self.courtesy(Some(peer));
        let Some(state) = self.targets.get_mut(&Target::Peer(peer)) else { return };
        if state.connected.is_some() || state.addresses.contains(&address) {
            return;
        }
        if state.addresses.len() >= ADDRESSES {
            if state.configured >= ADDRESSES {
                return;
            }
            state.addresses.remove(state.configured);
        }
        state.addresses.push(address);
        if state.dialing.is_none() {
            state.due = state.due.or(Some(now + courtesy));
        }
    }

    /// Whether a named peer is not connected.
    pub(super) fn misses_someone(&self) -> bool {
        self.targets.iter().any(|(target, state)| matches!(target, Target::Peer(_)) && state.connected.is_none())
    }

    /// Whether the peer is one this node wants to be connected to.
    pub(super) fn wants(&self, peer: &PeerId) -> bool {
        self.targets.contains_key(&Target::Peer(*peer))
            || self.targets.values().any(|state| state.connected.as_ref() == Some(peer))
    }

    /// The peers named by configuration or membership.
    pub(super) fn named(&self) -> impl Iterator<Item = &PeerId> {
        self.targets.keys().filter_map(|target| match target {
            Target::Peer(peer) => Some(peer),
            Target::Address(_) => None,
        })
    }

    /// Known addresses of a named peer, the one that worked last in front.
    pub(super) fn addresses(&self, peer: &PeerId) -> impl Iterator<Item = &Multiaddr> {
        let state = self.targets.get(&Target::Peer(*peer));
        let (next, all) = state.map_or((0, &[][..]), |state| (state.next, &state.addresses[..]));
        let turn = next.checked_rem(all.len()).unwrap_or(0);
        all[turn..].iter().chain(&all[..turn])
    }

    /// The attempts that are due. Each must be reported back with [`Self::started`] or
    /// [`Self::failed`].
    pub(super) fn due(&mut self, now: Instant) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        for (target, state) in &mut self.targets {
            if let Some((_, since)) = state.dialing
                && now.saturating_duration_since(since) > DIAL_LIMIT
            {
                state.dialing = None;
                state.due = Some(now);
            }
            let ready = state.dialing.is_none() && state.connected.is_none() && state.due.is_some_and(|due| due <= now);
            if !ready {
                continue;
            }
            state.due = None;
            let Some(turn) = state.next.checked_rem(state.addresses.len()) else {
                continue;
            };
            attempts.push(Attempt { target: target.clone(), address: state.addresses[turn].clone() });
        }
        attempts
    }

    /// When [`Self::due`] may have something next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.targets
            .values()
            .filter(|state| state.connected.is_none())
            .filter_map(|state| match state.dialing {
                Some((_, since)) => Some(since + DIAL_LIMIT),
                None => state.due,
            })
            .min()
    }

    pub(super) fn started(&mut self, target: &Target, connection: ConnectionId, now: Instant) {
        if let Some(state) = self.targets.get_mut(target) {
            state.dialing = Some((connection, now));
        }
    }

    /// A connection stands, whoever dialled it.
    pub(super) fn connected(&mut self, peer: PeerId, connection: ConnectionId) {
        for (target, state) in &mut self.targets {
            let dialled = state.dialing.is_some_and(|(id, _)| id == connection);
            if dialled {
                state.dialing = None;
            }
            if dialled || *target == Target::Peer(peer) {
                state.connected = Some(peer);
                state.due = None;
            }
        }
    }

    /// The peer proved useful: the next loss starts with quick retries again.
    pub(super) fn proved(&mut self, peer: &PeerId) {
        for state in self.targets.values_mut() {
            if state.connected.as_ref() == Some(peer) {
                state.failures = 0;
            }
        }
    }

    /// The last connection to the peer is gone. `jitter` is uniform in 0..1.
    pub(super) fn disconnected(&mut self, peer: &PeerId, now: Instant, jitter: f64) {
        for state in self.targets.values_mut() {
            if state.connected.as_ref() == Some(peer) {
                state.connected = None;
                retry(state, now, jitter);
            }
        }
    }

    /// A dial that was started, or was refused at once, came to nothing.
    pub(super) fn failed(&mut self, attempt: Failed<'_>, now: Instant, jitter: f64) {
        for (target, state) in &mut self.targets {
            let hit = match attempt {
                Failed::Connection(id) => state.dialing.is_some_and(|(held, _)| held == id),
                Failed::Target(failed) => target == failed,
            };
            if hit {
                state.dialing = None;
                state.next = state.next.wrapping_add(1);
                if state.connected.is_none() {
                    retry(state, now, jitter);
                }
            }
        }
    }

    /// The address turned out to be this node's own: forget it.
    pub(super) fn forget_own(&mut self, connection: ConnectionId) {
        for state in self.targets.values_mut() {
            if state.dialing.is_some_and(|(held, _)| held == connection) {
                state.dialing = None;
                state.due = None;
                let turn = state.next.checked_rem(state.addresses.len()).unwrap_or(0);
                if turn < state.addresses.len() {
                    state.addresses.remove(turn);
                    state.configured = state.configured.min(state.addresses.len());
                }
            }
        }
        self.targets.retain(|target, state| matches!(target, Target::Peer(_)) || !state.addresses.is_empty());
    }

    /// Waits as long as it may before the peer is dialled again: it is of no use now.
    pub(super) fn shun(&mut self, peer: &PeerId) {
        for state in self.targets.values_mut() {
            if state.connected.as_ref() == Some(peer) {
                state.failures = u32::MAX;
            }
        }
    }

    fn courtesy(&self, peer: Option<PeerId>) -> Duration {
        match peer {
            Some(peer) if peer < self.local => COURTESY,
            _ => Duration::ZERO,
        }
    }
}

/// Which attempt failed.
#[derive(Clone, Copy)]
pub(super) enum Failed<'a> {
    Connection(ConnectionId),
    Target(&'a Target),
}

/// Doubles the pause up to its limit and spreads it over half to one and a half of itself.
fn retry(state: &mut State, now: Instant, jitter: f64) {
    let doubled = FIRST_RETRY.saturating_mul(2u32.saturating_pow(state.failures.min(16)));
    state.failures = state.failures.saturating_add(1);
    state.due = Some(now + doubled.min(LAST_RETRY).mul_f64(0.5 + jitter));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
    }

    fn id(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    /// Two peers, the first with the smaller identifier.
    fn pair() -> (PeerId, PeerId) {
        let (one, two) = (PeerId::random(), PeerId::random());
        if one < two { (one, two) } else { (two, one) }
    }

    #[test]
    fn addresses_take_turns_and_pauses_double_up_to_ten_seconds() {
        let (local, peer) = pair();
        let start = Instant::now();
        let mut dialer = Dialer::new(local);
        dialer.configure(Some(peer), address(1), start);
        dialer.configure(Some(peer), address(2), start);
        let mut now = start;
        let mut pauses = Vec::new();
        for turn in 0..12 {
            let attempts = dialer.due(now);
            assert_eq!(attempts.len(), 1);
            assert_eq!(attempts[0].address, address(1 + turn % 2));
            dialer.started(&attempts[0].target, id(turn.into()), now);
            assert!(dialer.due(now).is_empty(), "one dial at a time");
            dialer.failed(Failed::Connection(id(turn.into())), now, 0.5);
            let next = dialer.next_deadline().unwrap();
            pauses.push((next - now).as_millis());
            now = next;
        }
        assert_eq!(pauses[..3], [50, 100, 200]);
        assert_eq!(pauses[11], 10_000);
    }

    #[test]
    fn the_larger_key_waits_a_moment() {
        let (small, large) = pair();
        let start = Instant::now();
        let mut dialer = Dialer::new(large);
        dialer.configure(Some(small), address(1), start);
        assert!(dialer.due(start).is_empty());
        assert_eq!(dialer.due(start + COURTESY).len(), 1);
    }

    #[test]
    fn a_connected_peer_is_left_alone_and_redialled_when_lost() {
        let (local, peer) = pair();
        let start = Instant::now();
        let mut dialer = Dialer::new(local);
        dialer.configure(None, address(1), start);
        dialer.configure(Some(peer), address(2), start);
        let attempts = dialer.due(start);
        assert_eq!(attempts.len(), 2);
        dialer.started(&Target::Address(address(1)), id(1), start);
        dialer.connected(peer, id(1));
        assert_eq!(dialer.next_deadline(), None);
        assert!(dialer.wants(&peer));
        dialer.disconnected(&peer, start, 0.0);
        assert_eq!(dialer.due(start + FIRST_RETRY).len(), 2);
    }

    #[test]
    fn learned_addresses_are_bounded_and_only_for_named_peers() {
        let (local, peer) = pair();
        let start = Instant::now();
        let mut dialer = Dialer::new(local);
        dialer.learn(peer, address(1), start);
        assert_eq!(dialer.next_deadline(), None);
        dialer.set_members([peer, local].into_iter());
        dialer.configure(Some(peer), address(1), start);
        for port in 2..40 {
            dialer.learn(peer, address(port), start);
        }
        assert_eq!(dialer.addresses(&peer).count(), ADDRESSES);
        assert_eq!(dialer.addresses(&peer).next(), Some(&address(1)));
        dialer.set_members(std::iter::empty());
        assert!(dialer.wants(&peer), "configured peers stay");
    }

    #[test]
    fn a_peers_own_word_replaces_what_was_learned_but_not_what_works() {
        let (local, peer) = pair();
        let start = Instant::now();
        let mut dialer = Dialer::new(local);
        dialer.set_members([peer].into_iter());
        dialer.learn(peer, address(1), start);
        dialer.learn(peer, address(2), start);
        let attempt = dialer.due(start).remove(0);
        dialer.started(&attempt.target, id(1), start);
        assert!(dialer.misses_someone());
        dialer.connected(peer, id(1));
        assert!(!dialer.misses_someone());
        dialer.announce(peer, (10..40).map(address).collect());
        let known: Vec<_> = dialer.addresses(&peer).cloned().collect();
        assert_eq!(known.len(), ADDRESSES);
        assert_eq!(known[..2], [address(1), address(10)]);
    }

    #[test]
    fn own_addresses_are_forgotten() {
        let start = Instant::now();
        let (local, _) = pair();
        let mut dialer = Dialer::new(local);
        dialer.configure(Some(local), address(1), start);
        dialer.configure(None, address(2), start);
        let attempts = dialer.due(start);
        assert_eq!(attempts.len(), 1);
        dialer.started(&attempts[0].target, id(1), start);
        dialer.forget_own(id(1));
        assert_eq!(dialer.next_deadline(), None);
        assert!(dialer.targets.is_empty());
    }
}
