//! What time it is: for the protocol, and for people.
use nix::time::{ClockId, clock_gettime};
use ringfence_keyring::rotation::Moment;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, by a clock that does not go back and goes on while the machine sleeps (`CLOCK_BOOTTIME`).
pub(super) fn moment() -> Moment {
    // It fails for clocks that the kernel does not know; this one came with 2.6.39.
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |now| {
        let (seconds, nanoseconds) = (now.tv_sec().max(0), now.tv_nsec().max(0));
        seconds.unsigned_abs() * 1000 + nanoseconds.unsigned_abs() / 1_000_000
    });
    Moment(now)
}

/// Now, seconds since 1970 by the node's clock, whatever that is worth.
pub(super) fn unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Seconds since 1970 as RFC 3339 has them, in UTC.
pub fn rfc3339(unix: u64) -> String {
    let (days, second) = (unix / 86_400, unix % 86_400);
    // Days are counted in eras of 400 years, which begin on 1 March of a year that 400 divides: leap days come last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_the_calendar_has_them() {
        for (unix, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_795_219_200, "2026-11-21T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(unix), date);
        }
    }
}
