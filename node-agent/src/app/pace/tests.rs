//! A mesh that never stands is not tried in a loop, and nothing that happens goes unheard for long.
use super::*;

const MS: Duration = Duration::from_millis(1);

/// Rounds and attempts of `length`, in which every attempt fails and stirs up `own` notifications, and `foreign` says
/// when others change something. The agent's loop, with a clock of its own.
fn lives(length: Duration, own: u32, foreign: impl Fn(Duration) -> bool) -> (u32, Vec<Duration>) {
    let start = Instant::now();
    let mut pace = Pace::new(start);
    let (mut rounds, mut attempts) = (0, Vec::new());
    let (mut pending, mut tick) = (0, start);
    let mut now = start;
    while now < start + length {
        pending += u32::from(foreign(now - start));
        let heard = pending > 0 && pace.deaf_until(now).is_none();
        if heard {
            pace.hear(now);
            // They are told as one.
            pending = 0;
        }
        if heard || now >= tick || pace.due().is_some_and(|due| now >= due) {
            tick = now + 1000 * MS;
            rounds += 1;
            if pace.tries_mesh(1, now) {
                attempts.push(now - start);
                pending += own;
                pace.tried_mesh(1, false, now, 1.0);
            }
        }
        now += MS;
    }
    (rounds, attempts)
}

#[test]
fn a_mesh_that_can_never_stand_is_tried_every_five_seconds_in_the_end_though_every_attempt_stirs_the_kernel()
{
    for own in [0, 1, 100] {
        let (rounds, attempts) = lives(Duration::from_secs(60), own, |_| false);
        assert!(attempts.len() <= 18, "{own}: {attempts:?}");
        assert!(rounds <= 60 + 2 * 18 + 2, "{own}: {rounds} rounds in a minute");
        let last: Vec<Duration> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(last.iter().rev().take(5).all(|gap| *gap >= LAST && *gap <= LAST + 2 * MS), "{last:?}");
    }
}

#[test]
fn what_others_change_is_answered_at_once_also_while_the_mesh_fails() {
    let at = Duration::from_secs(42);
    let (_, attempts) = lives(Duration::from_secs(60), 3, |now| now == at);
    assert!(attempts.contains(&at), "{attempts:?}");
}

#[test]
fn a_storm_of_notifications_causes_no_storm_of_rounds_or_attempts() {
    let seconds = 30;
    let (rounds, attempts) = lives(Duration::from_secs(u64::from(seconds)), 1, |_| true);
    assert!(rounds <= ROUNDS + 5 * seconds + seconds + 20, "{rounds} rounds in {seconds} s");
    assert!(attempts.len() <= (EARLY + seconds + 10) as usize, "{} attempts in {seconds} s", attempts.len());
    let gaps = attempts.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.max().is_some_and(|gap| gap <= Duration::from_secs(2)), "{attempts:?}");
}

#[test]
fn a_new_snapshot_is_tried_at_once_but_not_each_of_a_thousand() {
    let now = Instant::now();
    let mut pace = Pace::new(now);
    assert!(pace.tries_mesh(1, now));
    pace.tried_mesh(1, false, now, 0.5);
    assert!(!pace.tries_mesh(1, now));
    let tried = (2..1000).filter(|revision| {
        let tries = pace.tries_mesh(*revision, now);
        if tries {
            pace.tried_mesh(*revision, false, now, 0.5);
        }
        tries
    });
    assert_eq!(tried.count(), EARLY as usize);
    assert!(pace.tries_mesh(1000, now + EARLY_EVERY), "the last of them is not forgotten");
}

#[test]
fn delays_differ_between_nodes_by_half_and_begin_anew_after_success() {
    let now = Instant::now();
    for (share, least) in [(0.0, 0.5), (1.0, 1.0), (7.0, 1.0)] {
        let mut pace = Pace::new(now);
        for delay in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            pace.tried_mesh(1, false, now, share);
            assert_eq!(pace.due(), Some(now + (delay * MS).mul_f64(least)));
        }
        assert_eq!(pace.failing(now).map(|(attempts, _)| attempts), Some(8));
        pace.tried_mesh(1, true, now, share);
        assert!(pace.due().is_none() && pace.failing(now).is_none() && pace.tries_mesh(1, now));
        pace.tried_mesh(1, false, now, share);
        assert_eq!(pace.due(), Some(now + (100 * MS).mul_f64(least)));
    }
}
