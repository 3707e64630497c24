//! Safety across crashes: whatever is cut off, no member is ever seen with two different signed messages of one step.

use crate::net::{Net, Plan};

fn crash(member: u16, after: u64, sabotage: fn(&mut Plan)) -> Net {
    let mut plan = Plan::new(&[1, 1, 1, 1], 2, 11);
    plan.crash_at = Some((member, after));
    sabotage(&mut plan);
    let mut net = Net::new(plan);
    net.run(60_000);
    net
}

#[test]
fn a_crash_at_every_output_boundary() {
    let mut boundaries = 0;
    for member in 0..4 {
        for after in 0.. {
            let net = crash(member, after, |_| {});
            assert_eq!((&net.conflicts[..], &net.faults[..], &net.halts[..]), (&[][..], &[][..], &[][..]));
            assert!(net.done(), "member {member}, output {after}");
            if net.crashes == 0 {
                break;
            }
            boundaries += 1;
        }
    }
    assert!(boundaries > 4 * 20, "{boundaries} boundaries");
}

fn is_caught(sabotage: fn(&mut Plan)) -> bool {
    let mut runs = (0..4).flat_map(|member| (0..30).map(move |after| crash(member, after, sabotage)));
    runs.any(|net| !net.conflicts.is_empty())
}

#[test]
fn negative_control_a_forgotten_log_is_caught() {
    assert!(is_caught(|plan| plan.forget_log = true));
}

#[test]
fn negative_control_a_log_not_flushed_before_sending_is_caught() {
    assert!(is_caught(|plan| plan.unflushed = 3));
}

#[test]
fn many_crashes_and_lost_messages() {
    let mut crashes = 0;
    for seed in 0..12 {
        let mut plan = Plan::new(&[10, 20, 30, 40], 10, seed);
        plan.loss = 100;
        plan.crash_rate = 30;
        let mut net = Net::new(plan);
        net.run(2_000_000);
        assert_eq!((&net.conflicts[..], &net.faults[..], &net.halts[..]), (&[][..], &[][..], &[][..]));
        assert!(net.done(), "seed {seed} stuck at {} ms", net.now);
        crashes += net.crashes;
    }
    assert!(crashes > 100, "{crashes} crashes");
}
