//! What the simulator has found, each as small as it could be made.

use beacon_engine::event::{Fault, Input, Message};
use beacon_testnet::sim::{GENESIS_TIME, Net, Setup};

fn equal() -> Setup {
    Setup { weights: vec![1; 4], ..Setup::default() }
}

/// Clocks an hour ahead that are put right: the gate's pace, the re-sending and the syncing wait no hour. [clock-2]
#[test]
fn clock_2_clocks_that_are_put_right_stop_nothing() {
    let mut net = Net::new(&equal());
    for node in 0..3 {
        net.nodes[node].skew = 3_600_000;
    }
    net.start_all();
    assert!(net.run_to(5, GENESIS_TIME + 20_000));
    for node in 0..3 {
        net.set_clock(node, 0);
    }
    assert!(net.run_to(12, GENESIS_TIME + 20_000), "round 12 is certified soon after its time");
    net.agreed_outputs(12);
}

/// An old header vote under a round to come neither counts nor accuses. [certify-6]
#[test]
fn certify_6_an_old_header_vote_says_nothing_of_another_round() {
    let mut net = Net::new(&equal());
    net.start_all();
    assert!(net.run_to(3, GENESIS_TIME + 20_000));
    let vote = net.sent.iter().find_map(|sent| match &sent.message {
        Message::HeaderVote(vote) if vote.member == 1 && vote.round == 3 => Some(*vote),
        _ => None,
    });
    let mut vote = vote.expect("member 1 has voted for round 3");
    vote.round = 4;
    let from = net.nodes[2].config.identity;
    net.feed(0, Input::Message { from, message: Message::HeaderVote(vote) });
    // Now every vote is needed for a quorum.
    net.crash(3);
    assert!(net.run_to(6, GENESIS_TIME + 20_000));
    assert!(!net.faults.iter().any(|(_, fault)| matches!(fault, Fault::Crime { .. })), "{:?}", net.faults);
    assert!(
        net.faults.iter().any(|(node, fault)| *node == 0 && matches!(fault, Fault::Peer { peer, .. } if *peer == from))
    );
}

/// A dealer opens to one member alone and is gone for good. That member releases no shares, for it misses nothing, and
/// the others have too few: it must pass the opening on. [resend-2]
#[test]
fn resend_2_an_opening_that_reached_one_member_reaches_all() {
    const ROUND: u64 = 4;
    let mut net = Net::new(&equal());
    let holders: Vec<usize> = (0..4).filter(|member| net.committee.ticket_counts()[*member] > 0).collect();
    let [dealer, friend, _] = holders[..] else { panic!("three of four hold a ticket") };
    net.nodes[dealer].config.unsafe_withhold_openings = true;
    net.start_all();
    let opening = loop {
        match net.nodes[dealer].withheld.iter().find(|opening| opening.round == ROUND) {
            Some(opening) => break *opening,
            None => assert!(net.advance()),
        }
    };
    let from = net.nodes[dealer].config.identity;
    net.feed(friend, Input::Message { from, message: Message::Opening(opening) });
    net.crash(dealer);
    assert!(net.run_to(ROUND + 4, GENESIS_TIME + 40_000), "the others go on");
}

/// A member that holds a ticket learns of the decision before it has a dealing of it whose dealer is gone. It releases its shares
/// once the dealing has come: seed 228 of the simulator. [recover-4]
#[test]
fn recover_4_shares_of_a_dealing_that_came_late_are_released() {
    let mut net = Net::new(&Setup { weights: vec![1; 4], period: 400, ..Setup::default() });
    let holders: Vec<usize> = (0..4).filter(|member| net.committee.ticket_counts()[*member] > 0).collect();
    let [dealer, late, _] = holders[..] else { panic!("three of four hold a ticket") };
    // The dealer's commitment does not reach the late member, by gossip or upon asking.
    net.deaf.insert((dealer, late));
    net.starved.insert((late, dealer as u16));
    net.start_all();
    net.run_until(GENESIS_TIME - 100);
    net.crash(dealer);
    net.run_until(GENESIS_TIME + 3_000);
    assert_eq!(net.nodes[late].head(), 0);
    assert!(net.nodes[late].engine.as_mut().is_some_and(|engine| engine.status().decided > 0));
    net.starved.clear();
    assert!(net.run_to(6, GENESIS_TIME + 20_000), "rounds go on once they come");
}

/// A round whose dealer is gone, as it goes when all is well and with a dealer that only withholds; and the same network
/// again, just before that round's time, with one holder of a ticket alone: what the others sent reaches it as the test
/// has it.
struct Alone {
    net: Net,
    dealer: usize,
    member: usize,
    /// Sent by the others for the round.
    others: Vec<(usize, Message)>,
}

const LATE: u64 = 4;

