//! The text of a time.

const DAY: i64 = 24 * 60 * 60 * 1000;

/// JavaScript knows no time that is farther from 1970 than this, in milliseconds.
const FARTHEST: u64 = 8_640_000_000_000_000;

/// The text that `JSON.stringify` gives for the time so many milliseconds after the beginning of 1970, in UTC. `None`
/// if JavaScript knows no such time.
pub(super) fn time(millis: i64) -> Option<String> {
    if millis.unsigned_abs() > FARTHEST {
        return None;
    }
    let (year, month, day) = date(millis.div_euclid(DAY));
    let millis = millis.rem_euclid(DAY);
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    let year = match year {
        0..=9999 => format!("{year:04}"),
        _ => format!("{year:+07}"),
    };
    Some(format!("{year}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", millis % 1000))
}

/// Year, month and day of the day so many days after 1 January 1970, by the Gregorian calendar.
fn date(days: i64) -> (i64, i64, i64) {
    // Four hundred years always have the same number of days. They are counted from 1 March, so that the day that only
    // some years have is the last of its year.
    const FOUR_CENTURIES: i64 = 146_097;
    const CENTURY: i64 = 36_524;
    const FOUR_YEARS: i64 = 1_461;
    let days = days + 719_468; // from 1 March of the year 0
    let (era, mut rest) = (days.div_euclid(FOUR_CENTURIES), days.rem_euclid(FOUR_CENTURIES));
    let centuries = (rest / CENTURY).min(3);
    rest -= centuries * CENTURY;
    let fours = rest / FOUR_YEARS;
    rest -= fours * FOUR_YEARS;
    let years = (rest / 365).min(3);
    rest -= years * 365;
    // The months from March on: five of them have 153 days, and again.
    let months = (5 * rest + 2) / 153;
    let day = rest - (153 * months + 2) / 5 + 1;
    let year = era * 400 + centuries * 100 + fours * 4 + years;
    match months {
        10.. => (year + 1, months - 9, day),
        _ => (year, months + 3, day),
    }
}