impl Alone {
    fn new() -> Alone {
        let run = |prepare: &dyn Fn(&mut Net), last: &[usize]| {
            let mut net = Net::new(&equal());
            prepare(&mut net);
            net.start_all();
            while net.advance_before(net.schedule.time_of(LATE).expect("a round has a time") - 1) {}
            last.iter().for_each(|node| net.crash(*node));
            net
        };
        let holders: Vec<usize> = {
            let net = Net::new(&equal());
            (0..4).filter(|member| net.committee.ticket_counts()[*member] > 0).collect()
        };
        let [dealer, member, _] = holders[..] else { panic!("three of four hold a ticket") };
        let others: Vec<usize> = (0..4).filter(|node| *node != member).collect();
        let mut calm = run(&|_| {}, &[dealer]);
        assert!(calm.run_to(LATE, GENESIS_TIME + 20_000));
        let mut withheld = run(&|net| net.nodes[dealer].config.unsafe_withhold_openings = true, &[]);
        assert!(withheld.run_to(LATE, GENESIS_TIME + 20_000));
        let of_round = |message: &Message| match message {
            Message::Opening(opening) => opening.round == LATE,
            Message::Ready(ready) => ready.round == LATE,
            Message::Shares(shares) => shares.round == LATE,
            Message::HeaderVote(vote) => vote.round == LATE,
            _ => false,
        };
        let sent = calm.sent.iter().filter(|sent| sent.from != member && sent.from != dealer);
        let shares = withheld.sent.iter().filter(|sent| sent.from == dealer);
        let all = sent.chain(shares).filter(|sent| of_round(&sent.message));
        let said = all.map(|sent| (sent.from, sent.message.clone())).collect();
        Alone { net: run(&|_| {}, &others), dealer, member, others: said }
    }

    /// What the others sent of this kind reaches the member.
    fn hear(&mut self, kind: fn(&Message) -> bool) {
        for (from, message) in self.others.clone().into_iter().filter(|(_, message)| kind(message)) {
            let from = self.net.nodes[from].config.identity;
            self.net.feed(self.member, Input::Message { from, message });
        }
    }

    fn released(&self) -> bool {
        let own = |message: &Message| matches!(message, Message::Shares(shares) if shares.round == LATE);
        self.net.sent.iter().any(|sent| sent.from == self.member && own(&sent.message))
    }
}

fn opens(message: &Message) -> bool {
    matches!(message, Message::Opening(_) | Message::Ready(_))
}

fn shares(message: &Message) -> bool {
    matches!(message, Message::Shares(_))
}

/// All is here but the own share, which is the last to come: nothing else follows it that would have the round looked at
/// again. Seed 4799 of the simulator. [recover-6]
#[test]
fn recover_6_the_own_share_completes_a_secret_and_the_round() {
    let mut alone = Alone::new();
    alone.others.retain(|(from, _)| *from != alone.dealer);
    alone.hear(|_| true);
    alone.net.run_until(GENESIS_TIME + 20_000);
    assert_eq!(alone.net.nodes[alone.member].head(), LATE, "the round is certified");
}

/// A dealer that opens to nobody sends its own share to one member alone, who so recovers before it releases anything.
/// Were that the end of it, the others would have one share too few. [recover-4]
#[test]
fn recover_4_who_recovers_early_releases_all_the_same() {
    let mut alone = Alone::new();
    alone.hear(shares);
    assert!(!alone.released(), "openings of a quorum come first");
    alone.hear(opens);
    alone.net.run_until(GENESIS_TIME + 20_000);
    assert!(alone.released());
}

/// A member that was cut off for long asks again as soon as the others answer: it left nobody alone for what the network
/// did. [sync-1]
#[test]
fn sync_1_a_partition_is_nobodys_fault() {
    let mut net = Net::new(&equal());
    net.start_all();
    assert!(net.run_to(3, GENESIS_TIME + 20_000));
    let healed = net.now + 30_000;
    net.partition(vec![0, 0, 0, 1], healed);
    while net.advance_before(healed) {}
    let head = net.nodes[0].head();
    assert!(net.nodes[3].head() + 20 < head);
    assert!(net.run_to(head, healed + 2_000), "the member is at {} of {head}", net.nodes[3].head());
}

/// A stranger that says it has every decision and gives none is asked now and then, not again and again. [sync-2]
#[test]
fn sync_2_a_boaster_is_not_asked_for_ever() {
    let mut net = Net::new(&Setup { weights: vec![1; 4], period: 400, ..Setup::default() });
    let boaster = net.add_observer();
    net.boasters.insert(boaster, 0);
    net.start_all();
    assert!(net.run_to(3, GENESIS_TIME + 20_000));
    // Two of four decide nothing, and have long asked everybody.
    net.crash(2);
    net.crash(3);
    let begun = net.now;
    net.run_until(begun + 10_000);
    let asked = net.boasters[&boaster];
    assert!(asked < 40, "asked {asked} times in ten seconds");
}
